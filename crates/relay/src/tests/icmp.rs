//! ICMP errors of peers, RFC 8656 §11.5.

use stun::message::METHOD_DATA;
use turn::proto::peeraddr::PeerAddress;

use super::*;
use crate::{Icmp, Limits};

const PEER6: &str = "[2600::1]:9";

fn icmp(kind: u8, code: u8, mtu: u32) -> Icmp {
    Icmp { kind, code, mtu }
}

/// The peer and the value of ICMP that [`HERE`] is told, or why it is told nothing.
fn told(server: &mut Server, peer: &str, icmp: Icmp) -> Result<(SocketAddr, Vec<u8>), DropReason> {
    let (id, now) = (server.first(), server.now.monotonic);
    let action = server.relay.handle_icmp(id, address(peer), icmp, now);
    if let Action::Dropped(reason) = action {
        return Err(reason);
    }
    let client = Client {
        listener: ListenerId(0),
        address: address(HERE),
    };
    assert_eq!(action, Action::Indication(client));
    Ok(read(server.relay.answer()))
}

fn read(indication: &[u8]) -> (SocketAddr, Vec<u8>) {
    let mut message = Message::new();
    message.write(indication).unwrap();
    assert_eq!(message.typ.method, METHOD_DATA);
    assert!(!message.contains(AttrType(0x0013)), "DATA");
    let mut peer = PeerAddress::default();
    peer.get_from(&message).unwrap();
    let icmp = message.get(AttrType(0x8004)).unwrap();
    (SocketAddr::new(peer.ip, peer.port), icmp)
}

/// Allocations of both families, with permissions for both peers.
fn server() -> Server {
    let mut server = Server::new();
    let both = [Attr::Raw(0x8000, &[2, 0, 0, 0])];
    server.allocate_with(HERE, ALICE, &both);
    assert_eq!(server.bind(0x4000, PEER), 200);
    assert_eq!(server.bind(0x4001, PEER6), 200);
    server
}

#[test]
fn defect_20_a_client_is_told_of_what_its_peer_s_host_or_the_way_to_it_answers() {
    let mut server = server();
    for (peer, message, value) in [
        (PEER, icmp(3, 3, 0), [6, 3, 0, 0, 0, 0]),
        (PEER, icmp(3, 4, 1280), [6, 4, 0, 0, 5, 0]),
        (PEER, icmp(3, 1, 77), [6, 1, 0, 0, 0, 0]),
        (PEER, icmp(11, 0, 77), [22, 0, 0, 0, 0, 0]),
        (PEER6, icmp(1, 4, 77), [2, 4, 0, 0, 0, 0]),
        (PEER6, icmp(2, 0, 1280), [4, 0, 0, 0, 5, 0]),
        (PEER6, icmp(3, 0, 77), [6, 0, 0, 0, 0, 0]),
    ] {
        let expected = [&[0, 0], &value[..]].concat();
        assert_eq!(
            told(&mut server, peer, message),
            Ok((address(peer), expected))
        );
    }
    // It was none of the peer's data.
    let traffic = server.relay.traffic(server.first()).unwrap();
    assert_eq!(traffic.packets_to_client, 0);
}

#[test]
fn of_other_types_and_of_who_is_no_peer_it_is_not() {
    let mut server = server();
    for (peer, kind) in [
        (PEER, 0),
        (PEER, 4),
        (PEER, 5),
        (PEER, 12),
        (PEER6, 4),
        (PEER6, 129),
    ] {
        let told = told(&mut server, peer, icmp(kind, 0, 0));
        assert_eq!(told, Err(DropReason::IcmpType), "{peer} {kind}");
    }
    let told = |server: &mut Server, peer: &str| told(server, peer, icmp(3, 3, 0)).unwrap_err();
    assert_eq!(
        told(&mut server, "203.0.113.200:9"),
        DropReason::NoPermission
    );
    server.advance(600 * SECOND);
    assert_eq!(told(&mut server, PEER), DropReason::NoAllocation);
}

#[test]
fn nobody_is_told_more_often_than_the_allocation_may_have_packets() {
    let mut server = server();
    let limits = Limits {
        packets_per_second: 10,
        ..Limits::default()
    };
    server.relay.handle_config(Config { limits, ..config() });
    let outcomes: Vec<_> = (0..20)
        .map(|_| told(&mut server, PEER, icmp(3, 3, 0)))
        .collect();
    assert_eq!(outcomes.iter().filter(|told| told.is_ok()).count(), 10);
    assert_eq!(outcomes[19], Err(DropReason::PacketRate));
}
