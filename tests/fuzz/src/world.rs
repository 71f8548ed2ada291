//! A relay and its surroundings.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use relay::{
    Action, AllocationId, Client, Family, ListenerId, MAX_PADDING_BYTES, MAX_PREFIX_BYTES, Open,
    Output, Refusal, Relay, Time,
};
use stun::{
    attributes::{ATTR_MESSAGE_INTEGRITY, ATTR_MESSAGE_INTEGRITY_SHA256, ATTR_NONCE},
    message::{METHOD_ALLOCATE, Message},
};

use crate::{
    UNIX, config,
    messages::{Signature, add_transport, request, sign},
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
    pub sockets: BTreeMap<AllocationId, Client>,
    /// Every allocation that there ever was.
    seen: BTreeSet<AllocationId>,
    next_port: u16,
}

impl World {
    pub fn new(flags: u8) -> Self {
        Self {
            relay: Relay::new(config(flags), 1),
            now: Time {
                monotonic: Instant::now(),
                unix: UNIX,
            },
            opening: Vec::new(),
            sockets: BTreeMap::new(),
            seen: BTreeSet::new(),
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
        assert_eq!(wished, usize::from(action == Action::Pending));
        match action {
            Action::ToPeer(to) => {
                assert!(to.start <= to.end && to.end <= datagram.len());
                assert!(self.sockets.contains_key(&to.allocation));
                assert_eq!(self.sockets[&to.allocation].listener, listener);
                assert!(!is_internal(to.peer.ip()), "{}", to.peer);
            }
            Action::Answer(answer) => {
                assert_eq!(answer.client.address, client);
                let message = self.check_answer(answer.verified);
                assert_eq!(message.transaction_id.0[..], datagram[8..20]);
                if !answer.verified {
                    assert!(message.raw.len() <= 3 * datagram.len());
                }
            }
            Action::ToClient(_) => panic!("a client's packet goes back"),
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
                assert_eq!(self.sockets.get(&id), Some(&to.client));
                assert!(to.prefix().len() <= MAX_PREFIX_BYTES);
                assert!(to.padding().len() <= MAX_PADDING_BYTES);
                assert!(!is_internal(peer.ip()), "{peer}");
            }
            Action::Dropped(_) => {}
            Action::ToPeer(_) | Action::Answer(_) | Action::Pending => panic!("{action:?}"),
        }
    }

    /// Answers the wish for a socket that stands at `index`.
    pub fn answer_open(&mut self, index: usize, refusal: Option<Refusal>) {
        if self.opening.is_empty() {
            return;
        }
        let open = self.opening.remove(index % self.opening.len());
        let socket = match refusal {
            Some(refusal) => Err(refusal),
            None => Ok(self.bind(open.family)),
        };
        if refusal.is_none() {
            self.sockets.insert(open.allocation, open.client);
        }
        let now = self.now.monotonic;
        let action = self.relay.handle_opened(open.allocation, socket, now);
        assert_eq!(self.drain(), 0);
        let Action::Answer(answer) = action else {
            panic!("{action:?}");
        };
        assert_eq!(answer.client, open.client);
        assert_eq!(answer.error.is_some(), refusal.is_some());
        self.check_answer(true);
    }

    /// Answers for an allocation that does not wait for it.
    pub fn answer_again(&mut self, index: usize, refusal: Option<Refusal>) {
        let mut settled = self.seen.iter().filter(|id| !self.is_opening(**id));
        let Some(id) = settled.nth(index).copied() else {
            return;
        };
        let socket = refusal.map_or_else(|| Ok(self.bind(Family::V4)), Err);
        let action = self.relay.handle_opened(id, socket, self.now.monotonic);
        assert_eq!(self.drain(), 0);
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

    fn is_opening(&self, id: AllocationId) -> bool {
        self.opening.iter().any(|open| open.allocation == id)
    }

    fn bind(&mut self, family: Family) -> SocketAddr {
        self.next_port = self.next_port.wrapping_add(1);
        match family {
            Family::V4 => ([198, 51, 100, 1], self.next_port).into(),
            Family::V6 => ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], self.next_port).into(),
        }
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
                    assert!(self.seen.insert(open.allocation), "an id used again");
                    self.opening.push(open);
                }
                Output::Close(close) => {
                    let client = self.sockets.remove(&close.allocation);
                    assert_eq!(client, Some(close.client), "closed, but not open");
                }
            }
        }
        let allocations = self.relay.allocations();
        assert_eq!(allocations - self.opening.len(), self.sockets.len());
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
