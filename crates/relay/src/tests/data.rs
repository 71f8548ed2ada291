use super::*;
use crate::{PeerPolicy, RelayAddress, Traffic};

/// The data of a ChannelData message, and its number.
fn channel_message(message: &[u8]) -> (u16, &[u8]) {
    let length = usize::from(u16::from_be_bytes([message[2], message[3]]));
    assert_eq!(message.len(), 4 + length);
    (u16::from_be_bytes([message[0], message[1]]), &message[4..])
}

#[test]
fn data_goes_both_ways_in_indications() {
    let mut server = Server::with_allocation();
    server.permit(&[PEER]);
    for data in [&b""[..], b"a", b"ab", b"abc", b"abcd", &[7; 1400]] {
        assert_eq!(server.send(PEER, data), to_peer(PEER, data));
        let message = server.receive_from_peer(PEER, data).message();
        assert_eq!(message.len() % 4, 0);
        assert_eq!(data_indication(&message), (PEER.to_owned(), data.to_vec()));
    }
}

#[test]
fn data_goes_both_ways_in_channels_without_padding() {
    let mut server = Server::with_allocation();
    server.bind(0x4000, PEER);
    for data in [&b""[..], b"a", b"abcde", &[7; 1400]] {
        assert_eq!(server.channel_data(0x4000, data), to_peer(PEER, data));
        let message = server.receive_from_peer(PEER, data).message();
        assert_eq!(channel_message(&message), (0x4000, data));
    }
}

#[test]
fn padding_of_channel_data_is_not_relayed() {
    let mut server = Server::with_allocation();
    server.bind(0x4000, PEER);
    let mut datagram = channel_data(0x4000, b"abcde");
    datagram.extend([0; 3]);
    assert_eq!(server.receive(HERE, &datagram), to_peer(PEER, b"abcde"));
}

#[test]
fn ipv6_peers_are_relayed_too() {
    let mut server = Server::new();
    server.allocate_with(HERE, ALICE, &[Attr::Family(2)]);
    let peer = "[2600::1]:7";
    assert_eq!(server.permit(&[peer]), 200);
    assert_eq!(server.send(peer, b"abc"), to_peer(peer, b"abc"));
    let message = server.receive_from_peer(peer, b"abc").message();
    assert_eq!(message.len(), 48 + 4);
    assert_eq!(
        data_indication(&message),
        (peer.to_owned(), b"abc".to_vec())
    );
    assert_eq!(server.bind(0x4000, peer), 200);
    assert_eq!(server.channel_data(0x4000, b"abc"), to_peer(peer, b"abc"));
}

#[test]
fn of_several_peers_in_a_send_the_first_counts() {
    let mut server = Server::with_allocation();
    server.permit(&[PEER, "8.8.4.4:1"]);
    let attributes = [
        Attr::Peer(PEER),
        Attr::Raw(0x0013, b"first"),
        Attr::Peer("8.8.4.4:1"),
        Attr::Raw(0x0013, b"second"),
    ];
    let datagram = send_indication([1; 12], &attributes);
    assert_eq!(server.receive(HERE, &datagram), to_peer(PEER, b"first"));
}

#[test]
fn a_send_that_cannot_be_understood_is_dropped() {
    let mut server = Server::with_allocation();
    server.permit(&[PEER]);
    let (peer, data) = (Attr::Peer(PEER), Attr::Raw(0x0013, b"x"));
    let mut check = |attributes: &[Attr<'_>], reason| {
        let datagram = send_indication([1; 12], attributes);
        assert_eq!(server.receive(HERE, &datagram), Reaction::Dropped(reason));
    };
    check(&[peer], DropReason::MissingAttribute);
    check(&[data], DropReason::MissingAttribute);
    check(&[Attr::Raw(0x0012, &[0, 1]), data], DropReason::Malformed);
    check(
        &[peer, data, Attr::Raw(0x7777, &[])],
        DropReason::UnknownAttribute,
    );
    let optional = send_indication([1; 12], &[peer, data, Attr::Raw(0x8022, b"me")]);
    assert_eq!(server.receive(HERE, &optional), to_peer(PEER, b"x"));
}

#[test]
fn data_without_an_allocation_or_a_channel_is_dropped() {
    let mut server = Server::new();
    let dropped = |reason| Reaction::Dropped(reason);
    assert_eq!(server.send(PEER, b"x"), dropped(DropReason::NoAllocation));
    assert_eq!(
        server.channel_data(0x4000, b"x"),
        dropped(DropReason::NoAllocation)
    );
    server.allocate(HERE, ALICE);
    server.permit(&[PEER]);
    assert_eq!(
        server.channel_data(0x4000, b"x"),
        dropped(DropReason::NoChannel)
    );
    assert_eq!(
        server.channel_data(0x5000, b"x"),
        dropped(DropReason::NoChannel)
    );
}

