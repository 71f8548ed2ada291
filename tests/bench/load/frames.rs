//! What peers say: frames of the sizes that browsers send, masked as a client must, ready to be written.

use tokio_tungstenite::tungstenite::protocol::frame::{
    Frame,
    coding::{Control, Data, OpCode},
};

/// Bytes of a session description of a data channel, with what is around it.
const SHORT_SDP: usize = 700;

/// Bytes of one with audio and video.
const LONG_SDP: usize = 3000;

/// Candidates of one call.
pub(crate) const CANDIDATES: usize = 20;

/// A text frame.
pub(crate) fn text(text: &str) -> Vec<u8> {
    masked(text.as_bytes(), OpCode::Data(Data::Text))
}

/// A close frame, code 1000.
pub(crate) fn close() -> Vec<u8> {
    masked(&1000u16.to_be_bytes(), OpCode::Control(Control::Close))
}

/// The answer to a ping without content, as servers here send it.
pub(crate) fn pong() -> Vec<u8> {
    masked(b"", OpCode::Control(Control::Pong))
}

pub(crate) fn announce(id: &str, room: &str) -> Vec<u8> {
    text(&format!(
        "/announce|{id}|{{\"browser\":\"chrome\",\"browserVersion\":\"126.0.0\",\"agent\":\"signaller@6.3.0\",\
         \"id\":\"{id}\",\"room\":\"{room}\"}}"
    ))
}

pub(crate) fn leave(id: &str) -> Vec<u8> {
    text(&format!("/leave|{id}|{{\"id\":\"{id}\"}}"))
}

/// One peer's messages to another while a call lasts, in turn: of ten, seven candidates, two short session descriptions
/// and a long one.
pub(crate) fn talk(from: &str, to: &str) -> Vec<Vec<u8>> {
    (0..10)
        .map(|turn| match turn {
            3 | 6 => sdp(from, to, "answer", SHORT_SDP),
            9 => sdp(from, to, "offer", LONG_SDP),
            _ => candidate(from, to),
        })
        .collect()
}

/// The messages of a call that is set up, each sent once the one before has arrived; the first is the second peer's, and
/// they take turns.
pub(crate) fn call(first: &str, second: &str) -> Vec<Vec<u8>> {
    let mut messages = vec![
        sdp(second, first, "offer", LONG_SDP),
        sdp(first, second, "answer", LONG_SDP),
    ];
    for turn in 0..CANDIDATES {
        let (from, to) = match turn % 2 {
            0 => (second, first),
            _ => (first, second),
        };
        messages.push(candidate(from, to));
    }
    messages
}

fn sdp(from: &str, to: &str, kind: &str, size: usize) -> Vec<u8> {
    let line = "a=rtpmap:111 opus/48000/2\\r\\n";
    let mut sdp = String::from("v=0\\r\\n");
    while sdp.len() < size {
        sdp.push_str(line);
    }
    text(&format!(
        "/to|{to}|/sdp|{from}|{{\"sdp\":\"{sdp}\",\"type\":\"{kind}\"}}"
    ))
}

fn candidate(from: &str, to: &str) -> Vec<u8> {
    text(&format!(
        "/to|{to}|/candidate|{from}|{{\"candidate\":\"candidate:842163049 1 udp 1677729535 203.0.113.77 53921 typ srflx \
         raddr 192.168.1.23 rport 53921 generation 0 ufrag 5vUk network-cost 999\",\"sdpMid\":\"0\",\"sdpMLineIndex\":0}}"
    ))
}

fn masked(content: &[u8], opcode: OpCode) -> Vec<u8> {
    let mut frame = Frame::message(content.to_vec(), opcode, true);
    frame.header_mut().mask = Some([0x37, 0xfa, 0x21, 0x3d]);
    let mut bytes = Vec::new();
    frame.format(&mut bytes).expect("memory takes everything");
    bytes
}
