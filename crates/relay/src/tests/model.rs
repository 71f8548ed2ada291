//! Random sequences, compared step by step with a small model of RFC 8656 that is written for brevity.

use std::net::IpAddr;

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::*;

mod reference;

use reference::{Expected, Model};

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

#[derive(Clone, Debug)]
enum Step {
    Advance(u64),
    Timeout,
    Disconnected {
        client: usize,
    },
    Allocate {
        who: Who,
        transport: Option<u8>,
        family: Option<u8>,
        lifetime: Option<u32>,
        refusal: Option<Refusal>,
        again: bool,
    },
    Refresh {
        who: Who,
        family: Option<u8>,
        lifetime: Option<u32>,
    },
    CreatePermission {
        who: Who,
        peers: Vec<&'static str>,
    },
    ChannelBind {
        who: Who,
        number: Option<u16>,
        peer: Option<&'static str>,
    },
    Forged {
        client: usize,
        method: u16,
        forgery: Forgery,
    },
    Send {
        client: usize,
        peer: &'static str,
    },
    ChannelData {
        client: usize,
        number: u16,
    },
    FromPeer {
        client: usize,
        peer: &'static str,
    },
}

#[derive(Clone, Copy, Debug)]
struct Who {
    client: usize,
    login: usize,
}

#[derive(Clone, Copy, Debug)]
enum Forgery {
    Unsigned,
    WrongPassword,
    NoNonce,
    StaleNonce,
}

fn step() -> impl Strategy<Value = Step> {
    // Mostly the client's own user, as else hardly anything would succeed.
    let who = || {
        (0..2_usize, prop::bool::weighted(0.85)).prop_map(|(client, own)| Who {
            client,
            login: if own { client } else { 1 - client },
        })
    };
    let client = || 0..2_usize;
    let family = || option::weighted(0.2, select(vec![1, 2, 3]));
    let lifetime = || option::of(select(vec![0, 1, 600, 900, 3600, 90_000]));
    let peer = || select(PEERS.to_vec());
    let number = || select(NUMBERS.to_vec());
    let wait = select(vec![
        1, 60_000, 150_000, 299_999, 300_000, 599_999, 600_000, 1_000_500,
    ]);
    let refusals = vec![Refusal::QuotaReached, Refusal::InsufficientCapacity];
    let transport = prop_oneof![9 => Just(Some(17)), 1 => Just(None), 1 => Just(Some(6))];
    let allocate = (
        who(),
        transport,
        family(),
        lifetime(),
        option::weighted(0.1, select(refusals)),
        prop::bool::weighted(0.2),
    );
    let forgeries = vec![
        Forgery::Unsigned,
        Forgery::WrongPassword,
        Forgery::NoNonce,
        Forgery::StaleNonce,
    ];
    prop_oneof![
        4 => wait.prop_map(Step::Advance),
        1 => Just(Step::Timeout),
        1 => client().prop_map(|client| Step::Disconnected { client }),
        5 => allocate.prop_map(|(who, transport, family, lifetime, refusal, again)| {
            Step::Allocate { who, transport, family, lifetime, refusal, again }
        }),
        3 => (who(), family(), lifetime())
            .prop_map(|(who, family, lifetime)| Step::Refresh { who, family, lifetime }),
        5 => (who(), vec(peer(), 0..4))
            .prop_map(|(who, peers)| Step::CreatePermission { who, peers }),
        5 => (who(), option::weighted(0.95, number()), option::weighted(0.95, peer()))
            .prop_map(|(who, number, peer)| Step::ChannelBind { who, number, peer }),
        2 => (client(), select(vec![3, 4, 8, 9]), select(forgeries))
            .prop_map(|(client, method, forgery)| Step::Forged { client, method, forgery }),
        5 => (client(), peer()).prop_map(|(client, peer)| Step::Send { client, peer }),
        5 => (client(), number())
            .prop_map(|(client, number)| Step::ChannelData { client, number }),
        5 => (client(), peer()).prop_map(|(client, peer)| Step::FromPeer { client, peer }),
    ]
}

/// The relay, with what a client of each 5-tuple remembers.
struct Subject {
    server: Server,
    transactions: [[u8; 12]; 2],
}

impl Subject {
    fn new() -> Self {
        let server = Server::with(Config {
            max_permissions: MAX_PERMISSIONS,
            max_channels: MAX_CHANNELS,
            max_allocation_age: Duration::from_secs(MAX_AGE_SECONDS),
            ..config()
        });
        let transactions = [[0xAA; 12], [0xBB; 12]];
        Self {
            server,
            transactions,
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
                let action = self.server.carry_out(Action::Pending);
                assert_eq!(action, Action::Pending);
                Expected::Nothing
            }
            Step::Allocate {
                who,
                transport,
                family,
                lifetime,
                refusal,
                again,
            } => {
                let attributes: Vec<_> = transport
                    .map(Attr::Transport)
                    .into_iter()
                    .chain(family.map(Attr::Family))
                    .chain(lifetime.map(Attr::Lifetime))
                    .collect();
                self.server.refusal = *refusal;
                let fresh = self.server.transaction();
                let transaction = &mut self.transactions[who.client];
                if !again {
                    *transaction = fresh;
                }
                let client = CLIENTS[who.client];
                let mut message = request(METHOD_ALLOCATE, *transaction, &attributes);
                let nonce = self.server.nonce(client);
                let login = LOGINS[who.login];
                sign(&mut message, login.name, login.password, &nonce);
                let reaction = self.server.receive(client, &message.raw);
                self.server.refusal = None;
                outcome(reaction)
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

    /// To the socket of the client's allocation, if there is one.
    fn receive_from_peer(&mut self, client: usize, peer: &str) -> Expected {
        let of_client = |open: &&Open| open.client.address.to_string() == CLIENTS[client];
        let Some(open) = self.server.opened.iter().rev().find(of_client) else {
            return Expected::Dropped(DropReason::NoAllocation);
        };
        let (id, now) = (open.allocation, self.server.now.monotonic);
        let source = peer.parse().unwrap();
        let action = self.server.relay.handle_peer(id, source, b"data", now);
        outcome(self.server.reaction(action, b"data"))
    }
}

fn outcome(reaction: Reaction) -> Expected {
    match reaction {
        Reaction::Success(reply) => {
            let lifetime = reply.contains(0x000D).then(|| reply.lifetime());
            Expected::Success(lifetime)
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
    fn the_relay_does_what_the_model_does(steps in vec(step(), 1..60)) {
        let mut subject = Subject::new();
        let mut model = Model::default();
        for (index, step) in steps.iter().enumerate() {
            let expected = model.perform(step);
            let found = subject.perform(step);
            prop_assert_eq!(found, expected, "step {}: {:?}", index, step);
            prop_assert!(subject.server.sockets.len() >= model.live());
            prop_assert_eq!(subject.server.sockets.len(), subject.server.relay.allocations());
        }
        // Every socket that was opened is closed once, however its allocation ended.
        subject.server.handle_timeout();
        prop_assert_eq!(subject.server.sockets.len(), model.live());
        subject.server.advance(3600 * SECOND);
        subject.server.handle_timeout();
        prop_assert_eq!(subject.server.opened.len(), subject.server.closed.len());
        prop_assert!(subject.server.sockets.is_empty());
        prop_assert_eq!(subject.server.relay.allocations(), 0);
        prop_assert_eq!(subject.server.relay.poll_timeout(), None);
    }
}
