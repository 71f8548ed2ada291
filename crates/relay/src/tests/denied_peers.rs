//! Every way to write an address that must not be reached is a 403, at every door.

use std::net::Ipv4Addr;

use super::*;

pub(super) const DENIED_IPV4: &[&str] = &[
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
];

pub(super) const DENIED_IPV6: &[&str] = &[
    "::",
    "::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2001:1ff::1",
    "2002::1",
    "2620:4f:8000::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
];

/// All IPv6 forms of an IPv4 address.
pub(super) fn encodings(ip: Ipv4Addr) -> Vec<String> {
    let [a, b, c, d] = ip.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    vec![
        format!("::ffff:{ip}"),
        format!("::{ip}"),
        format!("::ffff:0:{ip}"),
        format!("64:ff9b::{ip}"),
        format!("64:ff9b:1::{ip}"),
        format!("64:ff9b:1:{high:x}:{c:x}:{d:02x}00::"),
        format!("2002:{high:x}:{low:x}::1"),
        format!("2001:0:{high:x}:{low:x}::1"),
        format!("2001:0:808:808:0:0:{:x}:{:x}", !high, !low),
        format!("2600::5efe:{ip}"),
        format!("2600::200:5efe:{ip}"),
    ]
}

/// Both families, as a denied address is a 403 on either.
fn servers() -> [Server; 2] {
    [1, 2].map(|family| {
        let mut server = Server::new();
        server.allocate_with(HERE, ALICE, &[Attr::Family(family)]);
        server
    })
}

#[track_caller]
fn check_denied(server: &mut Server, ip: &str) {
    let peer = if ip.contains(':') {
        format!("[{ip}]:50000")
    } else {
        format!("{ip}:50000")
    };
    assert_eq!(server.permit(&[&peer]), 403, "{ip}");
    assert_eq!(server.bind(0x4000, &peer), 403, "{ip}");
    let dropped = Reaction::Dropped(DropReason::NoPermission);
    assert_eq!(server.send(&peer, b"x"), dropped, "{ip}");
    assert_eq!(server.receive_from_peer(&peer, b"x"), dropped, "{ip}");
}

#[test]
fn checklist_04_denied_addresses_are_403_as_they_are() {
    for mut server in servers() {
        for ip in DENIED_IPV4.iter().chain(DENIED_IPV6) {
            check_denied(&mut server, ip);
        }
    }
}

#[test]
fn checklist_04_denied_addresses_are_403_in_every_encoding() {
    for mut server in servers() {
        for ip in DENIED_IPV4 {
            for encoding in encodings(ip.parse().unwrap()) {
                check_denied(&mut server, &encoding);
            }
        }
    }
}

#[test]
fn checklist_04_translators_and_tunnels_are_denied_even_to_ordinary_addresses() {
    for mut server in servers() {
        // ISATAP prefixes are anybody's, so that only what is embedded counts.
        for encoding in &encodings("8.8.8.8".parse().unwrap())[..9] {
            check_denied(&mut server, encoding);
        }
    }
}

#[test]
fn one_denied_peer_refuses_them_all_and_leaves_the_permitted_alone() {
    let mut server = Server::with_allocation();
    assert_eq!(server.permit(&["8.8.8.8:1"]), 200);
    server.advance(200 * SECOND);
    for peers in [
        ["8.8.8.8:1", "8.8.4.4:1", "10.0.0.1:1"],
        ["10.0.0.1:1", "8.8.8.8:1", "8.8.4.4:1"],
        ["8.8.8.8:1", "[::ffff:127.0.0.1]:1", "8.8.4.4:1"],
    ] {
        assert_eq!(server.permit(&peers), 403);
    }
    let dropped = Reaction::Dropped(DropReason::NoPermission);
    assert_eq!(server.send("8.8.4.4:1", b"x"), dropped);
    assert_eq!(server.send("8.8.8.8:1", b"x"), to_peer("8.8.8.8:1", b"x"));
    // Not refreshed either.
    server.advance(100 * SECOND);
    assert_eq!(server.send("8.8.8.8:1", b"x"), dropped);
}

#[test]
fn ordinary_addresses_are_reached() {
    let [mut ipv4, mut ipv6] = servers();
    for ip in [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "172.32.0.1",
        "223.255.255.255",
    ] {
        assert_eq!(ipv4.permit(&[&format!("{ip}:1")]), 200, "{ip}");
    }
    for ip in [
        "2000::1",
        "2001:200::1",
        "2003::1",
        "2600::5efe:8.8.8.8",
        "3ffe::1",
    ] {
        assert_eq!(ipv6.permit(&[&format!("[{ip}]:1")]), 200, "{ip}");
    }
}
