//! Random sequences, compared step by step with a small model of RFC 8656, RFC 8016 and RFC 6062 that is written for brevity.

use std::{collections::BTreeSet, net::IpAddr};

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::*;
use crate::{ConnectFailure, Drain};

mod reference;
mod steps;
mod subject;

use reference::{Charges, Expected, Model, Success};
use steps::{Forgery, Ports, Shown, Step, Token, Who, Wish, step};
use subject::Subject;

/// Those in even places are mostly alice's, the others bob's. The last is the first one, written otherwise.
const CLIENTS: [&str; 5] = [
    HERE,
    "[2600::9]:4000",
    "192.0.2.77:4077",
    "[2600::77]:4077",
    "[::ffff:192.0.2.10]:4000",
];
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

/// What relay there is.
#[derive(Clone, Copy, Debug)]
struct Setting {
    /// Whether it has addresses of IPv4, and of IPv6.
    families: [bool; 2],
    mobility: bool,
    /// Whether clients come in streams, and have connections with peers.
    streams: bool,
}

fn setting(streams: bool) -> impl Strategy<Value = Setting> {
    let family = || prop::bool::weighted(0.85);
    let mobility = prop::bool::weighted(0.9);
    ([family(), family()], mobility).prop_map(move |(families, mobility)| Setting {
        families,
        mobility,
        streams,
    })
}

/// The client's address, however it is written.
fn five_tuple(client: usize) -> SocketAddr {
    let address = address(CLIENTS[client]);
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn compare(setting: Setting, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut subject = Subject::new(setting);
    let mut model = Model::new(setting);
    for (index, step) in steps.iter().enumerate() {
        let expected = model.perform(step);
        let found = subject.perform(step);
        prop_assert_eq!(found, expected, "step {}: {:?}", index, step);
        prop_assert!(subject.server.sockets.len() >= model.live());
        prop_assert!(subject.five_tuples() >= model.five_tuples());
        let ids: BTreeSet<_> = subject.server.sockets.keys().map(|(id, _)| id).collect();
        prop_assert_eq!(ids.len(), subject.server.relay.allocations());
        let moving = subject.server.relay.allocations.moving();
        prop_assert_eq!(subject.five_tuples(), ids.len() + moving);
    }
    // Every socket that was opened is closed once, and what was charged for it released, to whom it was charged:
    // however its allocation ended.
    subject.server.handle_timeout();
    model.perform(&Step::Timeout);
    prop_assert_eq!(subject.server.sockets.len(), model.live());
    prop_assert_eq!(subject.charges(), model.charges());
    prop_assert_eq!(subject.five_tuples(), model.five_tuples());
    subject.server.advance(3600 * SECOND);
    subject.server.handle_timeout();
    prop_assert_eq!(subject.server.opened.len(), subject.server.closed.len());
    prop_assert!(subject.server.sockets.is_empty());
    prop_assert_eq!(subject.charges(), Charges::new());
    prop_assert_eq!(subject.server.relay.allocations(), 0);
    prop_assert_eq!(subject.five_tuples(), 0);
    prop_assert_eq!(subject.server.relay.poll_timeout(), None);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn checklist_08_the_relay_does_what_the_model_does_and_every_charge_is_given_back(
        setting in setting(false),
        steps in vec(step(false), 1..100),
    ) {
        compare(setting, &steps)?;
    }

    #[test]
    fn checklist_08_over_streams_too_and_connections_with_peers_are_told_whom_they_are_for(
        setting in setting(true),
        steps in vec(step(true), 1..100),
    ) {
        compare(setting, &steps)?;
    }
}
