//! EVEN-PORT and RESERVATION-TOKEN, RFC 8656 §7.2, as far as they are not the caller's: ports are.

use super::*;

const ELSEWHERE: &str = "192.0.2.99:4000";
const BOTH: Attr<'_> = Attr::Raw(0x0018, &[0x80]);

fn allocate(server: &mut Server, client: &str, login: Login, more: &[Attr<'_>]) -> Reaction {
    let attributes = [&[Attr::Transport(17)], more].concat();
    server.ask(client, login, METHOD_ALLOCATE, &attributes)
}

#[test]
fn defect_14_an_even_port_is_asked_for_and_the_next_one_with_its_bit_alone() {
    for (value, port) in [
        (&[0x00][..], Some(Port::Even)),
        (&[0x7F], Some(Port::Even)),
        (&[0x80], Some(Port::EvenAndNext)),
        (&[0xFF], Some(Port::EvenAndNext)),
        (&[], None),
        (&[0, 0], None),
    ] {
        let mut server = Server::new();
        let reaction = allocate(&mut server, HERE, ALICE, &[Attr::Raw(0x0018, value)]);
        let ports: Vec<Port> = server.opened.iter().map(|open| open.port).collect();
        assert_eq!(ports, Vec::from_iter(port), "{value:?}");
        let Some(port) = port else {
            assert_eq!(code_of(&reaction), 400, "{value:?}");
            continue;
        };
        let reply = reaction.success();
        assert_eq!(reply.relayed().port() % 2, 0, "{value:?}");
        assert_eq!(reply.contains(0x0022), port == Port::EvenAndNext);
    }
}

#[test]
fn defect_14_a_token_gets_the_next_port_from_another_5_tuple_once() {
    let mut server = Server::new();
    let reply = server.allocate_with(HERE, ALICE, &[BOTH]);
    let (first, token) = (reply.relayed(), reply.get(0x0022));
    assert_eq!(token.len(), 8);
    let with_token = [Attr::Raw(0x0022, &token)];
    let second = server.allocate_with(ELSEWHERE, ALICE, &with_token);
    assert_eq!(second.relayed().ip(), first.ip());
    assert_eq!(second.relayed().port(), first.port() + 1);
    assert!(!second.contains(0x0022));
    let again = allocate(&mut server, "192.0.2.98:1", ALICE, &with_token);
    assert_eq!(code_of(&again), 508);
    assert_eq!(server.relay.allocations(), 2);
}

#[test]
fn a_retransmission_is_told_the_same_token() {
    let mut server = Server::new();
    let attributes = [Attr::Transport(17), BOTH];
    let request = server.signed(HERE, ALICE, METHOD_ALLOCATE, &attributes);
    server.receive(HERE, &request.raw);
    let first = server.relay.answer().to_vec();
    server.receive(HERE, &request.raw);
    assert_eq!(server.relay.answer(), first);
    assert_eq!(server.reserved.len(), 1);
}

#[test]
fn defect_15_a_token_that_nobody_was_given_is_508_and_one_of_a_wrong_length_400() {
    let mut server = Server::new();
    for (token, code) in [
        (&[0; 8][..], 508),
        (&[0xFF; 8], 508),
        (&[0; 7], 400),
        (&[0; 9], 400),
        (&[], 400),
    ] {
        let reaction = allocate(&mut server, HERE, ALICE, &[Attr::Raw(0x0022, token)]);
        assert_eq!(code_of(&reaction), code, "{token:?}");
    }
    assert_eq!(server.relay.allocations(), 0);
}

#[test]
fn a_token_of_another_user_is_508_and_stays_good() {
    let mut server = Server::new();
    let token = server.allocate_with(HERE, ALICE, &[BOTH]).get(0x0022);
    let with_token = [Attr::Raw(0x0022, &token)];
    let reaction = allocate(&mut server, ELSEWHERE, BOB, &with_token);
    assert_eq!(code_of(&reaction), 508);
    server.allocate_with(ELSEWHERE, ALICE, &with_token);
}

#[test]
fn a_token_of_a_family_that_the_relay_has_not_is_508() {
    let mut server = Server::new();
    let attributes = [Attr::Family(2), BOTH];
    let token = server.allocate_with(HERE, ALICE, &attributes).get(0x0022);
    server.relay.handle_config(Config {
        ipv6: RelayedFamily::None,
        ..config()
    });
    let with_token = [Attr::Raw(0x0022, &token)];
    let reaction = allocate(&mut server, ELSEWHERE, ALICE, &with_token);
    assert_eq!(code_of(&reaction), 508);
    server.relay.handle_config(config());
    let reply = server.allocate_with(ELSEWHERE, ALICE, &with_token);
    assert!(reply.relayed().is_ipv6());
}

#[test]
fn a_token_says_all_of_the_port_and_nothing_else_may() {
    let token = Attr::Raw(0x0022, &[0; 8]);
    for other in [
        Attr::Raw(0x0018, &[0]),
        Attr::Raw(0x0018, &[0x80]),
        Attr::Family(1),
        Attr::Family(2),
        Attr::Raw(0x8000, &[2, 0, 0, 0]),
    ] {
        let mut server = Server::new();
        let reaction = allocate(&mut server, HERE, ALICE, &[token, other]);
        assert_eq!(code_of(&reaction), 400, "{other:?}");
        assert_eq!(server.opened, []);
    }
}

#[test]
fn elsewhere_than_in_an_allocate_these_attributes_mean_nothing() {
    let mut server = Server::with_allocation();
    let others = [BOTH, Attr::Raw(0x0022, &[0; 8]), Attr::Raw(0x001A, &[])];
    assert_eq!(code_of(&server.refresh(&others)), 200);
}
