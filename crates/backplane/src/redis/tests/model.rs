//! Redis's scripts against the store in memory, which simulated clusters run on, over random requests.
//!
//! Each request's floor is above the last one and above the clock, so that new fences can be foretold. Leases are
//! valid for long or not at all.

use bytes::Bytes;
use bytestring::ByteString;
use proptest::prelude::*;

use super::{
    client::{Client, TTL, node},
    servers::{ONE, own_prefix},
};
use crate::{
    partition::{Channel, Published, Reply, Request},
    store::{Delivery, Store},
};

const NAMES: [&str; 3] = ["a", "b", "c"];
/// Without an owner, too short for it, and of two owners.
const DATA: [&[u8]; 7] = [
    b"",
    b"\0:7 ",
    b"\xff\r\n",
    b"\x02x",
    b"\x01x 1:",
    b"\x01x",
    b"\x02\0\n:",
];
const FLOOR: u64 = 1 << 52;
/// The time of the store in memory, in microseconds.
const NOW: u64 = 1_000_000;

/// What a store says to a request, and publishes.
fn answer(store: &mut Store, request: Request) -> (Reply, Vec<(Channel, Option<Published>)>) {
    let (reply, deliveries) = store.execute(request, NOW);
    let told = deliveries.into_iter().map(|(channel, delivery)| {
        let published = match delivery {
            Delivery::Published(published) => Some(published),
            Delivery::Payload(_) => None,
        };
        (channel, published)
    });
    (in_order(reply), told.collect())
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&NAMES[..])
}

fn data() -> impl Strategy<Value = Bytes> {
    prop::sample::select(&DATA[..]).prop_map(Bytes::from_static)
}

/// None, one older than any, one of before the first life, and new ones.
fn claim() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(1),
        Just(2),
        FLOOR..FLOOR + 100,
        Just((1 << 53) - 1000)
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let room = || name().prop_map(ByteString::from_static);
    let member = room;
    let birth = 0..1u64 << 31;
    let link = || 1..4u64;
    let until = || prop_oneof![9 => Just(u64::MAX), 1 => Just(1)];
    let listed = prop::collection::btree_map(member(), (claim(), data()), 0..3);
    prop_oneof![
        3 => (name(), link(), prop::bool::weighted(0.8), any::<u64>(), 0..1u64 << 21, until()).prop_map(
            |(name, link, lasts, nonce, life, until)| {
                let ttl = if lasts { TTL } else { 0 };
                Request::Beat { node: node(name), link, ttl, nonce, life, until }
            }
        ),
        6 => (name(), link(), room(), member(), data(), birth.clone(), any::<bool>(), until()).prop_map(
            |(name, link, room, member, data, birth, want_roster, until)| {
                let node = node(name);
                Request::Join { node, link, room, member, data, birth, floor: 0, until, want_roster }
            }
        ),
        4 => (name(), link(), room(), member(), claim(), data()).prop_map(
            |(name, link, room, member, fence, data)| {
                Request::Leave { node: node(name), link, room, member, fence, data }
            }
        ),
        1 => (name(), link(), room()).prop_map(|(name, link, room)| {
            Request::Forget { node: node(name), link, room }
        }),
        4 => (name(), link(), room(), listed, birth, until()).prop_map(|(name, link, room, listed, birth, until)| {
            let members = listed.into_iter().map(|(member, (claim, data))| (member, claim, data));
            let (node, members) = (node(name), members.collect());
            Request::Assert { node, link, room, members, birth, floor: 0, until }
        }),
        2 => name().prop_map(|name| Request::Sweep { dead: node(name), limit: 10 }),
        1 => name().prop_map(|name| Request::Resign { node: node(name) }),
        1 => Just(Request::Versions { rooms: NAMES.map(Into::into).to_vec() }),
        1 => Just(Request::Leases { nodes: NAMES.map(node).to_vec() }),
        1 => room().prop_map(|room| Request::Publish {
            channel: Channel::Room(room),
            payload: Bytes::from_static(b"\x01"),
        }),
    ]
}

