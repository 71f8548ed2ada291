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
    /// To an allocation since which so many were made.
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

pub(super) fn step() -> impl Strategy<Value = Step> {
    let client =
        || prop_oneof![4 => Just(0_usize), 3 => Just(1), 3 => Just(2), 1 => Just(3), 1 => Just(4)];
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
    let peer = || select(PEERS.to_vec());
    let number = || select(NUMBERS.to_vec());
    let wait = select(vec![
        1, 60_000, 150_000, 299_999, 300_000, 599_999, 600_000, 1_000_500,
    ]);
    let refusal = || {
        let refusals = vec![Refusal::QuotaReached, Refusal::InsufficientCapacity];
        option::weighted(0.1, select(refusals))
    };
    let ports = (
        option::weighted(0.3, prop_oneof![8 => Just(2), 1 => Just(1)]),
        option::weighted(0.2, select(vec![0, 0x80])),
        option::weighted(
            0.15,
            prop_oneof![3 => Just(Token::Last), 1 => Just(Token::Bogus)],
        ),
    );
    let ports = ports.prop_map(|(additional, even_port, token)| Ports {
        additional,
        even_port,
        token,
    });
    let wish = prop_oneof![
        12 => Just(Some(Wish::Empty)),
        4 => Just(None),
        1 => Just(Some(Wish::WithValue)),
    ];
    let shown = prop_oneof![
        8 => (0..3_usize).prop_map(Shown::Given),
        3 => (0..20_usize).prop_map(Shown::Given),
        1 => (0..3_usize).prop_map(Shown::Changed),
        1 => Just(Shown::Elsewhere),
        1 => Just(Shown::Empty),
    ];
    let transport = prop_oneof![9 => Just(Some(17)), 1 => Just(None), 1 => Just(Some(6))];
    let allocate = (
        who(),
        transport,
        family(),
        lifetime(),
        ports,
        wish,
        [refusal(), refusal()],
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
        1 => since().prop_map(|since| Step::End { since }),
        1 => (0..LOGINS.len()).prop_map(|login| Step::Kick { login }),
        1 => option::weighted(0.4, option::of(select(vec![1, 300, 900])))
            .prop_map(|seconds| Step::Drain { seconds }),
        6 => allocate.prop_map(
            |(who, transport, family, lifetime, ports, wish, refusals, again)| Step::Allocate {
                who, transport, family, lifetime, ports, wish, refusals, again,
            },
        ),
        3 => (who(), family(), lifetime())
            .prop_map(|(who, family, lifetime)| Step::Refresh { who, family, lifetime }),
        6 => (who(), shown, family(), lifetime()).prop_map(|(who, shown, family, lifetime)| {
            Step::Move { who, shown, family, lifetime }
        }),
        5 => (who(), vec(peer(), 0..4))
            .prop_map(|(who, peers)| Step::CreatePermission { who, peers }),
        5 => (who(), option::weighted(0.95, number()), option::weighted(0.95, peer()))
            .prop_map(|(who, number, peer)| Step::ChannelBind { who, number, peer }),
        2 => (client(), select(vec![3, 4, 8, 9]), select(forgeries))
            .prop_map(|(client, method, forgery)| Step::Forged { client, method, forgery }),
        5 => (client(), peer()).prop_map(|(client, peer)| Step::Send { client, peer }),
        5 => (client(), number())
            .prop_map(|(client, number)| Step::ChannelData { client, number }),
        5 => (since(), peer()).prop_map(|(since, peer)| Step::FromPeer { since, peer }),
    ]
}
