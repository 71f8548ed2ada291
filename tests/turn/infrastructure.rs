//! Our own infrastructure is no peer, also where its network is.

use std::net::SocketAddr;

use trunkline_tests::{Process, Redis, TurnClient, until};

use crate::namespace;

/// What channels to these peers are answered, in order.
fn codes(relay: &Process, peers: &[&str]) -> Vec<u16> {
    let mut client = TurnClient::allocate(relay.public);
    let peers = peers.iter().map(|peer| peer.parse::<SocketAddr>().unwrap());
    let numbered = peers.zip(0x4000..);
    numbered
        .map(|(peer, channel)| client.bind_code(channel, peer))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn checklist_05_redis_the_admin_listener_and_the_relay_s_own_are_no_peers_on_a_host_that_is_open()
 {
    let redis = Redis::start();
    let url = redis.url();
    let relay = Process::turn(&[
        "--turn-user",
        "u:p",
        "--redis",
        &url,
        "--turn-allow-peers",
        "127.0.0.0/8,::1/128",
    ]);
    let port = url.rsplit(':').next().unwrap();
    let peers = [
        format!("127.0.0.1:{port}"),
        relay.admin.to_string(),
        relay.public.to_string(),
        format!("127.0.0.2:{port}"),
        "127.0.0.1:9".to_owned(),
    ];
    let peers: Vec<&str> = peers.iter().map(String::as_str).collect();
    let answers = tokio::task::block_in_place(|| codes(&relay, &peers));
    assert_eq!(answers, [403, 403, 403, 403, 200]);
    // The fleet is reached none the less.
    until("the relay to be on the list", async || {
        relay.metric("trunkline_turn_registered").await == 1.0
    })
    .await;
}

#[test]
fn checklist_05_on_another_host_of_ours_only_relay_ports_are_open_unless_it_is_allowed_by_name() {
    let test = "infrastructure::checklist_05_on_another_host_of_ours_only_relay_ports_are_open_unless_it_is_allowed_by_name";
    // Nothing listens there, and nothing leaves this namespace.
    let setup = "ip address add 10.9.9.9/32 dev lo";
    if !namespace::is_inside(test, setup) {
        return;
    }
    let peers = [
        "10.9.9.9:6379",
        "10.9.9.9:22",
        "10.9.9.9:50000",
        "10.9.9.8:22",
    ];
    for (allowed, expected) in [
        ("10.0.0.0/8", [403, 403, 200, 200]),
        ("10.0.0.0/8,10.9.9.9/32", [403, 200, 200, 200]),
        ("10.9.9.8/32", [403, 403, 403, 200]),
    ] {
        let relay = Process::turn(&[
            "--turn-user",
            "u:p",
            "--redis",
            "redis://10.9.9.9",
            "--turn-allow-peers",
            allowed,
        ]);
        assert_eq!(codes(&relay, &peers), expected, "{allowed}");
    }
}
