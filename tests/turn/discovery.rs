//! Clients that find out what NAT they are behind, RFC 5780; `tests/nat` has them behind NATs.

use std::{net::Ipv4Addr, process::Command};

use trunkline_tests::{Process, binary, free_udp_ports};

/// Two addresses at two ports.
fn four() -> (u16, String) {
    let ports = free_udp_ports(Ipv4Addr::LOCALHOST, 2);
    let at = |ip| ports.clone().map(move |port| format!("{ip}:{port}"));
    let four: Vec<String> = at("127.0.0.1").chain(at("127.0.0.2")).collect();
    (*ports.start(), four.join(","))
}

#[test]
fn coturn_s_client_finds_no_nat_whichever_thread_it_comes_to_and_fragments_come_through() {
    let (port, four) = four();
    let options = [
        "--turn-user",
        "u:p",
        "--turn-discovery",
        "--turn-threads",
        "2",
    ];
    let _relay = Process::turn_on(&four, &options);
    let port = port.to_string();
    for (options, expected) in [
        (&["-m"][..], "NAT with Endpoint Independent Mapping!"),
        (&["-f"], "NAT with Endpoint Independent Filtering!"),
        (&["-f", "-P"], "NAT with Endpoint Independent Filtering!"),
    ] {
        // A new port each time, and so one thread or the other.
        for _ in 0..5 {
            let output = Command::new("timeout")
                .args(["60", "turnutils_natdiscovery"])
                .args(options)
                .args(["-p", &port, "127.0.0.1"])
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(text.contains(expected), "{options:?}: {text}");
            assert!(text.contains("No ALG: Mapped == XOR-Mapped"), "{text}");
        }
    }
}

#[test]
fn a_relay_that_cannot_offer_it_says_what_it_needs_and_exits_64() {
    let (_, four) = four();
    for (options, said) in [
        (&["--turn-listen", "127.0.0.1:0"][..], "two addresses"),
        (
            &["--turn-listen", &four, "--turn-external-ip", "192.0.2.1"],
            "--turn-external-ip",
        ),
    ] {
        let output = Command::new(binary())
            .args(["turn", "--turn-user", "u:p", "--turn-discovery"])
            .args(options)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{text}");
        assert!(
            text.contains("--turn-discovery: ") && text.contains(said),
            "{text}"
        );
    }
}
