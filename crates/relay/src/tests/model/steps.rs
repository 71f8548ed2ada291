//! What may happen, and how often.

use super::*;

#[derive(Clone, Debug)]
pub(super) enum Step {
    Advance(u64),
    Timeout,
    Disconnected {
        client: usize,
    },
    /// By an operator; so many were made since.
    End {
        since: usize,
    },
    /// By an operator, whose user may come again at once.
    Kick {
        login: usize,
    },
    /// By an operator; `None` takes it back.
    Drain {
        seconds: Option<Option<u64>>,
    },
    Allocate {
        who: Who,
        transport: Option<u8>,
        family: Option<u8>,
        lifetime: Option<u32>,
        ports: Ports,
        wish: Option<Wish>,
        refusals: [Option<Refusal>; 2],
        again: bool,
    },
    Refresh {
        who: Who,
        family: Option<u8>,
        lifetime: Option<u32>,
    },
    /// With a ticket, from wherever: its own 5-tuple, one that is free, or another allocation's.
    Move {
        who: Who,
        shown: Shown,
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
    Connect {
        who: Who,
        peer: Option<&'static str>,
    },
    /// How it went with a Connect since which there were so many: the id of the connection, or why there is none.
    Connected {
        since: usize,
        outcome: Result<u32, ConnectFailure>,
    },
    /// By an id that the caller knows, or does not.
    ConnectionBind {
        who: Who,
        id: Option<u32>,
        is_known: bool,
    },
    /// A packet, or a connection, to an allocation since which so many were made.
    FromPeer {
        since: usize,
        peer: &'static str,
    },
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Who {
    pub(super) client: usize,
    pub(super) login: usize,
}

/// What an Allocate asks for beside its lifetime and the first family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub(super) additional: Option<u8>,
    pub(super) even_port: Option<u8>,
    pub(super) token: Option<Token>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Token {
    /// The last one that anybody was given.
    Last,
    Bogus,
}

/// To move later.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wish {
    Empty,
    /// A ticket, which an Allocate has none for.
    WithValue,
}

/// The ticket of a Refresh. Those that were given are counted from the last one, whosever they are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shown {
    Given(usize),
    /// One that was given, but for a bit.
    Changed(usize),
    /// By another thread's relay.
    Elsewhere,
    Empty,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Forgery {
    Unsigned,
    WrongPassword,
    NoNonce,
    StaleNonce,
}

pub(super) fn step(streams: bool) -> impl Strategy<Value = Step> {
    // Of connections with peers where there are any, and of tickets where those are.
    let (connecting, moving) = if streams { (7, 1) } else { (1, 8) };
    let client =
        || prop_oneof![5 => Just(0_usize), 2 => Just(1), 4 => Just(2), 1 => Just(3), 1 => Just(4)];
    // Mostly the client's own user, as else hardly anything would succeed.
    let who = || {
        (client(), prop::bool::weighted(0.85)).prop_map(|(client, own)| Who {
            client,
            login: (client + usize::from(!own)) % 2,
        })
    };
    let since = || prop_oneof![4 => Just(0), 3 => Just(1), 1 => 2..5_usize];
    let family = || option::weighted(0.2, select(vec![1, 2, 3]));
    let lifetime = || option::of(select(vec![0, 1, 600, 900, 3600, 90_000]));
    // Often the first one, so that data passes.
    let peer = || prop_oneof![1 => Just(PEERS[0]), 1 => select(PEERS.to_vec())];
    let number = || prop_oneof![1 => Just(NUMBERS[0]), 1 => select(NUMBERS.to_vec())];
    let wait = select(vec![
        1, 1_000, 10_000, 60_000, 150_000, 299_999, 300_000, 599_999, 600_000, 1_000_500,
    ]);
    let refusal = || {
        let refusals = vec![Refusal::QuotaReached, Refusal::InsufficientCapacity];
        option::weighted(0.1, select(refusals))
    };
    let wish = prop_oneof![
        2 * moving => Just(Some(Wish::Empty)),
        4 => Just(None),
        1 => Just(Some(Wish::WithValue)),
    ];
    let transport = prop_oneof![
        9 => Just(Some(17)),
        1 => Just(None),
        3 * connecting => Just(Some(6)),
    ];
    let allocate = (
        who(),
        transport,
        family(),
        lifetime(),
        ports(streams),
        wish,
        [refusal(), refusal()],
        prop::bool::weighted(0.2),
    );
    let failure = select(vec![
        ConnectFailure::AlreadyExists,
        ConnectFailure::TimeoutOrFailure,
        ConnectFailure::InsufficientCapacity,
    ]);
    let outcome = prop_oneof![2 => any::<u32>().prop_map(Ok), 1 => failure.prop_map(Err)];
    let forgeries = vec![
        Forgery::Unsigned,
        Forgery::WrongPassword,
        Forgery::NoNonce,
        Forgery::StaleNonce,
    ];
    prop_oneof![
        3 => wait.prop_map(Step::Advance),
        1 => Just(Step::Timeout),
        1 => client().prop_map(|client| Step::Disconnected { client }),
        1 => since().prop_map(|since| Step::End { since }),
        1 => (0..LOGINS.len()).prop_map(|login| Step::Kick { login }),
        1 => option::weighted(0.25, option::of(select(vec![1, 300, 900])))
            .prop_map(|seconds| Step::Drain { seconds }),
        6 => allocate.prop_map(
            |(who, transport, family, lifetime, ports, wish, refusals, again)| Step::Allocate {
                who, transport, family, lifetime, ports, wish, refusals, again,
            },
        ),
        3 => (who(), family(), lifetime())
            .prop_map(|(who, family, lifetime)| Step::Refresh { who, family, lifetime }),
        moving => (who(), shown(), family(), lifetime()).prop_map(|(who, shown, family, lifetime)| {
            Step::Move { who, shown, family, lifetime }
        }),
        5 => (who(), vec(peer(), 0..4))
            .prop_map(|(who, peers)| Step::CreatePermission { who, peers }),
        5 => (who(), option::weighted(0.95, number()), option::weighted(0.95, peer()))
            .prop_map(|(who, number, peer)| Step::ChannelBind { who, number, peer }),
        2 => (client(), select(vec![3, 4, 8, 9, 10, 11]), select(forgeries))
            .prop_map(|(client, method, forgery)| Step::Forged { client, method, forgery }),
        connecting => (who(), option::weighted(0.95, peer()))
            .prop_map(|(who, peer)| Step::Connect { who, peer }),
        connecting => (since(), outcome).prop_map(|(since, outcome)| Step::Connected { since, outcome }),
        2 => (who(), option::weighted(0.9, any::<u32>()), any::<bool>())
            .prop_map(|(who, id, is_known)| Step::ConnectionBind { who, id, is_known }),
        5 => (client(), peer()).prop_map(|(client, peer)| Step::Send { client, peer }),
        9 => (client(), number())
            .prop_map(|(client, number)| Step::ChannelData { client, number }),
        5 => (since(), peer()).prop_map(|(since, peer)| Step::FromPeer { since, peer }),
    ]
}

/// Of TCP, most are not to be had.
fn ports(streams: bool) -> impl Strategy<Value = Ports> {
    let one = if streams { 0.08 } else { 0.2 };
    let token = prop_oneof![3 => Just(Token::Last), 1 => Just(Token::Bogus)];
    let ports = (
        option::weighted(0.3, prop_oneof![8 => Just(2), 1 => Just(1)]),
        option::weighted(one, select(vec![0, 0x80])),
        option::weighted(0.75 * one, token),
    );
    ports.prop_map(|(additional, even_port, token)| Ports {
        additional,
        even_port,
        token,
    })
}

fn shown() -> impl Strategy<Value = Shown> {
    prop_oneof![
        8 => (0..3_usize).prop_map(Shown::Given),
        3 => (0..20_usize).prop_map(Shown::Given),
        1 => (0..3_usize).prop_map(Shown::Changed),
        1 => Just(Shown::Elsewhere),
        1 => Just(Shown::Empty),
    ]
}
