//! Points of the checklist in `tests/README.md` that are no other file's subject.

use turn_credentials::mint;

use super::*;

#[test]
fn checklist_07_nobody_ends_changes_or_uses_another_user_s_allocation() {
    let mut server = Server::new();
    let other = mint(&secret(), UNIX + 3600, "mallory", None);
    let mallory = Login {
        name: other.username.leak(),
        password: other.password.as_str().to_owned().leak(),
    };
    let reply = server.allocate_with(HERE, ALICE, &[Attr::Raw(0x0018, &[0x80])]);
    let token = reply.get(0x0022);
    assert_eq!(server.bind(0x4000, PEER), 200);
    let elsewhere = "9.9.9.9:9";
    let rebind = [Attr::Channel(0x4000), Attr::Peer(PEER)];
    let bind = [Attr::Channel(0x4001), Attr::Peer(elsewhere)];
    for login in [mallory, BOB] {
        for (method, attributes) in [
            (METHOD_REFRESH, &[Attr::Lifetime(0)][..]),
            (METHOD_REFRESH, &[Attr::Lifetime(3600)]),
            (METHOD_REFRESH, &[Attr::Family(1), Attr::Lifetime(0)]),
            (METHOD_CREATE_PERMISSION, &[Attr::Peer(elsewhere)]),
            (METHOD_CHANNEL_BIND, &rebind),
            (METHOD_CHANNEL_BIND, &bind),
        ] {
            let code = server.code(HERE, login, method, attributes);
            assert_eq!(code, 441, "{method}");
        }
        // Nor the port that is reserved.
        let reserved = [Attr::Transport(17), Attr::Raw(0x0022, &token)];
        let code = server.code("192.0.2.11:1", login, METHOD_ALLOCATE, &reserved);
        assert_eq!(code, 508);
    }
    assert_eq!(server.closed, []);
    assert_eq!(
        server.send(elsewhere, b"x"),
        Reaction::Dropped(DropReason::NoPermission)
    );
    assert_eq!(server.channel_data(0x4000, b"x"), to_peer(PEER, b"x"));
    server.advance(600 * SECOND);
    server.handle_timeout();
    assert_eq!(server.relay.allocations(), 0, "nobody has prolonged it");
}

#[test]
fn checklist_14_what_a_client_sends_to_its_own_relayed_address_comes_back_to_it_once() {
    let relayed = format!("{RELAY_IPV4}:50001");
    let policy = crate::PeerPolicy::default().with_relays([crate::RelayAddress {
        external: address(&relayed).ip(),
        internal: address(&relayed).ip(),
    }]);
    let mut server = Server::with(Config {
        peer_policy: Arc::new(policy),
        ..config()
    });
    assert_eq!(server.allocate(HERE, ALICE), address(&relayed));
    assert_eq!(server.bind(0x4000, &relayed), 200);
    // What the client can put into its own packet is a message again, of no effect.
    let nested = channel_data(0x4000, b"again");
    let sent = server.channel_data(0x4000, &nested);
    assert_eq!(sent, to_peer(&relayed, &nested));
    let received = server.receive_from_peer(&relayed, &nested);
    let expected = channel_data(0x4000, &nested);
    assert_eq!(received, Reaction::ToClient(HERE.to_owned(), expected));
    assert_eq!(server.relay.poll_output(), None, "and nothing else");
}

#[test]
fn checklist_14_two_allocations_that_are_each_other_s_peers_make_one_packet_of_one() {
    let mut server = Server::new();
    let policy = crate::PeerPolicy::default().with_relays([crate::RelayAddress {
        external: address(&format!("{RELAY_IPV4}:1")).ip(),
        internal: address(&format!("{RELAY_IPV4}:1")).ip(),
    }]);
    server.relay.config.peer_policy = Arc::new(policy);
    let there = "192.0.2.11:1";
    let first = server.allocate(HERE, ALICE).to_string();
    let second = server.allocate(there, BOB).to_string();
    assert_eq!(server.bind(0x4000, &second), 200);
    let bind = [Attr::Channel(0x4000), Attr::Peer(&first)];
    assert_eq!(server.code(there, BOB, METHOD_CHANNEL_BIND, &bind), 200);
    let sent = server.channel_data(0x4000, b"x");
    assert_eq!(sent, to_peer(&second, b"x"));
    let (id, _) = *server.sockets.keys().last().unwrap();
    let (source, now) = (address(&first), server.now.monotonic);
    let action = server.relay.handle_peer(id, source, b"x", now);
    // To its client, and never on from relay socket to relay socket.
    let expected = Reaction::ToClient(there.to_owned(), channel_data(0x4000, b"x"));
    assert_eq!(server.reaction(action, b"x"), expected);
    assert_eq!(server.relay.poll_output(), None);
}
