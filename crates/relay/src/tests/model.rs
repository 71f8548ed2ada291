//! Random sequences, compared step by step with a small model of RFC 8656 that is written for brevity.

use std::{collections::BTreeSet, net::IpAddr};

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::*;
use crate::Drain;

mod reference;
mod steps;

use reference::{Charges, Expected, Model, Success};
use steps::{Forgery, Ports, Step, Token, Who, step};

const CLIENTS: [&str; 2] = [HERE, "[2600::9]:4000"];
const LOGINS: [Login; 2] = [ALICE, BOB];

/// Two ports of one address, other addresses, one that is denied, one of the other family.
const PEERS: [&str; 6] = [
    "8.8.8.8:1",
    "8.8.8.8:2",
    "8.8.4.4:1",
    "1.1.1.1:1",
    "10.0.0.1:1",
    "[2600::1]:1",
];

/// The last is none.
const NUMBERS: [u16; 4] = [0x4000, 0x4001, 0x4002, 0x5000];

const MAX_PERMISSIONS: usize = 3;
const MAX_CHANNELS: usize = 2;
const MAX_AGE_SECONDS: u64 = 5000;

/// The relay, with what a client of each 5-tuple remembers.
struct Subject {
    server: Server,
    transactions: [[u8; 12]; 2],
    last_token: [u8; 8],
}

impl Subject {
    /// Of a relay with addresses of IPv4, and of IPv6.
    fn new([v4, v6]: [bool; 2]) -> Self {
        let server = Server::with(Config {
            ipv4: family(v4),
            ipv6: family(v6),
            max_permissions: MAX_PERMISSIONS,
            max_channels: MAX_CHANNELS,
            max_allocation_age: Duration::from_secs(MAX_AGE_SECONDS),
            ..config()
        });
        let transactions = [[0xAA; 12], [0xBB; 12]];
        Self {
            server,
            transactions,
            last_token: [0; 8],
        }
    }

