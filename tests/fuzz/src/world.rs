//! A relay and its surroundings.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use relay::{
    Action, AllocationId, Bound, Client, Family, Icmp, ListenerId, MAX_PADDING_BYTES,
    MAX_PREFIX_BYTES, Mobility, Open, Output, Port, Refusal, Relay, ReservationToken, Time,
};
use stun::{
    attributes::{ATTR_MESSAGE_INTEGRITY, ATTR_MESSAGE_INTEGRITY_SHA256, ATTR_NONCE},
    message::{METHOD_ALLOCATE, METHOD_DATA, Message},
};

use crate::{
    UNIX, config,
    messages::{MOBILITY_TICKET, Signature, add_transport, request, sign},
};

/// Most outputs that one input may have.
const MAX_OUTPUTS: usize = 80;

/// Longest answer, so that it is one packet.
const MAX_ANSWER_BYTES: usize = 1500;

pub struct World {
    pub relay: Relay,
    pub now: Time,
    /// Wished for, and not answered yet.
    pub opening: Vec<Open>,
    /// Open relay sockets, and whose they are.
    pub sockets: BTreeMap<(AllocationId, Family), Client>,
    /// Every socket that was ever wished for.
    seen: BTreeSet<(AllocationId, Family)>,
    /// The last token that anybody was given.
    pub token: Option<ReservationToken>,
    /// The last ticket that anybody was given, RFC 8016.
    pub ticket: Vec<u8>,
    next_port: u16,
}

impl World {
    pub fn new(flags: u8) -> Self {
        Self {
            relay: Relay::new(config(flags), 1).with_mobility(Mobility::new(&[9; 32], 0)),
            now: Time {
                monotonic: Instant::now(),
                unix: UNIX,
            },
            opening: Vec::new(),
            sockets: BTreeMap::new(),
            seen: BTreeSet::new(),
            token: None,
            ticket: Vec::new(),
            next_port: 1024,
        }
    }

    /// Hands a client's datagram in, and checks what comes of it.
    pub fn receive(&mut self, client: SocketAddr, datagram: &[u8]) -> Action {
        let listener = ListenerId(0);
        let action = self
            .relay
            .handle_client(listener, client, datagram, self.now);
        let wished = self.drain();
        match action {
            Action::Pending => assert!(wished == 1 || wished == 2),
            Action::ToPeer(_)
            | Action::ToClient(_)
            | Action::Answer(_)
            | Action::Indication(_)
            | Action::Elsewhere(_)
            | Action::Dropped(_) => {
                assert_eq!(wished, 0);
            }
        }
        match action {
            Action::ToPeer(to) => {
                assert!(to.start <= to.end && to.end <= datagram.len());
                let socket = self.sockets.get(&(to.allocation, to.family()));
                let client = socket.expect("the socket is open");
                assert_eq!(client.listener, listener);
                assert!(!is_internal(to.peer.ip()), "{}", to.peer);
            }
            Action::Answer(answer) => {
                assert_eq!(answer.client.address, client);
                let message = self.check_answer(answer.verified);
                self.keep_ticket(&message);
                assert_eq!(message.transaction_id.0[..], datagram[8..20]);
                if !answer.verified {
                    assert!(message.raw.len() <= 3 * datagram.len());
                }
            }
            Action::ToClient(_) | Action::Indication(_) => panic!("a client's packet goes back"),
            Action::Elsewhere(_) => panic!("there is no other thread"),
            Action::Dropped(_) | Action::Pending => {}
        }
        action
    }

    /// Hands a peer's datagram in.
    pub fn receive_from_peer(&mut self, id: AllocationId, peer: SocketAddr, datagram: &[u8]) {
        let action = self
            .relay
            .handle_peer(id, peer, datagram, self.now.monotonic);
        assert_eq!(self.drain(), 0);
        match action {
            Action::ToClient(to) => {
                let mut sockets = Family::ALL
                    .iter()
                    .filter_map(|f| self.sockets.get(&(id, *f)));
                assert_eq!(sockets.next(), Some(&to.client));
                assert!(to.prefix().len() <= MAX_PREFIX_BYTES);
                assert!(to.padding().len() <= MAX_PADDING_BYTES);
                assert!(!is_internal(peer.ip()), "{peer}");
            }
            Action::Dropped(_) => {}
            Action::ToPeer(_)
            | Action::Answer(_)
            | Action::Indication(_)
            | Action::Elsewhere(_)
            | Action::Pending => {
                panic!("{action:?}")
            }
        }
    }

