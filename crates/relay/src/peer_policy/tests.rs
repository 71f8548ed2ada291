use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn networks(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// Whether a packet for `peer` would be relayed.
fn reaches(policy: &PeerPolicy, peer: &str) -> bool {
    let peer: SocketAddr = peer.parse().unwrap();
    policy
        .judge(peer.ip())
        .is_some_and(|ruling| policy.admits(ruling, peer))
}

fn relay(external: &str, internal: &str) -> RelayAddress {
    RelayAddress {
        external: ip(external),
        internal: ip(internal),
    }
}

#[test]
fn allowed_networks_open_what_is_denied_by_default_as_it_is_and_in_no_encoding() {
    let policy = PeerPolicy::default().allow(networks(&["10.0.0.0/8", "fd00::/8"]));
    assert!(reaches(&policy, "10.1.2.3:1"));
    assert!(reaches(&policy, "[fd00::1]:1"));
    assert!(!reaches(&policy, "192.168.0.1:1"));
    assert!(!reaches(&policy, "[::ffff:10.1.2.3]:1"));
    assert!(!reaches(&policy, "[fc00::1]:1"));
}

#[test]
fn an_allowed_translator_reaches_what_may_be_reached_without_it() {
    let policy = PeerPolicy::default().allow(networks(&["64:ff9b::/96"]));
    assert!(reaches(&policy, "[64:ff9b::8.8.8.8]:1"));
    assert!(!reaches(&policy, "[64:ff9b::10.0.0.1]:1"));
    assert!(!reaches(&policy, "[64:ff9b::169.254.169.254]:1"));
}

#[test]
fn denied_networks_are_closed_even_where_allowed() {
    let policy = PeerPolicy::default()
        .allow(networks(&["10.0.0.0/8", "64:ff9b::/96"]))
        .deny(networks(&["10.0.0.5/32", "8.8.8.8/32"]));
    assert!(!reaches(&policy, "10.0.0.5:1"));
    assert!(reaches(&policy, "10.0.0.6:1"));
    assert!(!reaches(&policy, "8.8.8.8:1"));
    assert!(!reaches(&policy, "[64:ff9b::8.8.8.8]:1"));
}

#[test]
fn denied_sockets_close_a_port_of_an_open_address() {
    let redis = "10.0.0.5:6379".parse().unwrap();
    let public = "8.8.8.8:6379".parse().unwrap();
    let policy = PeerPolicy::default()
        .allow(networks(&["10.0.0.0/8", "64:ff9b::/96"]))
        .deny_sockets([redis, public]);
    assert!(!reaches(&policy, "10.0.0.5:6379"));
    assert!(reaches(&policy, "10.0.0.5:6380"));
    assert!(!reaches(&policy, "8.8.8.8:6379"));
    assert!(reaches(&policy, "8.8.8.8:53"));
    assert!(!reaches(&policy, "[64:ff9b::8.8.8.8]:6379"));
}

#[test]
fn own_hosts_are_open_at_all_ports_and_nobody_else_is() {
    let own = ["127.0.0.1", "::1", "192.168.7.7"].map(ip);
    let policy = PeerPolicy::default().allow_own_hosts(own);
    for peer in ["127.0.0.1:1", "[::1]:5353", "192.168.7.7:40000"] {
        assert!(reaches(&policy, peer), "{peer}");
    }
    for peer in [
        "127.0.0.2:1",
        "192.168.7.8:1",
        "[::ffff:127.0.0.1]:1",
        "[::2]:1",
    ] {
        assert!(!reaches(&policy, peer), "{peer}");
    }
}

#[test]
fn relays_of_the_fleet_are_open_at_their_relay_ports_private_or_not() {
    let policy = PeerPolicy::default()
        .with_relays([relay("34.1.1.1", "10.0.0.1"), relay("10.0.0.2", "10.0.0.2")])
        .deny_sockets(["34.1.1.1:50000".parse().unwrap()])
        .with_relay_ports(50_000..=50_010);
    assert!(reaches(&policy, "34.1.1.1:50010"));
    assert!(reaches(&policy, "10.0.0.2:50000"));
    assert!(!reaches(&policy, "34.1.1.1:50000"));
    assert!(!reaches(&policy, "34.1.1.1:50011"));
    assert!(!reaches(&policy, "34.1.1.1:3478"));
    // Clients know relays by their external addresses.
    assert!(!reaches(&policy, "10.0.0.1:50000"));
}

#[test]
fn what_is_open_otherwise_is_not_narrowed_by_being_a_relay() {
    let policy = PeerPolicy::default()
        .with_relays([relay("127.0.0.1", "127.0.0.1")])
        .allow_own_hosts([ip("127.0.0.1")]);
    assert!(reaches(&policy, "127.0.0.1:1"));
}

#[test]
fn addresses_are_translated_both_ways() {
    let policy = PeerPolicy::default().with_relays([relay("34.1.1.1", "10.0.0.1")]);
    let ruling = policy.judge(ip("34.1.1.1")).unwrap();
    assert_eq!(ruling.internal, ip("10.0.0.1"));
    let names = |source: &str| -> Vec<String> {
        let names = policy.names(source.parse().unwrap());
        names.map(|name| name.to_string()).collect()
    };
    let relayed = ["34.1.1.1:50000", "10.0.0.1:50000"];
    assert_eq!(names("10.0.0.1:50000"), relayed);
    assert_eq!(names("[::ffff:10.0.0.1]:50000"), relayed);
    assert_eq!(names("10.0.0.1:53"), ["10.0.0.1:53", "34.1.1.1:53"]);
    assert_eq!(names("8.8.8.8:1"), ["8.8.8.8:1"]);
}

#[test]
fn checklist_05_of_a_host_of_our_own_infrastructure_only_the_relay_ports_are_open_and_never_its_own()
 {
    let policy = PeerPolicy::default()
        .allow(networks(&["10.0.0.0/8", "fd00::/8", "64:ff9b::/96"]))
        .with_relay_ports(50_000..=50_010)
        .deny_sockets(["10.0.0.5:6379", "10.0.0.5:50001"].map(|text| text.parse().unwrap()))
        .confine([ip("10.0.0.5"), ip("fd00::5"), ip("::ffff:8.8.8.8")]);
    for open in [
        "10.0.0.5:50000",
        "[fd00::5]:50010",
        "8.8.8.8:50000",
        "10.0.0.6:6379",
    ] {
        assert!(reaches(&policy, open), "{open}");
    }
    for closed in [
        "10.0.0.5:6379",
        "10.0.0.5:22",
        "10.0.0.5:50001",
        "10.0.0.5:50011",
        "[fd00::5]:22",
        "8.8.8.8:53",
        "[64:ff9b::10.0.0.5]:6379",
        "[64:ff9b::10.0.0.5]:50000",
        "[64:ff9b::8.8.8.8]:53",
    ] {
        assert!(!reaches(&policy, closed), "{closed}");
    }
    // What is not open is not opened by it.
    let policy = PeerPolicy::default().confine([ip("10.0.0.5")]);
    assert!(!reaches(&policy, "10.0.0.5:50000"));
}

#[test]
fn checklist_05_a_host_that_is_allowed_by_its_very_address_is_open_but_for_our_own_port() {
    let policy = PeerPolicy::default()
        .allow(networks(&["10.0.0.5/32", "10.0.0.0/31", "fd00::5/128"]))
        .deny_sockets(["10.0.0.5:6379"].map(|text| text.parse().unwrap()))
        .confine([ip("10.0.0.5"), ip("10.0.0.1"), ip("fd00::5")]);
    assert!(reaches(&policy, "10.0.0.5:22"));
    assert!(reaches(&policy, "[fd00::5]:22"));
    assert!(!reaches(&policy, "10.0.0.5:6379"));
    assert!(!reaches(&policy, "10.0.0.1:22"));
}

#[test]
fn checklist_05_our_own_port_is_closed_by_every_name_of_its_host() {
    let sockets = ["10.0.0.5:6379", "127.0.0.1:81"].map(|text| text.parse().unwrap());
    let policy = PeerPolicy::default()
        .with_relays([relay("34.1.1.1", "10.0.0.5")])
        .with_relay_ports(1024..=65535)
        .allow(networks(&["10.0.0.0/8", "127.0.0.0/8"]))
        .deny_sockets(sockets);
    for (peer, expected) in [
        ("10.0.0.5:6379", false),
        ("34.1.1.1:6379", false),
        ("34.1.1.1:6380", true),
        ("127.0.0.1:81", false),
        ("127.9.9.9:81", false),
        ("[::ffff:127.0.0.2]:81", false),
        ("127.9.9.9:82", true),
    ] {
        assert_eq!(reaches(&policy, peer), expected, "{peer}");
    }
    // A NAT's address that is open besides is confined as the host behind it is.
    let policy = PeerPolicy::default()
        .with_relays([relay("10.1.0.5", "10.0.0.5")])
        .allow(networks(&["10.0.0.0/8"]))
        .confine([ip("10.0.0.5")]);
    assert!(!reaches(&policy, "10.1.0.5:22"));
    assert!(reaches(&policy, "10.1.0.5:50000"));
    let policy = policy.allow(networks(&["10.1.0.5/32"]));
    assert!(reaches(&policy, "10.1.0.5:22"));
}
