//! Allocations that clients take along, RFC 8016.

mod paths;

use super::*;
use crate::{Listed, Mobility, Page, Transport, output::Moved};

const THERE: &str = "192.0.2.77:4077";
const FARTHER: &str = "203.0.113.9:9";
const TICKET: u16 = 0x8030;
const WISH: Attr<'_> = Attr::Raw(TICKET, &[]);

fn mobility() -> Mobility {
    Mobility::new(&[5; 32], 0)
}

fn server() -> Server {
    let mut server = Server::new();
    server.relay = Relay::new(config(), 1).with_mobility(mobility());
    server
}

/// With alice's allocation from [`HERE`], a channel to [`PEER`], and her ticket.
fn with_ticket() -> (Server, Vec<u8>) {
    let mut server = server();
    let ticket = server.allocate_with(HERE, ALICE, &[WISH]).get(TICKET);
    assert_eq!(server.bind(0x4000, PEER), 200);
    (server, ticket)
}

fn show(server: &mut Server, client: &str, login: Login, ticket: &[u8]) -> Reaction {
    let attributes = [Attr::Raw(TICKET, ticket)];
    server.ask(client, login, METHOD_REFRESH, &attributes)
}

#[track_caller]
fn move_to(server: &mut Server, client: &str, ticket: &[u8]) -> Vec<u8> {
    show(server, client, ALICE, ticket).success().get(TICKET)
}

/// Where the peer's data goes.
#[track_caller]
fn serves(server: &mut Server) -> String {
    let reaction = server.receive_from_peer(PEER, b"to whom?");
    let Reaction::ToClient(client, message) = reaction else {
        panic!("{reaction:?}");
    };
    assert_eq!(message, channel_data(0x4000, b"to whom?"));
    client
}

#[track_caller]
fn sends_from(server: &mut Server, client: &str) {
    let reaction = server.receive(client, &channel_data(0x4000, b"data"));
    assert_eq!(reaction, to_peer(PEER, b"data"));
}

#[track_caller]
fn is_nobody(server: &mut Server, client: &str) {
    let reaction = server.receive(client, &channel_data(0x4000, b"data"));
    assert_eq!(reaction, Reaction::Dropped(DropReason::NoAllocation));
}

fn client(at: &str) -> Client {
    Client {
        listener: ListenerId(0),
        address: address(at),
    }
}

#[test]
fn both_5_tuples_work_until_data_comes_from_the_new_one_and_then_that_alone() {
    let (mut server, ticket) = with_ticket();
    let next = move_to(&mut server, THERE, &ticket);
    assert_ne!(next, ticket);
    assert_eq!(serves(&mut server), HERE);
    sends_from(&mut server, HERE);
    assert_eq!(serves(&mut server), HERE);
    assert_eq!(server.wanted, []);
    sends_from(&mut server, THERE);
    assert_eq!(serves(&mut server), THERE);
    is_nobody(&mut server, HERE);
    let [Output::Moved(moved)] = &server.wanted[..] else {
        panic!("{:?}", server.wanted);
    };
    assert_eq!((moved.from, moved.to), (client(HERE), client(THERE)));
    assert_eq!(moved.allocation, server.first());
    // Nothing was opened or closed on the way: quotas are untouched.
    assert_eq!((server.opened.len(), server.closed.len()), (1, 0));
}

#[test]
fn a_send_indication_or_a_request_proves_the_new_5_tuple_as_well() {
    let peers = [Attr::Peer(PEER)];
    let proofs: [fn(&mut Server) -> bool; 3] = [
        |server| {
            let send = [Attr::Peer(PEER), Attr::Raw(0x0013, b"x")];
            let datagram = send_indication([7; 12], &send);
            server.receive(THERE, &datagram) == to_peer(PEER, b"x")
        },
        |server| server.code(THERE, ALICE, METHOD_CREATE_PERMISSION, &[Attr::Peer(PEER)]) == 200,
        |server| server.code(THERE, ALICE, METHOD_REFRESH, &[]) == 200,
    ];
    for prove in proofs {
        let (mut server, ticket) = with_ticket();
        move_to(&mut server, THERE, &ticket);
        assert_eq!(serves(&mut server), HERE);
        assert!(prove(&mut server));
        assert_eq!(serves(&mut server), THERE);
        let code = server.code(HERE, ALICE, METHOD_CREATE_PERMISSION, &peers);
        assert_eq!(code, 437);
    }
}