    fn ask(&mut self, who: Who, method: StunMethod, attributes: &[Attr<'_>]) -> Expected {
        let reaction = self
            .server
            .ask(CLIENTS[who.client], LOGINS[who.login], method, attributes);
        outcome(reaction)
    }

    fn perform(&mut self, step: &Step) -> Expected {
        match step {
            Step::Advance(millis) => {
                self.server.advance(Duration::from_millis(*millis));
                Expected::Nothing
            }
            Step::Timeout => {
                self.server.handle_timeout();
                Expected::Nothing
            }
            Step::Disconnected { client } => {
                self.server.relay.handle_disconnected(Client {
                    listener: ListenerId(0),
                    address: address(CLIENTS[*client]),
                });
                self.settle()
            }
            Step::End { client } => {
                if let Some(open) = self.last_of(*client) {
                    self.server.relay.handle_end(open);
                }
                self.settle()
            }
            Step::Kick { login } => {
                let now = self.server.now;
                let relay = &mut self.server.relay;
                relay.handle_kick(LOGINS[*login].name, now.unix - 1, now);
                self.settle()
            }
            Step::Drain { seconds } => {
                let now = self.server.now.monotonic;
                let until = |seconds: u64| now + Duration::from_secs(seconds);
                let drain = seconds.map(|seconds| Drain {
                    until: seconds.map(until),
                    ..Drain::default()
                });
                self.server.relay.handle_drain(drain);
                Expected::Nothing
            }
            Step::Allocate {
                who,
                transport,
                family,
                lifetime,
                ports,
                refusals,
                again,
            } => {
                let attributes: Vec<_> = transport
                    .map(Attr::Transport)
                    .into_iter()
                    .chain(family.map(Attr::Family))
                    .chain(lifetime.map(Attr::Lifetime))
                    .collect();
                self.allocate(*who, &attributes, *ports, *refusals, *again)
            }
            Step::Refresh {
                who,
                family,
                lifetime,
            } => {
                let family = family.map(Attr::Family).into_iter();
                let attributes: Vec<_> = family.chain(lifetime.map(Attr::Lifetime)).collect();
                self.ask(*who, METHOD_REFRESH, &attributes)
            }
            Step::CreatePermission { who, peers } => {
                let attributes: Vec<_> = peers.iter().map(|peer| Attr::Peer(peer)).collect();
                self.ask(*who, METHOD_CREATE_PERMISSION, &attributes)
            }
            Step::ChannelBind { who, number, peer } => {
                let number = number.map(Attr::Channel).into_iter();
                let attributes: Vec<_> = number.chain(peer.map(Attr::Peer)).collect();
                self.ask(*who, METHOD_CHANNEL_BIND, &attributes)
            }
            Step::Forged {
                client,
                method,
                forgery,
            } => self.forge(*client, *method, *forgery),
            Step::Send { client, peer } => {
                let attributes = [Attr::Peer(peer), Attr::Raw(0x0013, b"data")];
                let datagram = send_indication([1; 12], &attributes);
                outcome(self.server.receive(CLIENTS[*client], &datagram))
            }
            Step::ChannelData { client, number } => {
                let datagram = channel_data(*number, b"data");
                outcome(self.server.receive(CLIENTS[*client], &datagram))
            }
            Step::FromPeer { client, peer } => self.receive_from_peer(*client, peer),
        }
    }

    fn allocate(
        &mut self,
        who: Who,
        attributes: &[Attr<'_>],
        ports: Ports,
        refusals: [Option<Refusal>; 2],
        again: bool,
    ) -> Expected {
        let fresh = self.server.transaction();
        let transaction = &mut self.transactions[who.client];
        if !again {
            *transaction = fresh;
        }
        let client = CLIENTS[who.client];
        let mut message = request(METHOD_ALLOCATE, *transaction, attributes);
        if let Some(family) = ports.additional {
            message.add(AttrType(0x8000), &[family, 0, 0, 0]);
        }
        if let Some(bits) = ports.even_port {
            message.add(AttrType(0x0018), &[bits]);
        }
        if let Some(token) = ports.token {
            let token = match token {
                Token::Last => self.last_token,
                Token::Bogus => [0x55; 8],
            };
            message.add(AttrType(0x0022), &token);
        }
        let nonce = self.server.nonce(client);
        let login = LOGINS[who.login];
        sign(&mut message, login.name, login.password, &nonce);
        self.server.refusals = refusals;
        let reaction = self.server.receive(client, &message.raw);
        self.server.refusals = [None; 2];
        if let Reaction::Success(reply) = &reaction
            && reply.contains(0x0022)
        {
            self.last_token = reply.get(0x0022).try_into().unwrap();
        }
        outcome(reaction)
    }

    fn forge(&mut self, client: usize, method: u16, forgery: Forgery) -> Expected {
        let client = CLIENTS[client];
        let mut typ = MessageType::default();
        typ.read_value(method);
        let mut message = message(typ, [1; 12], &[Attr::Transport(17), Attr::Peer(PEERS[0])]);
        let nonce = self.server.nonce(client);
        match forgery {
            Forgery::Unsigned => {}
            Forgery::WrongPassword => sign(&mut message, ALICE.name, "wrong", &nonce),
            Forgery::NoNonce => key(ALICE).add_to(&mut message).unwrap(),
            Forgery::StaleNonce => sign(&mut message, ALICE.name, ALICE.password, b"AAAAAAAAAAA"),
        }
        outcome(self.server.receive(client, &message.raw))
    }

    /// What is left to be done after what is no client's doing.
    fn settle(&mut self) -> Expected {
        let action = self.server.carry_out(Action::Pending);
        assert_eq!(action, Action::Pending);
        Expected::Nothing
    }

    /// The last allocation that the client had.
    fn last_of(&self, client: usize) -> Option<AllocationId> {
        let of_client = |open: &&Open| open.client.address == address(CLIENTS[client]);
        let last = self.server.opened.iter().rev().find(of_client);
        last.map(|open| open.allocation)
    }

    /// What a caller has charged for and not released, who does as [`Output`] says.
    fn charges(&self) -> Charges {
        let mut charges = Charges::new();
        let whose = |client: Client, user: &UserId| {
            let client = CLIENTS.iter().position(|at| address(at) == client.address);
            let login = LOGINS.iter().position(|login| login.name == user.as_str());
            (client.unwrap(), login.unwrap())
        };
        for open in &self.server.opened {
            *charges.entry(whose(open.client, &open.user)).or_default() += 1;
        }
        for close in &self.server.closed {
            let charge = charges.get_mut(&whose(close.client, &close.user)).unwrap();
            *charge -= 1;
        }
        charges.retain(|_, charge| *charge > 0);
        charges
    }

    /// To the socket of the client's allocation, if there is one.
    fn receive_from_peer(&mut self, client: usize, peer: &str) -> Expected {
        let Some(id) = self.last_of(client) else {
            return Expected::Dropped(DropReason::NoAllocation);
        };
        let now = self.server.now.monotonic;
        let source = peer.parse().unwrap();
        let action = self.server.relay.handle_peer(id, source, b"data", now);
        outcome(self.server.reaction(action, b"data"))
    }
}

fn family<Ip>(is_there: bool) -> RelayedFamily<Ip> {
    match is_there {
        true => RelayedFamily::AsBound,
        false => RelayedFamily::None,
    }
}

fn outcome(reaction: Reaction) -> Expected {
    match reaction {
        Reaction::Success(reply) => {
            let missing = reply.contains(0x8001).then(|| reply.get(0x8001));
            Expected::Success(Success {
                lifetime: reply.contains(0x000D).then(|| reply.lifetime()),
                relayed: reply
                    .all_relayed()
                    .iter()
                    .map(SocketAddr::is_ipv4)
                    .collect(),
                missing: missing.map(|value| u16::from(value[2]) * 100 + u16::from(value[3])),
                reserved: reply.contains(0x0022),
            })
        }
        Reaction::Error(code, _) => Expected::Error(code),
        Reaction::ToPeer(peer, data) => {
            assert_eq!(data, b"data");
            Expected::ToPeer(peer)
        }
        Reaction::ToClient(client, message) if message[0] == 0x40 => {
            assert_eq!(message[2..], *b"\0\x04data");
            let number = u16::from_be_bytes([message[0], message[1]]);
            Expected::ChannelData(client, number)
        }
        Reaction::ToClient(client, message) => {
            let (peer, data) = data_indication(&message);
            assert_eq!(data, b"data");
            Expected::DataIndication(client, peer)
        }
        Reaction::Dropped(reason) => Expected::Dropped(reason),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn checklist_08_the_relay_does_what_the_model_does_and_every_charge_is_given_back(
        families in [prop::bool::weighted(0.85), prop::bool::weighted(0.85)],
        steps in vec(step(), 1..60),
    ) {
        let mut subject = Subject::new(families);
        let mut model = Model::new(families);
        for (index, step) in steps.iter().enumerate() {
            let expected = model.perform(step);
            let found = subject.perform(step);
            prop_assert_eq!(found, expected, "step {}: {:?}", index, step);
            prop_assert!(subject.server.sockets.len() >= model.live());
            let ids: BTreeSet<_> = subject.server.sockets.keys().map(|(id, _)| id).collect();
            prop_assert_eq!(ids.len(), subject.server.relay.allocations());
        }
        // Every socket that was opened is closed once, and what was charged for it released, to whom it was charged:
        // however its allocation ended.
        subject.server.handle_timeout();
        model.perform(&Step::Timeout);
        prop_assert_eq!(subject.server.sockets.len(), model.live());
        prop_assert_eq!(subject.charges(), model.charges());
        subject.server.advance(3600 * SECOND);
        subject.server.handle_timeout();
        prop_assert_eq!(subject.server.opened.len(), subject.server.closed.len());
        prop_assert!(subject.server.sockets.is_empty());
        prop_assert_eq!(subject.charges(), Charges::new());
        prop_assert_eq!(subject.server.relay.allocations(), 0);
        prop_assert_eq!(subject.server.relay.poll_timeout(), None);
    }
}
