//! What may happen, and how often.

use super::*;

#[derive(Clone, Debug)]
pub(super) enum Step {
    Advance(u64),
    Timeout,
    Disconnected {
        client: usize,
    },
    /// By an operator.
    End {
        client: usize,
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
        refusals: [Option<Refusal>; 2],
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

#[derive(Clone, Copy, Debug)]
pub(super) enum Forgery {
    Unsigned,
    WrongPassword,
    NoNonce,
    StaleNonce,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
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
    let transport = prop_oneof![9 => Just(Some(17)), 1 => Just(None), 1 => Just(Some(6))];
    let allocate = (
        who(),
        transport,
        family(),
        lifetime(),
        ports,
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
        1 => client().prop_map(|client| Step::End { client }),
        1 => client().prop_map(|login| Step::Kick { login }),
        1 => option::weighted(0.4, option::of(select(vec![1, 300, 900])))
            .prop_map(|seconds| Step::Drain { seconds }),
        5 => allocate.prop_map(|(who, transport, family, lifetime, ports, refusals, again)| {
            Step::Allocate { who, transport, family, lifetime, ports, refusals, again }
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