#[test]
fn indications_are_never_answered() {
    let mut server = Server::with_allocation();
    for (typ, reason) in [
        (0x0011, DropReason::KeepAlive),
        (0x0013, DropReason::UnexpectedClass),
        (0x0017, DropReason::UnexpectedClass),
        (0x0101, DropReason::UnexpectedClass),
        (0x0113, DropReason::UnexpectedClass),
        (0x0006, DropReason::UnexpectedClass),
    ] {
        let mut kind = MessageType::default();
        kind.read_value(typ);
        let datagram = message(kind, [1; 12], &[]).raw;
        assert_eq!(
            server.receive(HERE, &datagram),
            Reaction::Dropped(reason),
            "{typ:04x}"
        );
    }
}

#[test]
fn what_is_too_long_to_be_encapsulated_is_dropped() {
    let mut server = Server::with_allocation();
    server.permit(&[PEER]);
    let too_long = Reaction::Dropped(DropReason::TooLong);
    assert_eq!(server.receive_from_peer(PEER, &[0; 65_520]), too_long);
    assert_eq!(server.receive_from_peer(PEER, &[0; 65_536]), too_long);
    let longest = server.receive_from_peer(PEER, &[0; 65_516]);
    assert!(matches!(longest, Reaction::ToClient(..)));
}

#[test]
fn data_indications_have_transaction_ids_of_their_own() {
    let mut server = Server::with_allocation();
    server.permit(&[PEER]);
    let mut id = || server.receive_from_peer(PEER, b"x").message()[8..20].to_vec();
    assert_ne!(id(), id());
}

#[test]
fn traffic_is_counted_without_encapsulation() {
    let mut server = Server::with_allocation();
    server.bind(0x4000, PEER);
    let id = server.first();
    server.send(PEER, b"12345");
    server.channel_data(0x4000, b"123");
    server.receive_from_peer(PEER, b"1234567");
    server.send("8.8.4.4:1", b"not relayed");
    let traffic = Traffic {
        packets_to_peers: 2,
        bytes_to_peers: 8,
        packets_to_client: 1,
        bytes_to_client: 7,
    };
    assert_eq!(server.relay.traffic(id), Some(traffic));
    server.refresh(&[Attr::Lifetime(0)]);
    assert_eq!(server.closed[0].traffic, traffic);
    assert_eq!(server.relay.traffic(id), None);
}

/// Two relays of a fleet, the first behind a NAT.
fn fleet() -> Server {
    let relay = |external: &str, internal: &str| RelayAddress {
        external: external.parse().unwrap(),
        internal: internal.parse().unwrap(),
    };
    let policy = PeerPolicy::default()
        .with_relays([relay("34.1.1.1", "10.0.0.1"), relay("34.1.1.2", "34.1.1.2")])
        .with_relay_ports(50_000..=60_000);
    let mut server = Server::with(Config {
        peer_policy: Arc::new(policy),
        ..config()
    });
    server.allocate(HERE, ALICE);
    server
}

#[test]
fn a_relay_of_the_fleet_is_known_outside_and_reached_inside() {
    let mut server = fleet();
    assert_eq!(server.bind(0x4000, "34.1.1.1:50001"), 200);
    assert_eq!(
        server.channel_data(0x4000, b"x"),
        to_peer("10.0.0.1:50001", b"x")
    );
    assert_eq!(
        server.send("34.1.1.1:50002", b"x"),
        to_peer("10.0.0.1:50002", b"x")
    );
    let message = server.receive_from_peer("10.0.0.1:50001", b"x").message();
    assert_eq!(channel_message(&message), (0x4000, &b"x"[..]));
    let message = server.receive_from_peer("10.0.0.1:50002", b"x").message();
    assert_eq!(data_indication(&message).0, "34.1.1.1:50002");
}

#[test]
fn a_relay_of_the_fleet_is_reached_at_its_relay_ports_only() {
    let mut server = fleet();
    assert_eq!(server.permit(&["34.1.1.1:3478", "34.1.1.2:0"]), 200);
    assert_eq!(server.bind(0x4000, "34.1.1.2:3478"), 403);
    let forbidden = Reaction::Dropped(DropReason::Forbidden);
    for relay in ["34.1.1.1", "34.1.1.2"] {
        assert_eq!(server.send(&format!("{relay}:3478"), b"x"), forbidden);
        assert_eq!(server.send(&format!("{relay}:60001"), b"x"), forbidden);
        let sent = server.send(&format!("{relay}:60000"), b"x");
        assert!(matches!(sent, Reaction::ToPeer(..)));
    }
    assert_eq!(server.receive_from_peer("10.0.0.1:6379", b"x"), forbidden);
    assert_eq!(server.receive_from_peer("34.1.1.2:22", b"x"), forbidden);
}