#[test]
fn a_retransmitted_move_is_answered_alike_and_proves_nothing() {
    let (mut server, ticket) = with_ticket();
    let attributes = [Attr::Raw(TICKET, &ticket)];
    let refresh = server.signed(THERE, ALICE, METHOD_REFRESH, &attributes);
    server.receive(THERE, &refresh.raw);
    let first = server.relay.answer().to_vec();
    server.receive(THERE, &refresh.raw);
    assert_eq!(server.relay.answer(), first);
    assert_eq!(serves(&mut server), HERE);
}

#[test]
fn who_moves_again_without_the_last_answer_may_and_older_tickets_are_over() {
    let (mut server, first) = with_ticket();
    // Its answer is lost, and so is the new network.
    let second = move_to(&mut server, THERE, &first);
    assert_eq!(move_to(&mut server, FARTHER, &first), second);
    is_nobody(&mut server, THERE);
    sends_from(&mut server, FARTHER);
    let third = move_to(&mut server, THERE, &second);
    show(&mut server, HERE, ALICE, &first).error(437);
    sends_from(&mut server, THERE);
    show(&mut server, HERE, ALICE, &first).error(437);
    let fourth = move_to(&mut server, HERE, &third);
    sends_from(&mut server, HERE);
    show(&mut server, HERE, ALICE, &second).error(437);
    assert_eq!(serves(&mut server), HERE);
    for ticket in [&first, &second, &third] {
        assert_ne!(&fourth, ticket);
    }
}

#[test]
fn checklist_07_a_ticket_of_another_user_is_441_and_moves_nothing() {
    let (mut server, ticket) = with_ticket();
    show(&mut server, THERE, BOB, &ticket).error(441);
    is_nobody(&mut server, THERE);
    assert_eq!(serves(&mut server), HERE);
    move_to(&mut server, THERE, &ticket);
    // Nor may another use the new 5-tuple.
    let peers = [Attr::Peer(PEER)];
    let code = server.code(THERE, BOB, METHOD_CREATE_PERMISSION, &peers);
    assert_eq!(code, 441);
    assert_eq!(serves(&mut server), HERE);
}

#[test]
fn a_ticket_that_is_not_good_is_437() {
    let (mut server, ticket) = with_ticket();
    let id = server.first();
    let foreign = Mobility::new(&[6; 32], 0).seal(id, 0);
    let early = mobility().seal(id, 2);
    let mut changed = ticket.clone();
    changed[3] ^= 1;
    for bad in [&foreign, &early, &changed, &ticket[1..].to_vec()] {
        show(&mut server, THERE, ALICE, bad).error(437);
        show(&mut server, HERE, ALICE, bad).error(437);
    }
    is_nobody(&mut server, THERE);
    // An allocation whose client did not ask for tickets has none.
    server.allocate(FARTHER, ALICE);
    let others = server.sockets.keys().map(|(id, _)| *id);
    let other = others.into_iter().find(|other| *other != id).unwrap();
    let ticket = mobility().seal(other, 0);
    show(&mut server, THERE, ALICE, &ticket).error(437);
}

#[test]
fn a_ticket_is_over_with_its_allocation() {
    let (mut server, ticket) = with_ticket();
    let next = move_to(&mut server, THERE, &ticket);
    assert_eq!(server.refresh(&[Attr::Lifetime(0)]).success().lifetime(), 0);
    assert_eq!(server.relay.allocations(), 0);
    is_nobody(&mut server, THERE);
    // The place may be another's.
    server.allocate_with(HERE, ALICE, &[WISH]);
    for old in [&ticket, &next] {
        show(&mut server, THERE, ALICE, old).error(437);
    }
    // Both 5-tuples are free.
    server.allocate(THERE, ALICE);

    let (mut server, ticket) = with_ticket();
    server.advance(600 * SECOND);
    show(&mut server, THERE, ALICE, &ticket).error(437);
}

