//! Messages in streams: however a stream is split, the same messages are found in it.

use allocation_counter::measure;
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{Deframer, MAX_FRAME_BYTES, NotAMessage};

/// What is found in a stream that arrives in these pieces, and whether it was all messages.
fn found<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Vec<u8>>, Result<bool, NotAMessage>) {
    let mut deframer = Deframer::default();
    let mut messages = Vec::new();
    for mut piece in pieces {
        loop {
            match deframer.next_message(&mut piece) {
                Ok(Some(message)) => messages.push(message.to_vec()),
                Ok(None) => break,
                Err(NotAMessage) => return (messages, Err(NotAMessage)),
            }
        }
        assert!(piece.is_empty());
    }
    (messages, Ok(deframer.is_in_a_message()))
}

fn padded(mut message: Vec<u8>) -> Vec<u8> {
    message.resize(message.len().next_multiple_of(4), 0);
    message
}

fn stun(words: usize) -> Vec<u8> {
    let mut message = request(METHOD_ALLOCATE, [3; 12], &[]).raw;
    message[2..4].copy_from_slice(&(4 * words as u16).to_be_bytes());
    message.resize(20 + 4 * words, 5);
    message
}

fn message_in_stream() -> impl Strategy<Value = Vec<u8>> {
    let lengths = || prop_oneof![9 => 0..40_usize, 1 => 0..65_536_usize];
    prop_oneof![
        lengths().prop_map(|length| channel_data(0x4001, &vec![6; length])),
        lengths().prop_map(|length| stun(length / 4)),
    ]
}

/// Cuts at these places, most of them close to each other.
fn pieces<'a>(stream: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let (mut rest, mut pieces) = (stream, Vec::new());
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            return pieces;
        }
        let (piece, after) = rest.split_at((*size).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    vec![stream]
}

proptest! {
    #[test]
    fn any_split_of_a_stream_gives_the_same_messages(
        messages in vec(message_in_stream(), 0..8),
        sizes in vec(prop_oneof![8 => 1..9_usize, 1 => 1..70_000_usize], 0..20),
        cut in any::<prop::sample::Index>(),
    ) {
        let stream: Vec<u8> = messages.iter().cloned().flat_map(padded).collect();
        let pieces = pieces(&stream, &sizes);
        prop_assert_eq!(found(pieces), (messages.clone(), Ok(false)));
        // Without its end, the last message is missing and no other.
        if let Some(last) = messages.last() {
            let lost = 1 + cut.index(padded(last.clone()).len());
            let (cut, _) = stream.split_at(stream.len() - lost);
            let is_partial = lost < padded(last.clone()).len();
            let others = messages[..messages.len() - 1].to_vec();
            prop_assert_eq!(found([cut]), (others, Ok(is_partial)));
        }
    }

    #[test]
    fn any_split_of_any_bytes_gives_the_same_end(
        stream in vec(prop_oneof![4 => 0..=3_u8, 1 => any::<u8>()], 0..400),
        sizes in vec(1..9_usize, 0..20),
    ) {
        prop_assert_eq!(found(pieces(&stream, &sizes)), found([&stream[..]]));
    }
}

#[test]
fn what_is_no_message_is_told_as_soon_as_it_can_be() {
    let mut cookie = stun(0);
    cookie[7] = 0;
    let mut length = stun(1);
    length[3] = 2;
    for (garbage, bytes) in [
        (&b"GET / HTTP/1.1\r\n"[..], None),
        (b"\x16\x03\x01\x02\x00", Some(4)),
        (b"\x80", Some(1)),
        (b"\xFF", Some(1)),
        (&cookie, Some(8)),
        (&length, Some(4)),
    ] {
        let (_, end) = found([garbage]);
        // Text begins as ChannelData does, of a channel that nobody has.
        assert_eq!(end.is_err(), bytes.is_some(), "{garbage:?}");
        let Some(bytes) = bytes else { continue };
        let one_by_one = garbage.chunks(1);
        assert!(
            found(one_by_one.clone().take(bytes)).1.is_err(),
            "{garbage:?}"
        );
        if garbage[0] < 0x40 {
            assert!(found(one_by_one.take(bytes - 1)).1.is_ok(), "{garbage:?}");
        }
    }
}

#[test]
fn messages_before_garbage_are_found() {
    let stream = [
        &stun(2)[..],
        &padded(channel_data(0x4000, b"a")),
        b"\xFFGARBAGE",
    ]
    .concat();
    let expected = vec![stun(2), channel_data(0x4000, b"a")];
    assert_eq!(found(stream.chunks(3)), (expected, Err(NotAMessage)));
}

#[test]
fn the_longest_message_is_found_whole() {
    let longest = channel_data(0x4000, &[1; 65_535]);
    let stream = padded(longest.clone());
    assert_eq!(stream.len(), MAX_FRAME_BYTES);
    assert_eq!(found([&stream[..]]), (vec![longest.clone()], Ok(false)));
    assert_eq!(found(stream.chunks(1000)), (vec![longest], Ok(false)));
}

#[test]
fn whole_messages_cost_no_heap() {
    let stream = [stun(10), padded(channel_data(0x4000, &[1; 999]))].concat();
    let mut deframer = Deframer::default();
    let mut messages = 0;
    let heap = measure(|| {
        let mut input = &stream[..];
        while let Ok(Some(_)) = deframer.next_message(&mut input) {
            messages += 1;
        }
    });
    assert_eq!((messages, heap.count_total), (2, 0));
}
