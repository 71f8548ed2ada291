use std::{
    fmt, mem,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use stun::{
    attributes::{ATTR_NONCE, ATTR_REALM, AttrType},
    error_code::ErrorCodeAttribute,
    integrity::MessageIntegrity,
    message::{
        CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, Getter, METHOD_ALLOCATE, METHOD_CHANNEL_BIND,
        METHOD_REFRESH, Message, MessageType, Method, Setter,
    },
};
use turn::proto::{
    channum::ChannelNumber, lifetime::Lifetime, peeraddr::PeerAddress, relayaddr::RelayedAddress,
};

const USER: &str = "u";
const PASSWORD: &str = "p";

/// RFC 8016 §4.
const MOBILITY_TICKET: AttrType = AttrType(0x8030);

/// REQUESTED-TRANSPORT: UDP.
const UDP: [u8; 4] = [17, 0, 0, 0];

/// A wait for an answer, after which a request is sent again, as often as [`TRIES`].
const WAIT: Duration = Duration::from_secs(1);
const TRIES: usize = 5;

/// A client with an allocation, as user `u` with the password `p`, whose packets the caller writes and reads itself.
pub struct TurnClient {
    /// Connected to the relay.
    pub socket: UdpSocket,
    /// The allocation's relayed address.
    pub relayed: SocketAddr,
    key: MessageIntegrity,
    realm: Vec<u8>,
    nonce: Vec<u8>,
    /// Of who asked for one.
    ticket: Option<Vec<u8>>,
    transactions: u64,
}

impl fmt::Debug for TurnClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnClient")
            .field("socket", &self.socket)
            .field("relayed", &self.relayed)
            .finish_non_exhaustive()
    }
}

fn connected(ip: Ipv4Addr, relay: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((ip, 0)).expect("a free port");
    socket.connect(relay).expect("an address of this host");
    socket.set_read_timeout(Some(WAIT)).expect("a timeout");
    socket
}

impl TurnClient {
    /// Makes an allocation.
    pub fn allocate(relay: SocketAddr) -> Self {
        Self::allocate_from(Ipv4Addr::LOCALHOST, relay)
    }

    /// Makes an allocation, from another address than that of loopback.
    pub fn allocate_from(ip: Ipv4Addr, relay: SocketAddr) -> Self {
        Self::allocate_by(connected(ip, relay), false)
    }

    /// Makes an allocation that can be taken along, RFC 8016.
    pub fn allocate_mobile(relay: SocketAddr) -> Self {
        Self::allocate_by(connected(Ipv4Addr::LOCALHOST, relay), true)
    }

    /// Makes an allocation by a socket that is connected to the relay.
    pub fn allocate_by(socket: UdpSocket, is_mobile: bool) -> Self {
        let relay = socket.peer_addr().expect("a connected socket");
        let mut client = Self {
            socket,
            relayed: relay,
            ticket: None,
            key: MessageIntegrity::new_short_term_integrity(String::new()),
            realm: Vec::new(),
            nonce: Vec::new(),
            transactions: 0,
        };
        let wants_udp = |message: &mut Message| {
            message.add(AttrType(0x0019), &UDP);
            if is_mobile {
                message.add(MOBILITY_TICKET, &[]);
            }
        };
        let challenge = client.ask(METHOD_ALLOCATE, wants_udp);
        client.realm = challenge.get(ATTR_REALM).expect("a realm");
        client.nonce = challenge.get(ATTR_NONCE).expect("a nonce");
        let realm = String::from_utf8_lossy(&client.realm).into_owned();
        client.key = MessageIntegrity::new_long_term_integrity(USER.into(), realm, PASSWORD.into());
        let answer = client.ask_granted(METHOD_ALLOCATE, wants_udp);
        client.ticket = answer.get(MOBILITY_TICKET).ok();
        let mut relayed = RelayedAddress::default();
        relayed.get_from(&answer).expect("a relayed address");
        client.relayed = SocketAddr::new(relayed.ip, relayed.port);
        client
    }

    /// Binds a channel to `peer`.
    pub fn bind(&mut self, channel: u16, peer: SocketAddr) {
        assert_eq!(self.bind_code(channel, peer), 200, "{peer}");
    }

    /// What the wish for a channel to `peer` is answered: an error code, or 200 when it is bound.
    pub fn bind_code(&mut self, channel: u16, peer: SocketAddr) -> u16 {
        let (ip, port) = (peer.ip(), peer.port());
        let answer = self.ask(METHOD_CHANNEL_BIND, |message| {
            let peer = PeerAddress { ip, port };
            let number = ChannelNumber(channel).add_to(message);
            number.and_then(|()| peer.add_to(message)).expect("room");
        });
        let mut error = ErrorCodeAttribute::default();
        match error.get_from(&answer) {
            Ok(()) => error.code.0,
            Err(_) => 200,
        }
    }

    /// Takes the allocation along to another port; gives back the socket that it had before, which is the allocation's
    /// until something else comes from the new one.
    pub fn move_to_another_port(&mut self) -> UdpSocket {
        let ip = Ipv4Addr::LOCALHOST;
        let next = connected(ip, self.socket.peer_addr().expect("a connected socket"));
        let before = mem::replace(&mut self.socket, next);
        let ticket = self.ticket.clone().expect("a ticket");
        let shows = |message: &mut Message| message.add(MOBILITY_TICKET, &ticket);
        let mut answer = self.ask(METHOD_REFRESH, shows);
        // The nonce was another address's.
        if let Ok(nonce) = answer.get(ATTR_NONCE) {
            self.nonce = nonce;
            answer = self.ask(METHOD_REFRESH, shows);
        }
        assert_eq!(answer.typ.class, CLASS_SUCCESS_RESPONSE, "{answer}");
        self.ticket = answer.get(MOBILITY_TICKET).ok();
        before
    }

    /// Gives the allocation back, and the socket that it came by.
    pub fn close_but_the_socket(mut self) -> UdpSocket {
        self.end();
        self.socket
    }

    /// Gives the allocation back.
    pub fn close(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.ask_granted(METHOD_REFRESH, |message| {
            Lifetime(Duration::ZERO).add_to(message).expect("room");
        });
    }

    fn ask_granted(&mut self, method: Method, add: impl Fn(&mut Message)) -> Message {
        let answer = self.ask(method, add);
        assert_eq!(answer.typ.class, CLASS_SUCCESS_RESPONSE, "{answer}");
        answer
    }

    fn ask(&mut self, method: Method, add: impl Fn(&mut Message)) -> Message {
        self.transactions += 1;
        let mut request = Message::new();
        request.typ = MessageType::new(method, CLASS_REQUEST);
        request.transaction_id.0[4..].copy_from_slice(&self.transactions.to_be_bytes());
        request.write_header();
        add(&mut request);
        if !self.nonce.is_empty() {
            request.add(AttrType(0x0006), USER.as_bytes());
            request.add(ATTR_REALM, &self.realm);
            request.add(ATTR_NONCE, &self.nonce);
            self.key.add_to(&mut request).expect("room");
        }
        let mut buffer = [0; 2048];
        for _ in 0..TRIES {
            self.socket.send(&request.raw).expect("a send");
            while let Ok(length) = self.socket.recv(&mut buffer) {
                let mut answer = Message::new();
                if answer.write(&buffer[..length]).is_ok()
                    && answer.transaction_id == request.transaction_id
                {
                    return answer;
                }
            }
        }
        panic!("{method} is not answered");
    }
}
