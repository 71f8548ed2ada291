//! What an Allocate may ask for besides an address: both families at once, an even port and the next one, packets that
//! stay whole. By a client's connections, by coturn's client, and by sockets of the kernel's that show it.

use std::{
    net::{SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

use stun::{
    attributes::AttrType,
    message::{
        CLASS_INDICATION, Getter, METHOD_ALLOCATE, METHOD_CHANNEL_BIND, METHOD_CREATE_PERMISSION,
        METHOD_SEND, Message, MessageType, Setter,
    },
};
use trunkline_tests::{Process, metric, until};
use turn::proto::{peeraddr::PeerAddress, relayaddr::RelayedAddress};

use crate::{
    coturn::{Echo, uclient_raw},
    namespace,
    stream_client::StreamClient,
};

const ADDITIONAL_ADDRESS_FAMILY: u16 = 0x8000;
const ADDRESS_ERROR_CODE: u16 = 0x8001;
const RELAYED: AttrType = AttrType(0x0016);
const EVEN_PORT: u16 = 0x0018;
const DONT_FRAGMENT: u16 = 0x001A;
const TOKEN: u16 = 0x0022;
const UDP: (u16, &[u8]) = (0x0019, &[17, 0, 0, 0]);
const IPV6: &[u8] = &[2, 0, 0, 0];

fn relay(options: &[&str]) -> Process {
    let own = [
        "--turn-user",
        "u:p",
        "--turn-user-quota",
        "0",
        "--turn-allow-peers",
        "127.0.0.0/8,::1/128",
        "--turn-old-channels",
        "--turn-threads",
        "4",
    ];
    Process::turn(&[&own, options].concat())
}

/// All the relayed addresses of an answer.
fn relayed(answer: &Message) -> Vec<SocketAddr> {
    let all = answer.attributes.0.iter();
    all.filter(|attribute| attribute.typ == RELAYED)
        .map(|attribute| {
            let mut one = Message::new();
            one.transaction_id = answer.transaction_id;
            one.write_header();
            one.add(RELAYED, &attribute.value);
            let mut relayed = RelayedAddress::default();
            relayed.get_from(&one).unwrap();
            SocketAddr::new(relayed.ip, relayed.port)
        })
        .collect()
}

fn peer(ip: &str) -> UdpSocket {
    let peer = UdpSocket::bind((ip, 0)).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(15)))
        .unwrap();
    peer
}

/// Data goes both ways between a channel and a peer.
fn talks(client: &mut StreamClient<TcpStream>, channel: u16, from: SocketAddr) {
    let peer = peer(&from.ip().to_string());
    let number = channel.to_be_bytes();
    let attribute: &[(u16, &[u8])] = &[(0x000C, &[number[0], number[1], 0, 0])];
    let address = peer.local_addr().unwrap();
    client
        .ask(METHOD_CHANNEL_BIND, attribute, Some(address))
        .unwrap();
    client.send_channel_data(channel, b"there").unwrap();
    let mut buffer = [0; 100];
    let (length, source) = peer.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..length], source), (&b"there"[..], from));
    peer.send_to(b"back", from).unwrap();
    let message = client.read_message().unwrap();
    assert_eq!((&message[..2], &message[4..]), (&number[..], &b"back"[..]));
}

#[test]
fn one_allocation_has_an_address_of_each_family() {
    let relay = relay(&["--turn-relay-ip", "127.0.0.1,::1"]);
    let mut client = StreamClient::tcp(relay.public);
    let answer = client.ask_anew(METHOD_ALLOCATE, &[UDP, (ADDITIONAL_ADDRESS_FAMILY, IPV6)]);
    let relayed = relayed(&answer.unwrap());
    assert_eq!(relayed.len(), 2, "{relayed:?}");
    assert!(relayed[0].is_ipv4() && relayed[1].is_ipv6());
    talks(&mut client, 0x4000, relayed[0]);
    talks(&mut client, 0x4001, relayed[1]);
}

#[test]
fn where_there_is_one_family_the_other_s_error_is_told() {
    let relay = relay(&["--turn-relay-ip", "127.0.0.1"]);
    let mut client = StreamClient::tcp(relay.public);
    let answer = client.ask_anew(METHOD_ALLOCATE, &[UDP, (ADDITIONAL_ADDRESS_FAMILY, IPV6)]);
    let answer = answer.unwrap();
    assert_eq!(relayed(&answer).len(), 1);
    let error = answer.get(AttrType(ADDRESS_ERROR_CODE)).unwrap();
    // IPv6; 440.
    assert_eq!(error[..4], [2, 0, 4, 40]);
}

