//! The paths that an unverified source or a busy call can take cost no heap.

use allocation_counter::measure;

use stun::message::METHOD_BINDING;

use super::*;

#[track_caller]
fn check(server: &mut Server, datagram: &[u8], expected: fn(&Action) -> bool) {
    let (source, now) = (HERE.parse().unwrap(), server.now);
    let mut action = Action::Pending;
    let heap = measure(|| {
        action = server
            .relay
            .handle_client(ListenerId(0), source, datagram, now);
    });
    assert!(expected(&action), "{action:?}");
    assert_eq!(heap.count_total, 0);
}

fn is_answer(action: &Action) -> bool {
    matches!(action, Action::Answer(_))
}

fn is_to_peer(action: &Action) -> bool {
    matches!(action, Action::ToPeer(_))
}

fn is_dropped(action: &Action) -> bool {
    matches!(action, Action::Dropped(_))
}

#[test]
fn checklist_01_answers_to_the_unverified_cost_no_heap() {
    let mut server = Server::new();
    let binding = fingerprinted(request(METHOD_BINDING, [1; 12], &[]));
    check(&mut server, &binding.raw, is_answer);
    let unknown = request(METHOD_BINDING, [1; 12], &[Attr::Raw(0x0003, &[0; 4])]);
    check(&mut server, &unknown.raw, is_answer);
    let unsigned = request(METHOD_ALLOCATE, [1; 12], &[Attr::Transport(17)]);
    check(&mut server, &unsigned.raw, is_answer);
    let wrong = server.signed(HERE, Login::new("alice", "wrong"), METHOD_ALLOCATE, &[]);
    check(&mut server, &wrong.raw, is_answer);
    let unknown = server.signed(HERE, Login::new("7:carol", "wrong"), METHOD_ALLOCATE, &[]);
    check(&mut server, &unknown.raw, is_answer);
    let stale = server.signed(HERE, ALICE, METHOD_ALLOCATE, &[]);
    server.advance(3600 * SECOND);
    check(&mut server, &stale.raw, is_answer);
    check(&mut server, b"\x16\xFE\xFD garbage", is_dropped);
    check(&mut server, &channel_data(0x4000, b"x"), is_dropped);
}

#[test]
fn data_costs_no_heap() {
    let mut server = Server::with_allocation();
    let mapped = "8.8.4.4:1";
    server.permit(&[mapped]);
    server.bind(0x4000, PEER);
    check(&mut server, &channel_data(0x4000, &[7; 1000]), is_to_peer);
    let attributes = [Attr::Peer(mapped), Attr::Raw(0x0013, &[7; 1000])];
    let send = send_indication([1; 12], &attributes);
    check(&mut server, &send, is_to_peer);

    let id = server.first();
    for peer in [PEER, mapped, "9.9.9.9:1"] {
        let (source, now) = (peer.parse().unwrap(), server.now.monotonic);
        let heap = measure(|| {
            let action = server.relay.handle_peer(id, source, &[7; 1000], now);
            let dropped = Action::Dropped(DropReason::NoPermission);
            assert_eq!(action == dropped, peer == "9.9.9.9:1");
        });
        assert_eq!(heap.count_total, 0, "{peer}");
    }
}
