//! aiortc as a client: a call of its own, DTLS, SCTP and all, that goes through the relay and nowhere else.

use std::net::SocketAddr;

use trunkline_tests::{Certificate, Process, metric};

use crate::{aioice, tls};

/// Echoes come back, and over the relay.
async fn calls(relay: &Process, at: SocketAddr, scheme: &str, transport: &str, trusted: &str) {
    let url = format!("{scheme}:{at}?transport={transport}");
    let said = tokio::task::block_in_place(|| aioice::said("aiortc_call.py", at, &[&url, trusted]));
    assert_eq!(said, "50 came back\n", "{url}");
    let relayed = "trunkline_turn_relayed_packets_total{to=\"peer\"}";
    assert!(metric(relay.admin, relayed).await > 100.0, "{url}");
}

#[tokio::test(flavor = "multi_thread")]
async fn aiortc_calls_over_udp_and_tcp() {
    for transport in ["udp", "tcp"] {
        let relay = aioice::relay();
        calls(&relay, relay.public, "turn", transport, "").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn aiortc_calls_over_tls() {
    let certificate = Certificate::new();
    let relay = tls::relay(&certificate, &[]);
    let trusted = certificate.cert();
    let trusted = trusted.to_str().unwrap();
    calls(&relay, relay.tls.unwrap(), "turns", "tcp", trusted).await;
}
