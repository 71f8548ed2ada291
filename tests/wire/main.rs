//! Frames that real clients and the reference server exchanged, replayed against a node.
//!
//! `rtcio-6/*.txt` were captured between rtc-signaller 6.3.0 or bare sockets and rtc-switchboard 3.2.0. A line
//! is a client's name, what happens, and a frame:
//!
//! | mark | meaning |
//! | --- | --- |
//! | `open` | the client connects |
//! | `>` | it sends the frame |
//! | `<` | it is told the frame, by the reference and by us |
//! | `-` | the reference told it; we do not, the comment above says why |
//! | `+` | we tell it; the reference did not, the comment above says why |
//! | `close`, `kill` | it closes its socket, or the network does |
//!
//! What a client is told must come in this order, and nothing else may come.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests")]

use std::{collections::BTreeMap, fs, path::Path};

use trunkline_tests::{Node, Peer};

async fn replay(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("wire/rtcio-6/{name}.txt"));
    let text = fs::read_to_string(&path).unwrap();
    let node = Node::alone();
    let mut peers: BTreeMap<&str, Peer> = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        if line.starts_with('#') {
            continue;
        }
        let (client, rest) = line.split_once(' ').unwrap();
        let (mark, frame) = rest.split_once(' ').unwrap_or((rest, ""));
        let place = format!("{name}:{}", number + 1);
        match mark {
            "open" => {
                let peer = Peer::connect(node.public).await;
                assert!(peers.insert(client, peer).is_none(), "{place}");
            }
            ">" => {
                let peer = peers.get_mut(client).unwrap();
                peer.send(frame).await;
                // Handled before the next client's frame is sent.
                peer.settle().await;
            }
            "<" | "+" => {
                let told = peers.get_mut(client).unwrap().next().await;
                assert_eq!(told, frame, "{place}");
            }
            "-" => {}
            "close" => peers.remove(client).unwrap().close().await,
            "kill" => peers.remove(client).unwrap().kill(),
            other => panic!("{place}: {other}"),
        }
    }
    // An announce is answered by way of the backplane: what was on that way before has arrived.
    drop(Peer::join(node.public, "another room", "another peer").await);
    for (client, peer) in &mut peers {
        peer.settle().await;
        println!("{name}: nothing else is told to {client}");
        peer.assert_silent();
    }
}

macro_rules! replays {
    ($($test:ident $file:literal),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $test() {
                replay($file).await;
            }
        )*

        #[test]
        fn every_transcript_is_replayed() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("wire/rtcio-6");
            assert_eq!(fs::read_dir(folder).unwrap().count(), [$($file),*].len());
        }
    };
}

replays! {
    one_peer_announces_itself "01-connect-announce",
    a_second_peer_announces_itself "02-second-peer-announce",
    directed_messages "03-directed-to",
    a_peer_announces_itself_again "04-metadata-update",
    a_peer_leaves "05-leave-explicit",
    a_peer_leaves_and_keeps_its_socket "05b-leave-frame-socket-kept-open",
    a_peer_loses_its_socket "06-abrupt-disconnect",
    a_peer_loses_its_socket_and_returns "06b-abrupt-disconnect-autoreconnect",
    three_peers "07-three-peers",
    two_rooms "08-two-rooms",
    a_peer_changes_rooms "09-room-change",
    two_sockets_with_one_id "10-duplicate-id",
    peers_without_a_room "11-no-room",
    numeric_ids_and_pipes "12-numeric-and-pipe-quirks",
    frames_before_the_announce_and_garbage "13-unannounced-and-garbage",
}