#[test]
fn who_brings_the_token_of_a_reserved_port_has_it_on_whichever_thread() {
    let relay = relay(&[]);
    for _ in 0..8 {
        let mut first = StreamClient::tcp(relay.public);
        let answer = first
            .ask_anew(METHOD_ALLOCATE, &[UDP, (EVEN_PORT, &[0x80])])
            .unwrap();
        let even = relayed(&answer)[0];
        assert_eq!(even.port() % 2, 0);
        let token = answer.get(AttrType(TOKEN)).unwrap();
        let mut second = StreamClient::tcp(relay.public);
        let answer = second.ask_anew(METHOD_ALLOCATE, &[UDP, (TOKEN, &token)]);
        let next = relayed(&answer.unwrap())[0];
        assert_eq!(next.port(), even.port() + 1);
        talks(&mut first, 0x4000, even);
        talks(&mut second, 0x4000, next);
        // Once.
        let mut third = StreamClient::tcp(relay.public);
        let answer = third.ask_anew(METHOD_ALLOCATE, &[UDP, (TOKEN, &token)]);
        assert_eq!(answer.unwrap_err(), 508);
    }
}

#[tokio::test]
async fn a_packet_that_must_stay_whole_and_is_too_long_for_the_way_is_lost_and_counted() {
    let test =
        "asked_for::a_packet_that_must_stay_whole_and_is_too_long_for_the_way_is_lost_and_counted";
    if !namespace::is_inside(test, "ip link set lo mtu 1500") {
        return;
    }
    let relay = relay(&[]);
    let mut client = StreamClient::tcp(relay.public);
    let relayed = client.allocate();
    let peer = peer("127.0.0.1");
    let address = peer.local_addr().unwrap();
    client
        .ask(METHOD_CREATE_PERMISSION, &[], Some(address))
        .unwrap();
    let mut send = |length: usize, is_whole: bool| {
        let mut indication = Message::new();
        indication.typ = MessageType::new(METHOD_SEND, CLASS_INDICATION);
        indication.write_header();
        let (ip, port) = (address.ip(), address.port());
        PeerAddress { ip, port }.add_to(&mut indication).unwrap();
        indication.add(AttrType(0x0013), &vec![7; length]);
        if is_whole {
            indication.add(AttrType(DONT_FRAGMENT), &[]);
        }
        std::io::Write::write_all(&mut client.stream, &indication.raw).unwrap();
    };
    let mut buffer = [0; 5000];
    for (length, is_whole) in [(1000, true), (3000, false)] {
        send(length, is_whole);
        let received = peer.recv_from(&mut buffer).unwrap();
        assert_eq!(received, (length, relayed));
    }
    send(3000, true);
    let unsent = "trunkline_turn_dropped_packets_total{reason=\"unsent\"}";
    until("the packet to be lost", async || {
        metric(relay.admin, unsent).await == 1.0
    })
    .await;
    // The socket is as it was for what comes next.
    send(3000, false);
    assert_eq!(peer.recv_from(&mut buffer).unwrap(), (3000, relayed));
}

/// Gives the relay that it went through.
#[track_caller]
fn coturn_s_client_loses_nothing(options: &[&str], messages: u32) -> Process {
    let relay = relay(&["--turn-relay-ip", "127.0.0.1,::1"]);
    let echo = Echo::start("127.0.0.1");
    let (well, text) = uclient_raw(
        relay.public,
        &echo,
        &[&["-u", "u", "-w", "p"], options].concat(),
    );
    assert!(well, "{text}");
    assert!(text.contains("Total lost packets 0 (0.000000%)"), "{text}");
    let received = format!("tot_recv_msgs={messages}");
    assert!(text.contains(&received), "{received} is not in\n{text}");
    relay
}

#[tokio::test(flavor = "multi_thread")]
async fn coturn_s_client_has_both_families_at_once() {
    let relay = tokio::task::block_in_place(|| {
        coturn_s_client_loses_nothing(&["-Z", "-c", "-m", "5"], 500)
    });
    // Two for each, and for the one that it tries first.
    let opened = metric(relay.admin, "trunkline_turn_allocations_opened_total").await;
    assert!(opened >= 10.0, "{opened}");
}

#[test]
fn coturn_s_client_has_a_port_and_the_next_one_for_rtcp() {
    let _relay = coturn_s_client_loses_nothing(&["-m", "6"], 600);
}

#[test]
fn coturn_s_client_s_packets_stay_whole() {
    let _relay = coturn_s_client_loses_nothing(&["-g", "-s", "-c", "-m", "2"], 200);
}
