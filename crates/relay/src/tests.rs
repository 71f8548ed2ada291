//! A relay on virtual time, whose sockets open at once unless a test refuses them. Clients write and read by
//! the `stun` crate, so that ours are not checked by themselves.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use stun::{
    attributes::{
        ATTR_MESSAGE_INTEGRITY, ATTR_MESSAGE_INTEGRITY_SHA256, ATTR_XOR_PEER_ADDRESS, AttrType,
    },
    error_code::ErrorCodeAttribute,
    fingerprint::FINGERPRINT,
    integrity::MessageIntegrity,
    message::{
        CLASS_INDICATION, CLASS_REQUEST, Getter, METHOD_ALLOCATE, METHOD_CHANNEL_BIND,
        METHOD_CREATE_PERMISSION, METHOD_REFRESH, METHOD_SEND, Message, MessageType,
        Method as StunMethod, Setter,
    },
    xoraddr::XorMappedAddress,
};
use turn::proto::{
    channum::ChannelNumber, lifetime::Lifetime, peeraddr::PeerAddress, relayaddr::RelayedAddress,
};
use turn_credentials::Secret;

use crate::{
    Action, AllocationId, Bound, Client, Close, Config, Credentials, DropReason, Family, Home,
    ListenerId, NonceKey, Open, Output, Port, Refusal, Relay, RelayedFamily, ReservationToken,
    Time, UserId,
};

mod allocate;
mod asking;
mod authentication;
mod bytes;
mod challenges;
mod checklist;
mod connections;
mod data;
mod defects;
mod denied_peers;
mod discovery;
mod drain;
mod dual;
mod foreign_client;
mod framing;
mod heap;
mod icmp;
mod limits;
mod messages;
mod mobility;
mod model;
mod operator;
mod permissions;
mod refresh;
mod reservations;
mod sha256;
mod streams;
mod vectors;

use messages::*;

const REALM: &str = "trunkline";
const ALICE: Login = Login::new("alice", "alice's password");
const BOB: Login = Login::new("bob", "bob's password");

/// Where the only client of most tests is.
const HERE: &str = "192.0.2.10:4000";

/// A peer that anybody may reach.
const PEER: &str = "8.8.8.8:5000";

const UNIX: u64 = 1_700_000_000;

/// Relayed addresses are this one's, at a port of their own.
const RELAY_IPV4: &str = "198.51.100.1";
const RELAY_IPV6: &str = "[2001:db8::1]";

#[derive(Clone, Copy)]
struct Login {
    name: &'static str,
    password: &'static str,
}

impl Login {
    const fn new(name: &'static str, password: &'static str) -> Self {
        Self { name, password }
    }
}

fn secret() -> Secret {
    Secret::new(b"a shared secret")
}

fn config() -> Config {
    let credentials = Credentials::new(REALM)
        .unwrap()
        .with_secret(secret())
        .with_static_user(ALICE.name, ALICE.password)
        .with_static_user(BOB.name, BOB.password);
    Config {
        ipv6: RelayedFamily::AsBound,
        ..Config::new(Arc::new(credentials), NonceKey::new(&[7; 32]))
    }
}

struct Server {
    relay: Relay,
    now: Time,
    /// Open relay sockets.
    sockets: BTreeMap<(AllocationId, Family), SocketAddr>,
    /// Ports that wait for somebody to come for them.
    reserved: BTreeMap<ReservationToken, (UserId, SocketAddr)>,
    /// To whom each of them is charged, and where that user is.
    charged: BTreeMap<(AllocationId, Family), (Client, UserId)>,
    closed: Vec<Close>,
    opened: Vec<Open>,
    /// Connections, and what is to be bound.
    wanted: Vec<Output>,
    /// What is said to the next wish for a socket of each family.
    refusals: [Option<Refusal>; 2],
    next_port: u16,
    transactions: u64,
}

impl Server {
    fn new() -> Self {
        Self::with(config())
    }

    fn with(config: Config) -> Self {
        Self {
            relay: Relay::new(config, 1),
            now: Time {
                monotonic: Instant::now_for_tests(),
                unix: UNIX,
            },
            sockets: BTreeMap::new(),
            charged: BTreeMap::new(),
            closed: Vec::new(),
            opened: Vec::new(),
            wanted: Vec::new(),
            reserved: BTreeMap::new(),
            refusals: [None; 2],
            next_port: 50_000,
            transactions: 0,
        }
    }

    /// One where alice has an allocation, from [`HERE`].
    fn with_allocation() -> Self {
        let mut server = Self::new();
        server.allocate(HERE, ALICE);
        server
    }

    /// The first allocation, which is the only one of most tests.
    fn first(&self) -> AllocationId {
        let (id, _) = self.sockets.keys().next().unwrap();
        *id
    }

    fn advance(&mut self, duration: Duration) {
        self.now.monotonic += duration;
        self.now.unix += duration.as_secs();
    }

    /// A datagram from a client, and what follows from it.
    fn receive(&mut self, client: &str, datagram: &[u8]) -> Reaction {
        let source = client.parse().unwrap();
        let listener = ListenerId(0);
        let action = self
            .relay
            .handle_client(listener, source, datagram, self.now);
        let action = self.carry_out(action);
        self.reaction(action, datagram)
    }