/// The relay of [`fleet`] that is behind a NAT, on a host of which clients may reach everything at either address.
fn open_host(allowed: &str) -> Server {
    let relay = RelayAddress {
        external: "34.1.1.1".parse().unwrap(),
        internal: "10.0.0.1".parse().unwrap(),
    };
    let allowed = allowed.split(' ').map(|network| network.parse().unwrap());
    let policy = PeerPolicy::default()
        .allow(allowed)
        .with_relays([relay])
        .with_relay_ports(50_000..=60_000);
    let mut server = Server::with(Config {
        peer_policy: Arc::new(policy),
        ..config()
    });
    server.allocate(HERE, ALICE);
    server
}

#[test]
fn whoever_a_client_may_send_to_can_answer_by_the_address_that_the_client_knows() {
    // The relay's host opened by its own address, by the one that clients are told, and by both.
    for allowed in ["10.0.0.0/8", "34.1.1.1/32", "10.0.0.0/8 34.1.1.1/32"] {
        for port in [53, 49_999, 50_000, 60_000, 60_001] {
            for known in ["10.0.0.1", "34.1.1.1"] {
                let mut server = open_host(allowed);
                let peer = format!("{known}:{port}");
                if server.permit(&[&peer]) == 403 {
                    continue;
                }
                let internal = format!("10.0.0.1:{port}");
                let sent = server.send(&peer, b"x");
                if sent == Reaction::Dropped(DropReason::Forbidden) {
                    continue;
                }
                assert_eq!(sent, to_peer(&internal, b"x"), "{peer} of {allowed}");
                let Reaction::ToClient(_, message) = server.receive_from_peer(&internal, b"y")
                else {
                    panic!("no answer from {peer} of {allowed}");
                };
                assert_eq!(data_indication(&message).0, peer, "of {allowed}");
            }
        }
    }
}

#[test]
fn a_client_that_knows_a_relay_s_host_by_two_addresses_hears_relayed_ports_from_the_external_one() {
    let mut server = open_host("10.0.0.0/8");
    server.permit(&["10.0.0.1:0", "34.1.1.1:0"]);
    for (port, known) in [(53, "10.0.0.1"), (50_000, "34.1.1.1"), (60_001, "10.0.0.1")] {
        let answer = server.receive_from_peer(&format!("10.0.0.1:{port}"), b"y");
        let name = data_indication(&answer.message()).0;
        assert_eq!(name, format!("{known}:{port}"));
    }
}

#[test]
fn a_mapped_source_on_a_socket_of_both_families_is_its_ipv4_peer() {
    let mut server = Server::with_allocation();
    server.bind(0x4000, PEER);
    let from_peer = server.receive_from_peer("[::ffff:8.8.8.8]:5000", b"x");
    assert!(matches!(from_peer, Reaction::ToClient(..)));
}

#[test]
fn another_configuration_serves_from_now_on() {
    let mut server = Server::with_allocation();
    server.bind(0x4000, PEER);
    let policy = PeerPolicy::default().deny(["8.0.0.0/8".parse().unwrap()]);
    server.relay.handle_config(Config {
        peer_policy: Arc::new(policy),
        ..config()
    });
    assert_eq!(server.permit(&[PEER]), 403);
    assert_eq!(server.channel_data(0x4000, b"x"), to_peer(PEER, b"x"));
}

#[test]
fn defect_20_what_is_sent_with_dont_fragment_goes_in_one_piece() {
    let mut server = Server::with_allocation();
    server.permit(&[PEER]);
    server.bind(0x4000, PEER);
    let dont_fragment = Attr::Raw(0x001A, &[]);
    let data = Attr::Raw(0x0013, b"x");
    let handle = |server: &mut Server, datagram: &[u8]| {
        let (source, now) = (HERE.parse().unwrap(), server.now);
        let listener = ListenerId(0);
        let action = server.relay.handle_client(listener, source, datagram, now);
        match action {
            Action::ToPeer(to) => Ok(to.dont_fragment),
            Action::Dropped(reason) => Err(reason),
            Action::ToClient(_)
            | Action::Answer(_)
            | Action::Indication(_)
            | Action::Elsewhere(_)
            | Action::Pending => {
                panic!("{action:?}")
            }
        }
    };
    let whole = send_indication([1; 12], &[Attr::Peer(PEER), dont_fragment, data]);
    let any = send_indication([1; 12], &[Attr::Peer(PEER), data]);
    assert_eq!(handle(&mut server, &whole), Ok(true));
    assert_eq!(handle(&mut server, &any), Ok(false));
    assert_eq!(handle(&mut server, &channel_data(0x4000, b"x")), Ok(false));
    server.relay.handle_config(Config {
        dont_fragment: false,
        ..config()
    });
    let dropped = Err(DropReason::UnknownAttribute);
    assert_eq!(handle(&mut server, &whole), dropped);
    assert_eq!(handle(&mut server, &any), Ok(false));
}
