//! No bytes make a relay panic, or answer more than it may.

use proptest::{collection::vec, prelude::*};

use super::*;

/// A datagram that looks like STUN from the outside.
fn stun_like() -> impl Strategy<Value = Vec<u8>> {
    let types = prop_oneof![
        Just(0x0001),
        Just(0x0003),
        Just(0x0004),
        Just(0x0006),
        Just(0x0008),
        Just(0x0009),
        Just(0x0016),
        0..0x4000_u16,
    ];
    let attributes = prop_oneof![
        Just(0x0006),
        Just(0x0008),
        Just(0x0012),
        Just(0x0013),
        Just(0x0014),
        Just(0x0015),
        Just(0x8028),
        any::<u16>(),
    ];
    let attribute = (attributes, vec(any::<u8>(), 0..30), any::<bool>());
    (types, vec(attribute, 0..8)).prop_map(|(typ, attributes)| {
        let mut datagram = vec![0; 20];
        datagram[..2].copy_from_slice(&typ.to_be_bytes());
        datagram[4..8].copy_from_slice(&[0x21, 0x12, 0xA4, 0x42]);
        for (attribute, value, lies) in attributes {
            let length = if lies { 0xFFF0 } else { value.len() as u16 };
            datagram.extend(attribute.to_be_bytes());
            datagram.extend(length.to_be_bytes());
            datagram.extend(value);
            datagram.resize(datagram.len().next_multiple_of(4), 0);
        }
        let length = (datagram.len() - 20) as u16;
        datagram[2..4].copy_from_slice(&length.to_be_bytes());
        datagram
    })
}

/// What is answered to who has not proved anything is at most three times what it sent.
fn check(server: &mut Server, datagram: &[u8]) {
    match server.receive(HERE, datagram) {
        Reaction::Success(reply) | Reaction::Error(_, reply) if !reply.verified => {
            assert!(server.relay.answer().len() <= 3 * datagram.len());
        }
        Reaction::ToPeer(_, data) => assert!(data.len() <= datagram.len()),
        Reaction::Success(_)
        | Reaction::Error(..)
        | Reaction::ToClient(..)
        | Reaction::Dropped(_)
        | Reaction::Elsewhere(_) => {}
    }
}

fn server() -> Server {
    let mut server = Server::with_allocation();
    server.bind(0x4000, PEER);
    server
}

proptest! {
    #[test]
    fn checklist_12_any_bytes_are_survived(datagram in vec(any::<u8>(), 0..200)) {
        check(&mut server(), &datagram);
    }

    #[test]
    fn checklist_12_anything_that_looks_like_stun_is_survived(datagram in stun_like()) {
        check(&mut server(), &datagram);
    }

    #[test]
    fn checklist_12_anything_signed_is_survived(
        datagram in stun_like(),
        nonce_is_good: bool,
        position: prop::sample::Index,
        flip: u8,
    ) {
        let mut server = server();
        let mut message = Message::new();
        if message.write(&datagram).is_ok() {
            let nonce = if nonce_is_good { server.nonce(HERE) } else { b"x".to_vec() };
            message.attributes.0.retain(|a| a.typ.value() != 0x8028 && a.typ.value() != 0x0008);
            message.encode();
            sign(&mut message, ALICE.name, ALICE.password, &nonce);
            check(&mut server, &message.raw);
            let at = position.index(message.raw.len());
            message.raw[at] ^= flip;
            check(&mut server, &message.raw);
        }
    }

    #[test]
    fn checklist_12_any_bytes_of_a_peer_are_survived(
        datagram in vec(any::<u8>(), 0..200),
        peer: SocketAddr,
        permitted: bool,
    ) {
        let mut server = server();
        let peer = if permitted { PEER.to_owned() } else { peer.to_string() };
        let reaction = server.receive_from_peer(&peer, &datagram);
        if permitted {
            prop_assert!(reaction.message().len() <= datagram.len() + 51);
        } else {
            prop_assert_eq!(reaction, Reaction::Dropped(DropReason::NoPermission));
        }
    }
}

#[test]
fn a_message_of_too_many_attributes_is_dropped() {
    let mut server = Server::new();
    let attributes = vec![Attr::Raw(0x8022, &[]); 257];
    let message = request(METHOD_ALLOCATE, [1; 12], &attributes);
    let dropped = Reaction::Dropped(DropReason::Malformed);
    assert_eq!(server.receive(HERE, &message.raw), dropped);
    let message = request(METHOD_ALLOCATE, [1; 12], &attributes[..256]);
    assert_eq!(code_of(&server.receive(HERE, &message.raw)), 401);
}