    /// Hands in what answered a packet to a peer, from the socket at `index`.
    pub fn receive_icmp(&mut self, index: usize, peer: SocketAddr, kind: u8, code: u8) {
        let index = index % self.sockets.len().max(1);
        let Some((id, client)) = self
            .sockets
            .iter()
            .nth(index)
            .map(|((id, _), client)| (*id, *client))
        else {
            return;
        };
        let icmp = Icmp {
            kind,
            code,
            mtu: 1280,
        };
        let now = self.now.monotonic;
        match self.relay.handle_icmp(id, peer, icmp, now) {
            Action::Indication(told) => {
                assert_eq!(told, client);
                assert!(!is_internal(peer.ip()), "{peer}");
                let message = self.check_answer(false);
                assert_eq!(message.typ.method, METHOD_DATA);
            }
            Action::Dropped(_) => {}
            action => panic!("{action:?}"),
        }
        assert_eq!(self.drain(), 0);
    }

    /// Answers the wish for a socket that stands at `index`.
    pub fn answer_open(&mut self, index: usize, refusal: Option<Refusal>) {
        if self.opening.is_empty() {
            return;
        }
        let open = self.opening.remove(index % self.opening.len());
        let (id, family) = (open.allocation, open.family);
        let mut refusal = refusal;
        if matches!(open.port, Port::Reserved(token) if self.token != Some(token)) {
            refusal = Some(Refusal::InsufficientCapacity);
        }
        let socket = match refusal {
            Some(refusal) => Err(refusal),
            None => Ok(self.bind(family, open.port)),
        };
        if refusal.is_none() {
            self.sockets.insert((id, family), open.client);
        }
        let now = self.now.monotonic;
        let action = self.relay.handle_opened(id, family, socket, now);
        let other = self.opening.iter().any(|other| other.allocation == id);
        self.check_closed_and_open();
        let answer = match action {
            Action::Pending if other => return,
            Action::Answer(answer) if !other => answer,
            _ => panic!("{action:?}"),
        };
        assert_eq!(answer.client, open.client);
        let is_open = self.sockets.keys().any(|(open, _)| *open == id);
        assert_eq!(answer.error.is_none(), is_open);
        let message = self.check_answer(true);
        self.keep_ticket(&message);
    }

    fn keep_ticket(&mut self, answer: &Message) {
        if let Ok(ticket) = answer.get(MOBILITY_TICKET) {
            self.ticket = ticket;
        }
    }

    /// Answers for a socket that nobody waits for.
    pub fn answer_again(&mut self, index: usize, refusal: Option<Refusal>) {
        let mut settled = self.seen.iter().filter(|socket| !self.is_opening(**socket));
        let Some((id, family)) = settled.nth(index).copied() else {
            return;
        };
        let socket = refusal.map_or_else(|| Ok(self.bind(family, Port::Any)), Err);
        let now = self.now.monotonic;
        let action = self.relay.handle_opened(id, family, socket, now);
        self.check_closed_and_open();
        assert!(matches!(action, Action::Dropped(_)), "{action:?}");
    }

    /// Lets time pass, unnoticed until [`Self::handle_timeout`] or the next input.
    pub fn wait(&mut self, duration: Duration) {
        self.now.monotonic += duration;
        self.now.unix += duration.as_secs();
    }

    pub fn handle_timeout(&mut self) {
        self.relay.handle_timeout(self.now.monotonic);
        assert_eq!(self.drain(), 0);
    }

    /// Refuses what waits, lets everything expire, and checks that nothing is left.
    pub fn end(mut self) {
        while !self.opening.is_empty() {
            self.answer_open(0, Some(Refusal::InsufficientCapacity));
        }
        self.relay.handle_drain(None);
        self.wait(Duration::from_secs(24 * 60 * 60));
        while self.relay.poll_timeout().is_some() {
            let before = self.sockets.len();
            self.handle_timeout();
            assert!(self.sockets.len() < before, "a timeout that ends nothing");
        }
        assert!(self.sockets.is_empty());
        assert_eq!(self.relay.allocations(), 0);
    }

