use super::*;

#[test]
fn checklist_06_a_permission_lasts_five_minutes_and_a_refresh_five_more() {
    let mut server = Server::with_allocation();
    assert_eq!(server.permit(&[PEER]), 200);
    server.advance(300 * SECOND - MOMENT);
    assert_eq!(server.send(PEER, b"x"), to_peer(PEER, b"x"));
    assert_eq!(server.permit(&[PEER]), 200);
    server.advance(300 * SECOND - MOMENT);
    assert_eq!(server.send(PEER, b"x"), to_peer(PEER, b"x"));
    assert!(matches!(
        server.receive_from_peer(PEER, b"x"),
        Reaction::ToClient(..)
    ));
    server.advance(MOMENT);
    let dropped = Reaction::Dropped(DropReason::NoPermission);
    assert_eq!(server.send(PEER, b"x"), dropped);
    assert_eq!(server.receive_from_peer(PEER, b"x"), dropped);
}

#[test]
fn a_permission_is_for_an_address_at_any_port() {
    let mut server = Server::with_allocation();
    server.permit(&["8.8.8.8:0"]);
    assert_eq!(server.send("8.8.8.8:1", b"x"), to_peer("8.8.8.8:1", b"x"));
    let from_peer = server.receive_from_peer("8.8.8.8:65535", b"x");
    assert!(matches!(from_peer, Reaction::ToClient(..)));
    let dropped = Reaction::Dropped(DropReason::NoPermission);
    assert_eq!(server.send("8.8.4.4:1", b"x"), dropped);
    assert_eq!(server.receive_from_peer("8.8.4.4:1", b"x"), dropped);
}

#[test]
fn a_peer_of_the_other_family_refuses_them_all() {
    let mut server = Server::with_allocation();
    assert_eq!(server.permit(&[PEER, "[2600::1]:1"]), 443);
    let dropped = Reaction::Dropped(DropReason::NoPermission);
    assert_eq!(server.send(PEER, b"x"), dropped);
    assert_eq!(server.bind(0x4000, "[2600::1]:1"), 443);
}

#[test]
fn a_malformed_peer_refuses_them_all() {
    let mut server = Server::with_allocation();
    let attributes = [Attr::Peer(PEER), Attr::Raw(0x0012, &[0, 1, 0, 0, 1])];
    let code = server.code(HERE, ALICE, METHOD_CREATE_PERMISSION, &attributes);
    assert_eq!(code, 400);
    let dropped = Reaction::Dropped(DropReason::NoPermission);
    assert_eq!(server.send(PEER, b"x"), dropped);
}

#[test]
fn checklist_08_permissions_are_bounded_and_those_that_are_over_do_not_count() {
    let mut server = Server::with(Config {
        max_permissions: 3,
        ..config()
    });
    server.allocate(HERE, ALICE);
    assert_eq!(server.permit(&["8.0.0.1:1", "8.0.0.2:1", "8.0.0.2:2"]), 200);
    assert_eq!(server.permit(&["8.0.0.3:1", "8.0.0.4:1"]), 508);
    let dropped = Reaction::Dropped(DropReason::NoPermission);
    assert_eq!(server.send("8.0.0.3:1", b"x"), dropped);
    server.advance(SECOND);
    assert_eq!(server.permit(&["8.0.0.1:1", "8.0.0.3:1"]), 200);
    assert_eq!(server.bind(0x4000, "8.0.0.4:1"), 508);
    server.advance(299 * SECOND);
    assert_eq!(server.bind(0x4000, "8.0.0.4:1"), 200);
    assert_eq!(server.permit(&["8.0.0.5:1"]), 508);
}

#[test]
fn a_channel_lasts_ten_minutes_and_needs_its_permission() {
    let mut server = Server::with_allocation();
    server.refresh(&[Attr::Lifetime(3600)]);
    assert_eq!(server.bind(0x4000, PEER), 200);
    server.advance(299 * SECOND);
    assert_eq!(server.channel_data(0x4000, b"x"), to_peer(PEER, b"x"));
    server.advance(SECOND);
    let dropped = Reaction::Dropped(DropReason::NoPermission);
    assert_eq!(server.channel_data(0x4000, b"x"), dropped);
    assert_eq!(server.receive_from_peer(PEER, b"x"), dropped);
    // The permission comes back, and the channel is still there.
    assert_eq!(server.permit(&[PEER]), 200);
    server.advance(299 * SECOND);
    assert_eq!(server.channel_data(0x4000, b"x"), to_peer(PEER, b"x"));
    assert_eq!(server.permit(&[PEER]), 200);
    server.advance(SECOND);
    let dropped = Reaction::Dropped(DropReason::NoChannel);
    assert_eq!(server.channel_data(0x4000, b"x"), dropped);
    let message = server.receive_from_peer(PEER, b"x").message();
    assert_eq!(data_indication(&message), (PEER.to_owned(), b"x".to_vec()));
}