#[test]
fn a_move_may_end_the_allocation_and_prolongs_it_otherwise() {
    let (mut server, ticket) = with_ticket();
    server.advance(599 * SECOND);
    move_to(&mut server, THERE, &ticket);
    server.advance(599 * SECOND);
    let attributes = [Attr::Raw(TICKET, &ticket), Attr::Lifetime(0)];
    let reply = server.ask(FARTHER, ALICE, METHOD_REFRESH, &attributes);
    assert!(!reply.success().contains(TICKET));
    assert_eq!(server.relay.allocations(), 0);
    assert_eq!(server.closed.len(), 1);
    is_nobody(&mut server, THERE);
    is_nobody(&mut server, HERE);
}

#[test]
fn a_5_tuple_with_an_allocation_takes_no_other() {
    let (mut server, ticket) = with_ticket();
    server.allocate(THERE, ALICE);
    show(&mut server, THERE, ALICE, &ticket).error(437);
    assert_eq!(server.relay.allocations(), 2);
    // One that is over is no obstacle, whether or not it was taken away.
    let (mut server, ticket) = with_ticket();
    server.allocate(THERE, ALICE);
    server.advance(599 * SECOND);
    server.refresh(&[]).success();
    server.advance(2 * SECOND);
    server.bind(0x4000, PEER);
    move_to(&mut server, THERE, &ticket);
    sends_from(&mut server, THERE);
    server.handle_timeout();
    assert_eq!(serves(&mut server), THERE);
}

#[test]
fn a_5_tuple_is_the_same_however_it_is_written() {
    let (mut server, ticket) = with_ticket();
    let written_otherwise = format!("[::ffff:{}]:{}", address(HERE).ip(), address(HERE).port());
    move_to(&mut server, &written_otherwise, &ticket);
    sends_from(&mut server, HERE);
    assert_eq!(server.wanted, []);
    assert_eq!(serves(&mut server), HERE);
    sends_from(&mut server, HERE);
}

#[test]
fn a_ticket_from_the_same_5_tuple_refreshes_and_takes_a_move_back() {
    let (mut server, ticket) = with_ticket();
    move_to(&mut server, THERE, &ticket);
    let next = move_to(&mut server, HERE, &ticket);
    assert_ne!(next, ticket);
    is_nobody(&mut server, THERE);
    sends_from(&mut server, HERE);
    assert_eq!(serves(&mut server), HERE);
    assert_eq!(server.wanted, []);
}

#[test]
fn where_it_is_off_a_wish_and_a_ticket_are_405_and_nothing_is_made() {
    let mut server = Server::new();
    let attributes = [Attr::Transport(17), WISH];
    assert_eq!(server.code(HERE, ALICE, METHOD_ALLOCATE, &attributes), 405);
    assert_eq!(server.opened, []);
    let reply = server.allocate_with(HERE, ALICE, &[]);
    assert!(!reply.contains(TICKET));
    show(&mut server, HERE, ALICE, &[1; 30]).error(405);
    show(&mut server, THERE, ALICE, &[1; 30]).error(405);
    // Who does not ask is given none where it is on.
    let mut server = self::server();
    assert!(!server.allocate_with(HERE, ALICE, &[]).contains(TICKET));
}

#[test]
fn who_comes_by_a_stream_or_by_dtls_is_given_no_ticket_and_moves_nothing() {
    let (mut server, ticket) = with_ticket();
    for transport in [Transport::Tcp, Transport::Tls, Transport::Dtls] {
        server.relay.handle_config(Config {
            transports: [transport].into(),
            ..config()
        });
        show(&mut server, THERE, ALICE, &ticket).error(405);
        let attributes = [Attr::Transport(17), WISH];
        assert_eq!(server.code(THERE, ALICE, METHOD_ALLOCATE, &attributes), 405);
    }
}

