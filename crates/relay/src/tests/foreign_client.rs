//! `turn-client-proto` as the client: the only one at hand that knows SHA-256 and USERHASH, and written by others.

use std::iter;

use turn_client_proto::{
    api::{
        DelayedMessageOrChannelSend, Transmit, TurnClientApi, TurnConfig, TurnEvent, TurnPollRet,
        TurnRecvRet,
    },
    stun::{Instant as ClientInstant, auth::Feature},
    types::{AddressFamily, TransportType, TurnCredentials, stun::message::IntegrityAlgorithm},
    udp::TurnClientUdp,
};

use super::*;

const RELAY: &str = "198.51.100.1:3478";
const V6_PEER: &str = "[2600::1]:5000";
const UDP: TransportType = TransportType::Udp;

struct World {
    server: Server,
    client: TurnClientUdp,
    start: Instant,
    /// What the client has sent to the relay.
    requests: Vec<Vec<u8>>,
    /// Codes of the answers.
    codes: Vec<u16>,
}

impl World {
    fn new(server: Server, config: TurnConfig) -> Self {
        let start = server.now.monotonic;
        let client = TurnClientUdp::allocate(address(HERE), address(RELAY), config);
        Self {
            server,
            client,
            start,
            requests: Vec::new(),
            codes: Vec::new(),
        }
    }

    fn now(&self) -> ClientInstant {
        let nanos = (self.server.now.monotonic - self.start).as_nanos();
        ClientInstant::from_nanos(nanos.try_into().unwrap())
    }

    /// Carries packets to and fro until the client has nothing to say.
    fn run(&mut self) -> Vec<TurnEvent> {
        let mut events = Vec::new();
        for _ in 0..1000 {
            events.extend(iter::from_fn(|| self.client.poll_event()));
            let now = self.now();
            let next = self.client.poll(now);
            let Some(transmit) = self.client.poll_transmit(now) else {
                // Its requests are some time apart; what it waits for longer is to be refreshed.
                let TurnPollRet::WaitUntil(at) = next else {
                    break;
                };
                let wait = at.saturating_duration_since(now);
                if wait > SECOND {
                    break;
                }
                self.server.now.monotonic += wait;
                continue;
            };
            let datagram = transmit.data.to_vec();
            let reaction = self.server.receive(HERE, &datagram);
            self.requests.push(datagram);
            self.codes.push(code_of(&reaction));
            let answer = self.server.relay.answer().to_vec();
            let answer = Transmit::new(answer, UDP, address(RELAY), address(HERE));
            let received = self.client.recv(answer, now);
            assert!(matches!(received, TurnRecvRet::Handled), "{received:?}");
        }
        events
    }

    /// Data of the client's reaches the peer, and of the peer's the client.
    fn talks_with(&mut self, peer: &str) {
        let now = self.now();
        let sent = self
            .client
            .send_to(UDP, address(peer), b"there", now)
            .unwrap();
        let sent: DelayedMessageOrChannelSend<_> = sent.unwrap().data;
        let datagram = turn_client_proto::prelude::DelayedTransmitBuild::build(sent);
        assert_eq!(
            self.server.receive(HERE, &datagram),
            to_peer(peer, b"there")
        );
        let message = self.server.receive_from_peer(peer, b"back").message();
        let message = Transmit::new(message, UDP, address(RELAY), address(HERE));
        let TurnRecvRet::PeerData(data) = self.client.recv(message, now) else {
            panic!("no data of the peer's");
        };
        assert_eq!((data.data(), data.peer), (&b"back"[..], address(peer)));
    }

    fn permits(&mut self, peer: &str) {
        let now = self.now();
        let ip = address(peer).ip();
        self.client.create_permission(UDP, ip, now).unwrap();
        let events = self.run();
        assert!(
            matches!(events[..], [TurnEvent::PermissionCreated(UDP, permitted)] if permitted == ip)
        );
    }

    fn binds(&mut self, peer: &str) {
        let now = self.now();
        self.client.bind_channel(UDP, address(peer), now).unwrap();
        let events = self.run();
        let is_bound = |event: &TurnEvent| matches!(event, TurnEvent::ChannelCreated(UDP, _));
        assert!(events.iter().any(is_bound), "{events:?}");
    }
}

fn config_of(login: Login, integrity: IntegrityAlgorithm, userhash: Feature) -> TurnConfig {
    let credentials = TurnCredentials::new(login.name, login.password);
    let mut config = TurnConfig::new(credentials);
    config.set_supported_integrity(integrity);
    config.set_anonymous_username(userhash);
    config
}