    /// A datagram from a peer to the relay socket of the only allocation.
    fn receive_from_peer(&mut self, peer: &str, datagram: &[u8]) -> Reaction {
        let id = self.first();
        let source = peer.parse().unwrap();
        let action = self
            .relay
            .handle_peer(id, source, datagram, self.now.monotonic);
        self.reaction(action, datagram)
    }

    fn handle_timeout(&mut self) {
        self.relay.handle_timeout(self.now.monotonic);
        let action = self.carry_out(Action::Pending);
        assert_eq!(action, Action::Pending);
    }

    fn carry_out(&mut self, mut action: Action) -> Action {
        while let Some(output) = self.relay.poll_output() {
            match output {
                Output::Open(open) => {
                    let (allocation, family, socket) =
                        (open.allocation, open.family, self.open(&open));
                    if let Ok(socket) = socket {
                        let place = (allocation, family);
                        assert_eq!(self.sockets.insert(place, socket.address), None);
                        self.charged.insert(place, (open.client, open.user.clone()));
                        self.opened.push(open);
                    }
                    assert_eq!(action, Action::Pending);
                    let now = self.now.monotonic;
                    action = self.relay.handle_opened(allocation, family, socket, now);
                }
                Output::Connect(_) | Output::Bind(_) => self.wanted.push(output),
                Output::Moved(ref moved) => {
                    let (from, to) = (moved.from, moved.to);
                    for ((id, _), (client, user)) in &mut self.charged {
                        if *id == moved.allocation {
                            assert_eq!((*client, &*user), (from, &moved.user));
                            *client = to;
                        }
                    }
                    self.wanted.push(output);
                }
                Output::Close(close) => {
                    let place = (close.allocation, close.family);
                    assert!(self.sockets.remove(&place).is_some());
                    // It is released where it was charged last, however far that was moved.
                    let charged = self.charged.remove(&place);
                    assert_eq!(charged, Some((close.client, close.user.clone())));
                    self.closed.push(close);
                }
            }
        }
        action
    }

    fn open(&mut self, open: &Open) -> Result<Bound, Refusal> {
        if let Some(refusal) = self.refusals[open.family.place()].take() {
            return Err(refusal);
        }
        let ip = match open.family {
            Family::V4 => RELAY_IPV4,
            Family::V6 => RELAY_IPV6,
        };
        self.next_port += 1;
        match open.port {
            Port::Any => {}
            Port::Even | Port::EvenAndNext => {
                self.next_port = self.next_port.next_multiple_of(2);
            }
            Port::Reserved(token) => {
                let is_own = |(user, _): &(UserId, SocketAddr)| *user == open.user;
                return match self.reserved.get(&token).is_some_and(is_own) {
                    true => Ok(self.reserved.remove(&token).unwrap().1.into()),
                    false => Err(Refusal::InsufficientCapacity),
                };
            }
        }
        let address = |port| address(&format!("{ip}:{port}"));
        let mut bound = Bound::from(address(self.next_port));
        if open.port == Port::EvenAndNext {
            self.next_port += 1;
            let token = ReservationToken::new(self.next_port.into(), open.family);
            let reserved = (open.user.clone(), address(self.next_port));
            self.reserved.insert(token, reserved);
            bound.reserved = Some(token);
        }
        Ok(bound)
    }

    fn reaction(&self, action: Action, datagram: &[u8]) -> Reaction {
        match action {
            Action::ToPeer(to) => Reaction::ToPeer(to.peer.to_string(), to.data(datagram).to_vec()),
            Action::ToClient(to) => {
                let message = [to.prefix(), datagram, to.padding()].concat();
                Reaction::ToClient(to.client.address.to_string(), message)
            }
            Action::Answer(answer) => {
                let mut message = Message::new();
                message.write(self.relay.answer()).unwrap();
                let verified = answer.verified;
                let signatures = [ATTR_MESSAGE_INTEGRITY, ATTR_MESSAGE_INTEGRITY_SHA256];
                let signed = signatures.iter().filter(|typ| message.contains(**typ));
                assert_eq!(signed.count(), usize::from(verified));
                let reply = Reply { message, verified };
                match answer.error {
                    None => Reaction::Success(reply),
                    Some(code) => {
                        let mut written = ErrorCodeAttribute::default();
                        written.get_from(&reply.message).unwrap();
                        assert_eq!(written.code.0, code.number());
                        Reaction::Error(code.number(), reply)
                    }
                }
            }
            Action::Dropped(reason) => Reaction::Dropped(reason),
            Action::Elsewhere(home) => Reaction::Elsewhere(home),
            Action::Pending | Action::Indication(_) => panic!("nothing was carried out"),
        }
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn to_peer(peer: &str, data: &[u8]) -> Reaction {
    Reaction::ToPeer(peer.to_owned(), data.to_vec())
}

/// The only clock of the tests: a start to count from.
trait Start {
    fn now_for_tests() -> Instant;
}

impl Start for Instant {
    #[expect(clippy::disallowed_methods, reason = "virtual time starts somewhere")]
    fn now_for_tests() -> Instant {
        Self::now()
    }
}

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_millis(1);