    /// A nonce for `client`, from the 401 that it gets for an unsigned request.
    pub fn nonce(&mut self, client: SocketAddr) -> Vec<u8> {
        let mut unsigned = request(METHOD_ALLOCATE, 0xEE);
        add_transport(&mut unsigned);
        self.receive(client, &unsigned.raw);
        let mut answer = Message::new();
        answer.write(self.relay.answer()).expect("a STUN message");
        answer.get(ATTR_NONCE).expect("a nonce")
    }

    pub fn ask(&mut self, client: SocketAddr, login: u8, mut message: Message) -> Action {
        let nonce = self.nonce(client);
        sign(&mut message, crate::login(login), &nonce, Signature::Sha1);
        self.receive(client, &message.raw)
    }

    fn is_opening(&self, socket: (AllocationId, Family)) -> bool {
        let mut opening = self.opening.iter();
        opening.any(|open| (open.allocation, open.family) == socket)
    }

    fn bind(&mut self, family: Family, port: Port) -> Bound {
        self.next_port = self.next_port.wrapping_add(1);
        let address: SocketAddr = match family {
            Family::V4 => ([198, 51, 100, 1], self.next_port).into(),
            Family::V6 => ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], self.next_port).into(),
        };
        let mut bound = Bound::from(address);
        if port == Port::EvenAndNext {
            self.token = Some(ReservationToken::new(self.next_port.into(), family));
            bound.reserved = self.token;
        }
        bound
    }

    fn check_closed_and_open(&mut self) {
        assert_eq!(self.drain(), 0);
    }

    /// Carries out what is asked for, but leaves wishes for sockets open; returns how many there were.
    fn drain(&mut self) -> usize {
        let (mut outputs, mut wishes) = (0, 0);
        while let Some(output) = self.relay.poll_output() {
            outputs += 1;
            assert!(outputs <= MAX_OUTPUTS, "outputs without end");
            match output {
                Output::Open(open) => {
                    wishes += 1;
                    let socket = (open.allocation, open.family);
                    assert!(self.seen.insert(socket), "an id used again");
                    self.opening.push(open);
                }
                Output::Connect(_) | Output::Bind(_) => panic!("there is no TCP here"),
                Output::Moved(moved) => {
                    let sockets = self.sockets.iter_mut();
                    let own = sockets.filter(|((id, _), _)| *id == moved.allocation);
                    let moved_from: Vec<Client> = own
                        .map(|(_, client)| mem::replace(client, moved.to))
                        .collect();
                    assert!(!moved_from.is_empty(), "moved, but not open");
                    assert!(moved_from.iter().all(|from| *from == moved.from));
                    assert_ne!(moved.from, moved.to);
                }
                Output::Close(close) => {
                    let client = self.sockets.remove(&(close.allocation, close.family));
                    assert_eq!(client, Some(close.client), "closed, but not open");
                }
            }
        }
        let open = self.sockets.keys().map(|(id, _)| *id);
        let opening = self.opening.iter().map(|open| open.allocation);
        let allocations: BTreeSet<AllocationId> = open.chain(opening).collect();
        assert_eq!(self.relay.allocations(), allocations.len());
        wishes
    }

    fn check_answer(&self, verified: bool) -> Message {
        let bytes = self.relay.answer();
        assert!(bytes.len() <= MAX_ANSWER_BYTES, "{} bytes", bytes.len());
        let mut message = Message::new();
        message.write(bytes).expect("a STUN message");
        assert_eq!(bytes.len(), 20 + message.length as usize);
        let signed = message.contains(ATTR_MESSAGE_INTEGRITY)
            || message.contains(ATTR_MESSAGE_INTEGRITY_SHA256);
        assert_eq!(signed, verified);
        message
    }
}

/// Some of what is denied by default.
fn is_internal(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_multicast(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unspecified() || ip.is_multicast(),
    }
}