fn without_secrets() -> Server {
    let credentials = Credentials::new(REALM)
        .unwrap()
        .with_static_user(ALICE.name, ALICE.password);
    Server::with(Config {
        credentials: Arc::new(credentials),
        ..config()
    })
}

fn contains(datagram: &[u8], attribute: u16) -> bool {
    let mut message = Message::new();
    message.write(datagram).unwrap();
    message.contains(AttrType(attribute))
}

/// A whole life, of which every signed request has the attributes `with` and not those of `without`.
#[track_caller]
fn lives(server: Server, config: TurnConfig, with: &[u16], without: &[u16]) {
    let mut world = World::new(server, config);
    let events = world.run();
    let [TurnEvent::AllocationCreated(UDP, relayed)] = events[..] else {
        panic!("{events:?}");
    };
    assert!(world.server.sockets.values().any(|open| *open == relayed));
    assert_eq!(world.codes, [401, 200]);
    world.permits(PEER);
    world.talks_with(PEER);
    world.binds(PEER);
    world.talks_with(PEER);
    // The nonce is stale by then, and the allocation is refreshed with another one.
    for _ in 0..130 {
        world.server.advance(30 * SECOND);
        world.run();
    }
    assert!(world.codes.contains(&438), "{:?}", world.codes);
    assert!(
        world.codes[2..]
            .iter()
            .all(|code| matches!(code, 200 | 438))
    );
    assert_eq!(world.server.closed, []);
    let now = world.now();
    world.client.delete(now).unwrap();
    world.run();
    assert_eq!(world.server.relay.allocations(), 0);
    for request in &world.requests[1..] {
        assert!(with.iter().all(|attribute| contains(request, *attribute)));
        assert!(
            !without
                .iter()
                .any(|attribute| contains(request, *attribute))
        );
    }
}

#[test]
fn defect_22_a_foreign_client_lives_with_sha256() {
    let config = config_of(ALICE, IntegrityAlgorithm::Sha256, Feature::Auto);
    let with = [0x0006, 0x001C, 0x001D, 0x8002];
    lives(Server::new(), config, &with, &[0x0008, 0x001E]);
}

#[test]
fn defect_22_a_foreign_client_lives_with_sha256_and_userhash() {
    let config = config_of(ALICE, IntegrityAlgorithm::Sha256, Feature::Required);
    let with = [0x001E, 0x001C, 0x001D, 0x8002];
    lives(without_secrets(), config, &with, &[0x0006, 0x0008]);
}

#[test]
fn a_foreign_client_of_both_takes_what_is_offered_first() {
    let mut config = config_of(ALICE, IntegrityAlgorithm::Sha1, Feature::Auto);
    config.add_supported_integrity(IntegrityAlgorithm::Sha256);
    lives(Server::new(), config, &[0x001C], &[0x0008]);
}

#[test]
fn a_foreign_client_with_a_time_limited_username_lives_with_sha256() {
    let credential = turn_credentials::mint(&secret(), UNIX + 60, "carol", None);
    let credentials = TurnCredentials::new(&credential.username, credential.password.as_str());
    let mut config = TurnConfig::new(credentials);
    config.set_supported_integrity(IntegrityAlgorithm::Sha256);
    lives(Server::new(), config, &[0x0006, 0x001C], &[0x0008]);
}

#[test]
fn defect_19_a_foreign_client_has_both_families_at_once() {
    let mut config = config_of(ALICE, IntegrityAlgorithm::Sha256, Feature::Auto);
    config.add_address_family(AddressFamily::IPV6);
    let mut world = World::new(Server::new(), config);
    let events = world.run();
    let created = |event: &&TurnEvent| matches!(event, TurnEvent::AllocationCreated(UDP, _));
    assert_eq!(events.iter().filter(created).count(), 2, "{events:?}");
    assert!(contains(world.requests.last().unwrap(), 0x8000));
    for peer in [PEER, V6_PEER] {
        world.permits(peer);
        world.talks_with(peer);
    }
    let now = world.now();
    world.client.delete(now).unwrap();
    world.run();
    assert_eq!(world.server.relay.allocations(), 0);
}

#[test]
fn a_foreign_client_is_told_which_family_it_did_not_get() {
    let mut config = config_of(ALICE, IntegrityAlgorithm::Sha256, Feature::Auto);
    config.add_address_family(AddressFamily::IPV6);
    let mut server = Server::new();
    server.refusals[1] = Some(Refusal::InsufficientCapacity);
    let mut world = World::new(server, config);
    let events = world.run();
    let failed = |event: &TurnEvent| matches!(event, TurnEvent::AllocationCreateFailed(family) if *family == AddressFamily::IPV6);
    assert!(events.iter().any(failed), "{events:?}");
    world.permits(PEER);
    world.talks_with(PEER);
}
