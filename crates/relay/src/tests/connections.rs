//! TCP connections with peers, RFC 6062.

use ipnet::IpNet;
use stun::message::{METHOD_CONNECT, METHOD_CONNECTION_BIND};

use super::{
    denied_peers::{DENIED_IPV4, DENIED_IPV6, encodings},
    *,
};
use crate::{Bind, Connect, ConnectFailure, ConnectionId, Limits, PeerPolicy, Protocol, Transport};

const CONNECTION_ID: u16 = 0x002A;

/// Another connection of the same client.
const DATA: &str = "192.0.2.10:4001";

fn tcp_config() -> Config {
    Config {
        tcp_peers: true,
        transports: [Transport::Tcp].into(),
        ..config()
    }
}

/// One where alice has an allocation of TCP.
fn server() -> Server {
    server_with(tcp_config())
}

fn server_with(config: Config) -> Server {
    let mut server = Server::with(config);
    let code = server.code(HERE, ALICE, METHOD_ALLOCATE, &[Attr::Transport(6)]);
    assert_eq!(code, 200);
    assert_eq!(server.opened[0].protocol, Protocol::Tcp);
    server
}

/// Asks for what the caller has to do, and gives what that is.
#[track_caller]
fn want(
    server: &mut Server,
    client: &str,
    method: StunMethod,
    attributes: &[Attr<'_>],
) -> Option<Output> {
    let message = server.signed(client, ALICE, method, attributes);
    let (listener, source, now) = (ListenerId(0), address(client), server.now);
    let action = server
        .relay
        .handle_client(listener, source, &message.raw, now);
    let action = server.carry_out(action);
    assert_eq!(action, Action::Pending);
    server.wanted.pop()
}

#[track_caller]
fn connect(server: &mut Server, peer: &str) -> Connect {
    match want(server, HERE, METHOD_CONNECT, &[Attr::Peer(peer)]) {
        Some(Output::Connect(connect)) => connect,
        other => panic!("{other:?}"),
    }
}

fn refused(server: &mut Server, peer: &str) -> u16 {
    server.code(HERE, ALICE, METHOD_CONNECT, &[Attr::Peer(peer)])
}

#[test]
fn checklist_08_each_connect_counts_as_a_new_peer() {
    let mut server = server_with(Config {
        limits: Limits {
            new_peers_per_second: 1,
            ..Limits::default()
        },
        ..tcp_config()
    });
    // Ports of one host: who looks for what listens there needs one for each.
    for port in 1..=10 {
        connect(&mut server, &format!("8.8.8.8:{port}"));
    }
    assert_eq!(refused(&mut server, "8.8.8.8:11"), 403);
    assert_eq!(server.relay.new_peers_refused(), 1);
    server.advance(SECOND);
    connect(&mut server, "8.8.8.8:11");
    assert_eq!(refused(&mut server, "8.8.8.8:12"), 403);
}

#[track_caller]
fn bind(server: &mut Server, id: u32) -> Bind {
    let id = id.to_be_bytes();
    let attributes = [Attr::Raw(CONNECTION_ID, &id)];
    match want(server, DATA, METHOD_CONNECTION_BIND, &attributes) {
        Some(Output::Bind(bind)) => bind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_allocation_of_tcp_is_for_streams_and_asks_for_nothing_else() {
    let allocate = |config: Config, more: &[Attr<'_>]| {
        let attributes = [&[Attr::Transport(6)], more].concat();
        Server::with(config).code(HERE, ALICE, METHOD_ALLOCATE, &attributes)
    };
    assert_eq!(allocate(tcp_config(), &[]), 200);
    let over_udp = Config {
        transports: [Transport::Udp].into(),
        ..tcp_config()
    };
    assert_eq!(allocate(over_udp, &[]), 400);
    let without = Config {
        tcp_peers: false,
        ..tcp_config()
    };
    assert_eq!(allocate(without, &[]), 442);
    for more in [
        Attr::Raw(0x0018, &[0]),
        Attr::Raw(0x0018, &[0x80]),
        Attr::Raw(0x0022, &[1; 8]),
        Attr::Raw(0x001A, &[]),
    ] {
        assert_eq!(allocate(tcp_config(), &[more]), 400, "{more:?}");
    }
}

#[test]
fn a_connect_is_answered_when_the_caller_knows_how_it_went() {
    let mut server = server();
    let wanted = connect(&mut server, PEER);
    assert_eq!(wanted.peer, address(PEER));
    assert_eq!(wanted.allocation, server.first());
    let outcome = Ok(ConnectionId(0x0102_0304));
    let action = server.relay.handle_connected(wanted.connect, outcome);
    let reply = server.reaction(action, b"").success();
    assert_eq!(reply.get(CONNECTION_ID), [1, 2, 3, 4]);
    for (failure, code) in [
        (ConnectFailure::AlreadyExists, 446),
        (ConnectFailure::TimeoutOrFailure, 447),
        (ConnectFailure::InsufficientCapacity, 508),
    ] {
        let wanted = connect(&mut server, PEER);
        let action = server.relay.handle_connected(wanted.connect, Err(failure));
        assert_eq!(code_of(&server.reaction(action, b"")), code);
        // It has been answered.
        let again = server.relay.handle_connected(wanted.connect, Err(failure));
        assert_eq!(again, Action::Dropped(DropReason::NoAllocation));
    }
}

#[test]
fn a_connect_is_for_an_allocation_of_tcp_and_its_owner() {
    let mut server = server();
    let peer = [Attr::Peer(PEER)];
    assert_eq!(server.code(HERE, ALICE, METHOD_CONNECT, &[]), 400);
    assert_eq!(server.code(HERE, BOB, METHOD_CONNECT, &peer), 441);
    assert_eq!(server.code(DATA, ALICE, METHOD_CONNECT, &peer), 437);
    assert_eq!(refused(&mut server, "[2600::1]:1"), 443);
    server.allocate(DATA, ALICE);
    assert_eq!(server.code(DATA, ALICE, METHOD_CONNECT, &peer), 437);
    assert!(server.wanted.is_empty());
}

#[test]
fn checklist_04_a_connect_reaches_no_denied_address_in_any_encoding() {
    let mut server = server();
    for ip in DENIED_IPV4 {
        assert_eq!(refused(&mut server, &format!("{ip}:80")), 403, "{ip}");
        for encoding in encodings(ip.parse().unwrap()) {
            let peer = format!("[{encoding}]:80");
            assert_eq!(refused(&mut server, &peer), 403, "{peer}");
        }
    }
    for ip in DENIED_IPV6 {
        assert_eq!(refused(&mut server, &format!("[{ip}]:80")), 403, "{ip}");
    }
    connect(&mut server, PEER);
}

#[test]
fn checklist_05_a_connect_reaches_nothing_of_this_host_s() {
    let own = "10.0.0.9".parse().unwrap();
    let policy = PeerPolicy::default()
        .allow(["10.1.0.0/16".parse::<IpNet>().unwrap()])
        .allow_own_hosts([own])
        .deny_sockets([address("10.1.0.1:8082")]);
    let mut server = server_with(Config {
        peer_policy: Arc::new(policy),
        ..tcp_config()
    });
    for peer in [
        "127.0.0.1:80",
        "169.254.169.254:80",
        "10.0.0.1:80",
        "10.0.0.9:80",
        "10.1.0.1:8082",
        "[::ffff:10.0.0.1]:80",
        "[64:ff9b::a00:1]:80",
        "[::1]:80",
    ] {
        assert_eq!(refused(&mut server, peer), 403, "{peer}");
    }
    // Over UDP, this host's own is open.
    assert_eq!(server.permit(&["10.0.0.9:80"]), 200);
    connect(&mut server, "10.1.0.1:80");
    connect(&mut server, PEER);
}

#[test]
fn of_an_allocation_that_ended_no_connect_is_answered() {
    let mut server = server();
    let wanted = connect(&mut server, PEER);
    server.advance(600 * SECOND);
    server.handle_timeout();
    assert_eq!(server.closed.len(), 1);
    let outcome = Ok(ConnectionId(1));
    let action = server.relay.handle_connected(wanted.connect, outcome);
    assert_eq!(action, Action::Dropped(DropReason::NoAllocation));
}

#[test]
fn a_client_is_told_of_a_peer_that_has_a_permission() {
    let mut server = server();
    let incoming = |server: &mut Server, peer: &str| {
        let (id, now) = (server.first(), server.now.monotonic);
        server
            .relay
            .handle_incoming(id, address(peer), ConnectionId(7), now)
    };
    let dropped = Action::Dropped(DropReason::NoPermission);
    assert_eq!(incoming(&mut server, PEER), dropped);
    assert_eq!(server.permit(&[PEER]), 200);
    let action = incoming(&mut server, PEER);
    let Action::Indication(client) = action else {
        panic!("{action:?}");
    };
    assert_eq!(client.address, address(HERE));
    let mut indication = Message::new();
    indication.write(server.relay.answer()).unwrap();
    assert_eq!(indication.raw[..2], [0x00, 0x1C]);
    assert_eq!(
        indication.get(AttrType(CONNECTION_ID)).unwrap(),
        [0, 0, 0, 7]
    );
    let mut peer = PeerAddress::default();
    peer.get_from(&indication).unwrap();
    assert_eq!(SocketAddr::new(peer.ip, peer.port), address(PEER));
    assert_eq!(incoming(&mut server, "8.8.4.4:1"), dropped);
    server.advance(300 * SECOND);
    assert_eq!(incoming(&mut server, PEER), dropped);
}

#[test]
fn a_connection_is_bound_by_a_stream_of_its_own() {
    let mut server = server();
    let wanted = bind(&mut server, 9);
    assert_eq!(wanted.connection, ConnectionId(9));
    assert_eq!(wanted.client.address, address(DATA));
    assert_eq!(wanted.user, server.opened[0].user);
    let action = server.relay.handle_bound(wanted.client, true);
    server.reaction(action, b"").success();
    let again = server.relay.handle_bound(wanted.client, true);
    assert_eq!(again, Action::Dropped(DropReason::NoAllocation));
    let wanted = bind(&mut server, 10);
    let action = server.relay.handle_bound(wanted.client, false);
    assert_eq!(code_of(&server.reaction(action, b"")), 400);

    let id = [Attr::Raw(CONNECTION_ID, &[0, 0, 0, 9])];
    // It controls an allocation.
    assert_eq!(server.code(HERE, ALICE, METHOD_CONNECTION_BIND, &id), 400);
    for wrong in [&[][..], &[Attr::Raw(CONNECTION_ID, &[0, 9])]] {
        assert_eq!(server.code(DATA, ALICE, METHOD_CONNECTION_BIND, wrong), 400);
    }
    let mut over_udp = Server::with(Config {
        transports: [Transport::Udp].into(),
        ..tcp_config()
    });
    let code = over_udp.code(DATA, ALICE, METHOD_CONNECTION_BIND, &id);
    assert_eq!(code, 400);
    assert!(server.wanted.is_empty() && over_udp.wanted.is_empty());
}

#[test]
fn an_allocation_of_tcp_relays_no_datagrams() {
    let mut server = server();
    assert_eq!(server.permit(&[PEER]), 200);
    assert_eq!(server.bind(0x4000, PEER), 403);
    let dropped = Reaction::Dropped(DropReason::NoAllocation);
    assert_eq!(server.send(PEER, b"x"), dropped);
}