#[test]
fn a_wish_with_a_value_is_400_and_a_retransmitted_allocate_has_the_same_ticket() {
    let mut server = server();
    let attributes = [Attr::Transport(17), Attr::Raw(TICKET, &[1; 30])];
    assert_eq!(server.code(HERE, ALICE, METHOD_ALLOCATE, &attributes), 400);
    let attributes = [Attr::Transport(17), WISH];
    let allocate = server.signed(HERE, ALICE, METHOD_ALLOCATE, &attributes);
    server.receive(HERE, &allocate.raw);
    let first = server.relay.answer().to_vec();
    server.receive(HERE, &allocate.raw);
    assert_eq!(server.relay.answer(), first);
}

#[test]
fn a_ticket_of_another_thread_s_relay_sends_the_packet_there() {
    let (mut server, ticket) = with_ticket();
    let mut other = Server::new();
    other.relay = Relay::new(config(), 2).with_mobility(Mobility::new(&[5; 32], 1));
    let attributes = [Attr::Raw(TICKET, &ticket)];
    let refresh = other.signed(THERE, ALICE, METHOD_REFRESH, &attributes);
    let (listener, now) = (ListenerId(0), other.now);
    let mut hand_in = |datagram: &[u8]| {
        other
            .relay
            .handle_client(listener, address(THERE), datagram, now)
    };
    let home = Home {
        thread: 0,
        allocation: server.first(),
    };
    assert_eq!(hand_in(&refresh.raw), Action::Elsewhere(home));
    // Nobody can have packets sent about without a password.
    let mut forged = refresh.raw.clone();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    assert!(matches!(hand_in(&forged), Action::Answer(answer) if !answer.verified));
    server.receive(THERE, &refresh.raw).success();
    sends_from(&mut server, THERE);
}

#[test]
fn an_operator_sees_and_ends_who_has_moved() {
    let (mut server, ticket) = with_ticket();
    move_to(&mut server, THERE, &ticket);
    sends_from(&mut server, THERE);
    let page = Page {
        limit: 9,
        ..Page::default()
    };
    let listed = server.relay.list(page, server.now.monotonic);
    let clients: Vec<Client> = listed.iter().map(|Listed { client, .. }| *client).collect();
    assert_eq!(clients, [client(THERE)]);
    let next = mobility().seal(server.first(), 1);
    move_to(&mut server, FARTHER, &next);
    let until = server.now.unix + 60;
    assert_eq!(server.relay.handle_kick("alice", until, server.now), 1);
    assert_eq!(server.carry_out(Action::Pending), Action::Pending);
    assert_eq!(server.closed[0].client, client(THERE));
    for gone in [HERE, THERE, FARTHER] {
        is_nobody(&mut server, gone);
    }
}

#[test]
fn however_often_one_moves_there_are_two_5_tuples_at_most() {
    let (mut server, mut ticket) = with_ticket();
    for n in 0..1000_u16 {
        let there = format!("198.18.0.1:{}", 1000 + n);
        ticket = move_to(&mut server, &there, &ticket);
        if n % 3 == 0 {
            sends_from(&mut server, &there);
        }
        assert!(server.relay.allocations.five_tuples() <= 2);
    }
    let moves = server.wanted.iter().filter(
        |output| matches!(output, Output::Moved(Moved { user, .. }) if user.as_str() == "alice"),
    );
    assert_eq!(moves.count(), 334);
    server.advance(601 * SECOND);
    server.handle_timeout();
    assert_eq!(server.relay.allocations.five_tuples(), 0);
}

#[test]
fn what_only_has_the_address_of_a_client_that_moves_moves_nothing() {
    let (mut server, ticket) = with_ticket();
    move_to(&mut server, THERE, &ticket);
    let unbound = channel_data(0x4001, b"");
    let reaction = server.receive(THERE, &unbound);
    assert_eq!(reaction, Reaction::Dropped(DropReason::NoChannel));
    let stranger = {
        let attributes = [Attr::Peer("9.9.9.9:9"), Attr::Raw(0x0013, b"data")];
        server.receive(THERE, &send_indication([7; 12], &attributes))
    };
    assert_eq!(stranger, Reaction::Dropped(DropReason::NoPermission));
    assert_eq!(serves(&mut server), HERE);
    sends_from(&mut server, HERE);
    sends_from(&mut server, THERE);
    assert_eq!(serves(&mut server), THERE);
}
