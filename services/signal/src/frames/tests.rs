use std::io::Cursor;

use proptest::prelude::*;
use tokio_tungstenite::tungstenite::protocol::frame::{Frame as Other, FrameHeader};

use super::*;

/// A client's frame, as tungstenite writes it.
fn frame(content: &[u8], opcode: OpCode, is_final: bool) -> Vec<u8> {
    let mut frame = Other::message(content.to_vec(), opcode, is_final);
    frame.header_mut().mask = Some([1, 20, 255, 4]);
    let mut bytes = Vec::new();
    frame.format(&mut bytes).unwrap();
    bytes
}

/// What is understood of bytes that arrive in pieces.
fn understood(bytes: &[u8], piece: usize) -> Result<Vec<String>, CloseCode> {
    let mut reader = Reader::default();
    let mut said = Vec::new();
    for piece in bytes.chunks(piece) {
        let (mut piece, mut at) = (piece.to_vec(), 0);
        while let Some(frame) = reader.next(&mut piece, &mut at)? {
            match frame {
                Frame::Part => {}
                Frame::Text(text) => said.push(text.to_owned()),
                other @ (Frame::Ping(_) | Frame::Pong | Frame::Close(_)) => {
                    said.push(format!("{other:?}"));
                }
            }
        }
        assert_eq!(at, piece.len());
    }
    let between = !reader.is_fragmented && reader.begun.is_empty();
    assert!(!between || reader.message.capacity() + reader.begun.capacity() == 0);
    Ok(said)
}

const TEXT: OpCode = OpCode::Data(Data::Text);
const CONTINUE: OpCode = OpCode::Data(Data::Continue);
const PING: OpCode = OpCode::Control(Control::Ping);
const CLOSE: OpCode = OpCode::Control(Control::Close);

proptest! {
    #[test]
    fn messages_are_understood_in_whatever_pieces_they_arrive(
        messages in proptest::collection::vec(
            (prop_oneof![".{0,60}", "é{30000,35000}"], 1..4usize, any::<bool>()), 1..6),
        piece in prop_oneof![1..20usize, 100..3_000usize, Just(usize::MAX)],
    ) {
        let (mut bytes, mut said) = (Vec::new(), Vec::new());
        for (text, fragments, is_pinged) in messages {
            let size = text.len() / fragments + 1;
            let mut parts: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            parts.resize(fragments, b"");
            for (at, part) in parts.iter().enumerate() {
                let opcode = if at == 0 { TEXT } else { CONTINUE };
                bytes.extend(frame(part, opcode, at + 1 == fragments));
                if is_pinged && at + 1 < fragments {
                    bytes.extend(frame(b"abc", PING, true));
                    said.push(format!("{:?}", Frame::Ping(b"abc")));
                }
            }
            said.push(text);
        }
        prop_assert_eq!(understood(&bytes, piece), Ok(said));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), piece in 1..50usize) {
        let _ = understood(&bytes, piece);
    }
}

#[test]
fn what_breaks_the_protocol_is_refused() {
    let long = vec![b'x'; MAX_MESSAGE_BYTES];
    let mut reserved = frame(b"x", TEXT, true);
    reserved[0] |= 0x40;
    let mut unmasked = frame(b"", TEXT, true);
    unmasked[1] &= 0x7f;
    let mut unknown = frame(b"", TEXT, true);
    unknown[0] = 0x83;
    let begun = frame(b"x", TEXT, false);
    for (bytes, code) in [
        (reserved, CloseCode::ProtocolError),
        (unmasked, CloseCode::ProtocolError),
        (unknown, CloseCode::ProtocolError),
        (frame(b"x", CONTINUE, true), CloseCode::ProtocolError),
        ([&begun[..], &begun].concat(), CloseCode::ProtocolError),
        (frame(b"x", PING, false), CloseCode::ProtocolError),
        (frame(&[0; 126], PING, true), CloseCode::ProtocolError),
        (frame(&[3], CLOSE, true), CloseCode::ProtocolError),
        (
            frame(&999u16.to_be_bytes(), CLOSE, true),
            CloseCode::ProtocolError,
        ),
        (
            frame(&1005u16.to_be_bytes(), CLOSE, true),
            CloseCode::ProtocolError,
        ),
        (frame(&[3, 232, 255], CLOSE, true), CloseCode::NotUtf8),
        (frame(&[255], TEXT, true), CloseCode::NotUtf8),
        (
            [&begun[..], &frame(&[255], CONTINUE, true)].concat(),
            CloseCode::NotUtf8,
        ),
        (
            frame(b"x", OpCode::Data(Data::Binary), true),
            CloseCode::BinaryFrame,
        ),
        (
            frame(&[&long[..], b"x"].concat(), TEXT, true),
            CloseCode::TooLong,
        ),
        (
            [&begun[..], &frame(&long, CONTINUE, true)].concat(),
            CloseCode::TooLong,
        ),
    ] {
        for piece in [1000, usize::MAX] {
            assert_eq!(
                understood(&bytes, piece),
                Err(code),
                "{:?}",
                &bytes[..bytes.len().min(20)]
            );
        }
    }
    assert_eq!(
        understood(&frame(&long, TEXT, true), 5000).map(|said| said.len()),
        Ok(1)
    );
}

#[test]
fn a_character_may_be_cut_in_two() {
    let (first, second) = "é".as_bytes().split_at(1);
    let bytes = [frame(first, TEXT, false), frame(second, CONTINUE, true)].concat();
    assert_eq!(understood(&bytes, 3), Ok(vec!["é".to_owned()]));
}

#[test]
fn a_frame_is_written_as_a_client_reads_it() {
    for len in [0, 125, 126, 65_535, 65_536] {
        let mut output = Vec::new();
        write_text(&"x".repeat(len), &mut output);
        let (header, content) = FrameHeader::parse(&mut Cursor::new(&output))
            .unwrap()
            .unwrap();
        assert_eq!(
            (header.opcode, header.mask, content),
            (TEXT, None, len as u64)
        );
        assert!(header.is_final && output.ends_with("x".repeat(len).as_bytes()));
    }
}
