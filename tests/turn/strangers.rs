//! Whoever has no credentials costs the relay nothing.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use trunkline_tests::{Process, metric};

/// An Allocate with REQUESTED-TRANSPORT of UDP, RFC 8656 §7.1, and without credentials: 28 bytes.
pub(crate) fn allocate(transaction: u64) -> Vec<u8> {
    let mut message = vec![0x00, 0x03, 0x00, 0x08, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0];
    message.extend(transaction.to_be_bytes());
    message.extend([0x00, 0x19, 0x00, 0x04, 17, 0, 0, 0]);
    message
}

/// Sends from many loopback addresses, a port of each, and reads every answer.
fn ask(relay: SocketAddr, requests: u64, addresses: u32) -> usize {
    let mut longest = 0;
    let mut answer = [0; 1500];
    let mut transaction = 0;
    for n in 0..addresses {
        let [_, b, c, d] = (n + 1).to_be_bytes();
        let socket = UdpSocket::bind((Ipv4Addr::new(127, b, c, d), 0)).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        for _ in 0..requests / u64::from(addresses) {
            transaction += 1;
            let request = allocate(transaction);
            socket.send_to(&request, relay).unwrap();
            let (length, _) = socket.recv_from(&mut answer).unwrap();
            assert_eq!(answer[..2], [0x01, 0x13], "an Allocate error response");
            assert_eq!(answer[4..20], request[4..20]);
            longest = longest.max(length);
        }
    }
    longest
}

#[tokio::test]
async fn checklist_01_two_hundred_thousand_unauthenticated_allocates_of_ten_thousand_sources_cost_no_memory()
 {
    const REQUESTS: u64 = 200_000;
    let relay = Process::turn(&["--turn-user", "u:p"]);
    ask(relay.public, 2_000, 100);
    let before = relay.resident_bytes();
    let longest = ask(relay.public, REQUESTS, 10_000);
    let grown = relay.resident_bytes().saturating_sub(before) / 1024;
    println!("resident memory grew by {grown} KiB; the longest answer to 28 bytes had {longest}");
    assert!(grown <= 1024, "resident memory grew by {grown} KiB");
    assert!(longest <= 84, "{longest} bytes in answer to 28");
    let refused = metric(relay.admin, "trunkline_turn_answers_total{result=\"401\"}").await;
    assert!(refused >= REQUESTS as f64, "{refused} answers");
    assert_eq!(metric(relay.admin, "trunkline_turn_allocations").await, 0.0);
}

#[test]
fn a_realm_that_makes_answers_long_is_warned_of() {
    for (realm, expected) in [("twelve-bytes", false), ("thirteen-byte", true)] {
        let relay = Process::turn(&["--turn-user", "u:p", "--turn-realm", realm]);
        let is_warning = |line: &String| line.contains("WARN") && line.contains("--turn-realm");
        let is_warned = relay.logged.iter().any(is_warning);
        assert_eq!(is_warned, expected, "{realm}: {:#?}", relay.logged);
    }
}
