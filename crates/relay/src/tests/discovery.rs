//! What a client finds out about its NAT, RFC 5780.

use stun::{addr::MappedAddress, message::METHOD_BINDING};

use super::*;
use crate::Discovery;

const CHANGE_REQUEST: u16 = 0x0003;
const PADDING: u16 = 0x0026;
const RESPONSE_PORT: u16 = 0x0027;

const LISTENERS: [&str; 8] = [
    "198.51.100.1:3478",
    "198.51.100.1:3479",
    "198.51.100.2:3478",
    "198.51.100.2:3479",
    "[2600::1]:3478",
    "[2600::1]:3479",
    "[2600::2]:3478",
    "[2600::2]:3479",
];

fn relay() -> Relay {
    let listeners = LISTENERS.map(address);
    let discovery = Discovery::among(&listeners).map(Arc::new);
    assert!(discovery.is_some());
    Relay::new(
        Config {
            discovery,
            ..config()
        },
        1,
    )
}

/// What is answered, from which listener, and to which port of the client.
#[track_caller]
fn ask(listener: u16, client: &str, attributes: &[Attr<'_>]) -> (Message, u16, u16) {
    let mut relay = relay();
    let request = request(METHOD_BINDING, [3; 12], attributes);
    let (listener, now) = (ListenerId(listener), Server::new().now);
    let action = relay.handle_client(listener, address(client), &request.raw, now);
    let Action::Answer(answer) = action else {
        panic!("{action:?}");
    };
    assert_eq!(answer.client.address.ip(), address(client).ip());
    let mut message = Message::new();
    message.write(relay.answer()).unwrap();
    let to = answer.client;
    (message, to.listener.0, to.address.port())
}

fn plain(message: &Message, attribute: u16) -> SocketAddr {
    let mut found = MappedAddress::default();
    found.get_from_as(message, AttrType(attribute)).unwrap();
    SocketAddr::new(found.ip, found.port)
}

#[test]
fn each_listener_tells_its_own_address_the_opposite_one_and_the_client_s_twice() {
    for (listener, client, other) in [(0, HERE, 3), (2, HERE, 1), (5, "[2600::9]:4000", 6)] {
        let (answer, from, port) = ask(listener, client, &[]);
        assert_eq!((from, port), (listener, address(client).port()));
        let reply = Reply {
            message: answer.clone(),
            verified: false,
        };
        assert_eq!(reply.mapped(), address(client));
        assert_eq!(plain(&answer, 0x0001), address(client));
        let origin = address(LISTENERS[usize::from(listener)]);
        assert_eq!(plain(&answer, 0x802B), origin);
        assert_eq!(plain(&answer, 0x802C), address(LISTENERS[other]));
    }
}

#[test]
fn a_change_request_is_answered_by_another_listener_which_says_so() {
    let change = |flags: u8| [0, 0, 0, flags];
    for (flags, from) in [(0, 0), (0b010, 1), (0b100, 2), (0b110, 3), (0b001, 0)] {
        let (answer, listener, port) = ask(0, HERE, &[Attr::Raw(CHANGE_REQUEST, &change(flags))]);
        assert_eq!((listener, port), (from, address(HERE).port()), "{flags}");
        let origin = address(LISTENERS[usize::from(from)]);
        assert_eq!(plain(&answer, 0x802B), origin);
        // Of the listener that was asked, not of the one that answers.
        assert_eq!(plain(&answer, 0x802C), address(LISTENERS[3]));
    }
}

#[test]
fn an_answer_goes_to_the_port_that_is_asked_for_and_to_no_other_address() {
    for value in [&[0x12, 0x34][..], &[0x12, 0x34, 0, 0]] {
        let (_, listener, port) = ask(1, HERE, &[Attr::Raw(RESPONSE_PORT, value)]);
        assert_eq!((listener, port), (1, 0x1234));
    }
}

#[test]
fn padding_is_answered_with_as_much_and_with_no_more_than_makes_fragments() {
    for (asked, given) in [(0, 0), (500, 500), (1500, 1500), (9000, 1500)] {
        let asked = vec![7; asked];
        let (answer, ..) = ask(0, HERE, &[Attr::Raw(PADDING, &asked)]);
        assert_eq!(answer.get(AttrType(PADDING)).unwrap().len(), given);
    }
}

#[test]
fn what_makes_no_sense_is_400_at_the_client_s_own_port() {
    let port = Attr::Raw(RESPONSE_PORT, &[0x12, 0x34]);
    let cases: [&[Attr<'_>]; 5] = [
        &[port, Attr::Raw(PADDING, &[0; 4])],
        &[Attr::Raw(RESPONSE_PORT, &[0, 0])],
        &[Attr::Raw(RESPONSE_PORT, &[1, 2, 3])],
        &[Attr::Raw(CHANGE_REQUEST, &[6])],
        &[Attr::Raw(CHANGE_REQUEST, &[])],
    ];
    for attributes in cases {
        let (answer, listener, to) = ask(0, HERE, attributes);
        assert_eq!(answer.get(AttrType(0x0009)).unwrap()[2..4], [4, 0]);
        assert_eq!((listener, to), (0, address(HERE).port()));
    }
}

#[test]
fn elsewhere_its_attributes_are_unknown() {
    let change = [Attr::Raw(CHANGE_REQUEST, &[0, 0, 0, 6])];
    // A listener of streams.
    let (answer, listener, _) = ask(8, HERE, &change);
    assert_eq!(answer.get(AttrType(0x0009)).unwrap()[2..4], [4, 20]);
    assert_eq!(answer.get(AttrType(0x000A)).unwrap(), [0, 3]);
    assert_eq!(listener, 8);
    assert!(!ask(8, HERE, &[]).0.contains(AttrType(0x802C)));
    // Another method.
    let mut server = Server::new();
    server.relay = relay();
    let attributes = [Attr::Transport(17), change[0]];
    let code = server.code(HERE, ALICE, METHOD_ALLOCATE, &attributes);
    assert_eq!(code, 420);
    server.allocate(HERE, ALICE);
    let send = send_indication(
        [1; 12],
        &[Attr::Peer(PEER), Attr::Raw(0x0013, b"x"), change[0]],
    );
    let dropped = Reaction::Dropped(DropReason::UnknownAttribute);
    assert_eq!(server.receive(HERE, &send), dropped);
}
