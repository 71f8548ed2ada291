//! Where clients move from, and to.

use super::*;

#[test]
fn a_client_moves_from_one_family_to_the_other_and_its_relayed_address_stays() {
    let (mut server, ticket) = with_ticket();
    let six = "[2001:db8::77]:4077";
    let next = move_to(&mut server, six, &ticket);
    sends_from(&mut server, six);
    assert_eq!(serves(&mut server), six);
    is_nobody(&mut server, HERE);
    // And back.
    move_to(&mut server, HERE, &next);
    sends_from(&mut server, HERE);
    assert_eq!(serves(&mut server), HERE);
    is_nobody(&mut server, six);
}

#[test]
fn a_client_moves_from_one_listener_to_another() {
    let (mut server, ticket) = with_ticket();
    let attributes = [Attr::Raw(TICKET, &ticket)];
    let refresh = server.signed(HERE, ALICE, METHOD_REFRESH, &attributes);
    let (other, now) = (ListenerId(1), server.now);
    let action = server
        .relay
        .handle_client(other, address(HERE), &refresh.raw, now);
    assert!(matches!(action, Action::Answer(answer) if answer.error.is_none()));
    let data = channel_data(0x4000, b"data");
    let action = server.relay.handle_client(other, address(HERE), &data, now);
    assert!(matches!(action, Action::ToPeer(_)), "{action:?}");
    // The same address at the listener that it came to first is nobody's now.
    is_nobody(&mut server, HERE);
}