/// A sweep takes rooms in no order; within each, the order holds.
fn by_channel(told: Vec<(Channel, Option<Published>)>) -> Vec<(Channel, Option<Published>)> {
    let mut told = told;
    told.sort_by_key(|(channel, _)| format!("{channel:?}"));
    told
}

fn in_order(reply: Reply) -> Reply {
    match reply {
        Reply::Beaten {
            renewed,
            mut lapsed,
            next,
            ..
        } => {
            lapsed.sort();
            // When is a matter of the clock; whether is not.
            let next = next.map(|_| 1);
            Reply::Beaten {
                renewed,
                lapsed,
                next,
                now: 0,
            }
        }
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn redis_does_what_the_store_in_memory_does(
        requests in prop::collection::vec(request(), 1..60)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut client = Client::new(&ONE.url(), &own_prefix(), &NAMES, &NAMES).await;
            let mut store = Store::default();
            for (mut request, floor) in requests.into_iter().zip(FLOOR..) {
                if let Request::Join { floor: own, .. } | Request::Assert { floor: own, .. } =
                    &mut request
                {
                    *own = floor;
                }
                let reply = client.ask(&request).await;
                let (expected, told) = answer(&mut store, request.clone());
                assert_eq!(in_order(reply), expected, "{request:?}");
                let heard = client.heard().await;
                assert_eq!(by_channel(heard), by_channel(told), "{request:?}");
            }
        });
    }
}

fn beat(name: &str, ttl: u64) -> Request {
    let node = node(name);
    Request::Beat {
        node,
        link: 1,
        ttl,
        nonce: 1,
        life: 1,
        until: u64::MAX,
    }
}

#[tokio::test]
async fn bounds_are_the_same_in_redis_and_in_memory() {
    let mut client = Client::new(&ONE.url(), &own_prefix(), &NAMES, &NAMES).await;
    let mut store = Store::default();
    // Three rooms of three hundred: a sweep takes five hundred members at most.
    let crowd = |first: usize| {
        let members = (first..first + 300).map(|n| (format!("m{n}").into(), 1, Bytes::new()));
        members.collect::<Vec<_>>()
    };
    let mut requests = vec![beat("a", TTL)];
    requests.extend(NAMES.map(|room| Request::Assert {
        node: node("a"),
        link: 1,
        room: room.into(),
        members: crowd(0),
        birth: 1,
        floor: FLOOR,
        until: u64::MAX,
    }));
    requests.push(beat("a", 0));
    let sweep = Request::Sweep {
        dead: node("a"),
        limit: 10,
    };
    requests.extend([sweep.clone(), sweep.clone(), sweep]);
    // More dead nodes than a beat names.
    requests.extend((0..20).map(|n| beat(&format!("dead{n}"), 0)));
    requests.push(beat("b", TTL));
    let (mut heard, mut told) = (Vec::new(), Vec::new());
    for request in requests {
        let reply = in_order(client.ask(&request).await);
        let (expected, published) = answer(&mut store, request.clone());
        match (&reply, &expected) {
            // Which of them, is a matter of milliseconds.
            (
                Reply::Beaten { lapsed, .. },
                Reply::Beaten {
                    lapsed: expected, ..
                },
            ) => assert_eq!(lapsed.len(), expected.len(), "{request:?}"),
            _ => assert_eq!(reply, expected, "{request:?}"),
        }
        heard.extend(client.heard().await);
        told.extend(published);
    }
    // Rooms are swept in no order.
    let versions = |all: Vec<(Channel, Option<Published>)>| {
        let mut versions: Vec<(Channel, u64)> = all
            .into_iter()
            .filter_map(|(channel, published)| match published {
                Some(Published::Changed { version, .. }) => Some((channel, version.version)),
                Some(Published::Beat { .. }) | None => None,
            })
            .collect();
        versions.sort_unstable_by_key(|(channel, version)| (format!("{channel:?}"), *version));
        versions
    };
    assert_eq!(versions(heard), versions(told));
}