#[test]
fn binding_again_refreshes_channel_and_permission() {
    let mut server = Server::with_allocation();
    server.refresh(&[Attr::Lifetime(3600)]);
    for _ in 0..5 {
        assert_eq!(server.bind(0x4000, PEER), 200);
        server.advance(299 * SECOND);
        assert_eq!(server.channel_data(0x4000, b"x"), to_peer(PEER, b"x"));
    }
}

#[test]
fn a_number_has_one_peer_and_a_peer_one_number_while_they_are_bound() {
    let mut server = Server::with_allocation();
    server.refresh(&[Attr::Lifetime(3600)]);
    let (same_address, other) = ("8.8.8.8:5001", "8.8.4.4:5000");
    assert_eq!(server.bind(0x4000, PEER), 200);
    assert_eq!(server.bind(0x4000, other), 400);
    assert_eq!(server.bind(0x4000, same_address), 400);
    assert_eq!(server.bind(0x4001, PEER), 400);
    assert_eq!(server.bind(0x4001, same_address), 200);
    assert_eq!(server.bind(0x4000, same_address), 400);
    let dropped = Reaction::Dropped(DropReason::NoPermission);
    assert_eq!(server.send(other, b"x"), dropped);
    server.advance(600 * SECOND);
    assert_eq!(server.bind(0x4000, other), 200);
    assert_eq!(server.bind(0x4001, PEER), 200);
    assert_eq!(server.channel_data(0x4000, b"x"), to_peer(other, b"x"));
    assert_eq!(server.channel_data(0x4001, b"x"), to_peer(PEER, b"x"));
}

#[test]
fn a_bind_needs_a_number_and_a_peer_and_the_first_of_each_counts() {
    let mut server = Server::with_allocation();
    let mut code =
        |attributes: &[Attr<'_>]| server.code(HERE, ALICE, METHOD_CHANNEL_BIND, attributes);
    assert_eq!(code(&[Attr::Channel(0x4000)]), 400);
    assert_eq!(code(&[Attr::Peer(PEER)]), 400);
    assert_eq!(
        code(&[Attr::Raw(0x000C, &[0x40, 0]), Attr::Peer(PEER)]),
        400
    );
    let (channel, peer) = (Attr::Channel(0x4000), Attr::Peer(PEER));
    let more = [
        channel,
        peer,
        Attr::Channel(0x4001),
        Attr::Peer("8.8.4.4:1"),
    ];
    assert_eq!(code(&more), 200);
    assert_eq!(server.channel_data(0x4000, b"x"), to_peer(PEER, b"x"));
    let dropped = Reaction::Dropped(DropReason::NoPermission);
    assert_eq!(server.send("8.8.4.4:1", b"x"), dropped);
}

#[test]
fn checklist_08_channels_are_bounded() {
    let mut server = Server::with(Config {
        max_channels: 2,
        ..config()
    });
    server.allocate(HERE, ALICE);
    server.refresh(&[Attr::Lifetime(3600)]);
    assert_eq!(server.bind(0x4001, "8.8.8.8:1"), 200);
    assert_eq!(server.bind(0x4000, "8.8.8.8:2"), 200);
    assert_eq!(server.bind(0x4002, "8.8.8.8:3"), 508);
    assert_eq!(server.bind(0x4001, "8.8.8.8:1"), 200);
    server.advance(600 * SECOND);
    assert_eq!(server.bind(0x4002, "8.8.8.8:3"), 200);
}

#[test]
fn old_channels_go_to_7fff_where_they_are_configured() {
    for (old_channels, code) in [(false, 400), (true, 200)] {
        let mut server = Server::with(Config {
            old_channels,
            ..config()
        });
        server.allocate(HERE, ALICE);
        assert_eq!(server.bind(0x7FFF, PEER), code);
        assert_eq!(server.bind(0x8000, PEER), 400);
        assert_eq!(server.bind(0x3FFF, PEER), 400);
        if old_channels {
            assert_eq!(server.channel_data(0x7FFF, b"x"), to_peer(PEER, b"x"));
        }
    }
}

#[test]
fn a_peer_whose_channel_is_over_may_have_another_number() {
    for (first, second) in [(0x4000, 0x4001), (0x4001, 0x4000)] {
        let mut server = Server::with_allocation();
        server.refresh(&[Attr::Lifetime(3600)]);
        assert_eq!(server.bind(first, PEER), 200);
        server.advance(600 * SECOND);
        assert_eq!(server.bind(second, PEER), 200);
        let dropped = Reaction::Dropped(DropReason::NoChannel);
        assert_eq!(server.channel_data(first, b"x"), dropped);
        let message = server.receive_from_peer(PEER, b"x").message();
        assert_eq!(message[..2], second.to_be_bytes());
    }
}
