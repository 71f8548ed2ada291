//! A stream of a client's, in pieces: cut anywhere, the same messages are found in it, and none is longer than may be.

#![no_main]

use libfuzzer_sys::fuzz_target;
use relay::{Deframer, MAX_FRAME_BYTES};

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let (sizes, stream) = input;
    let whole = messages([&stream[..]]);
    let mut rest = &stream[..];
    let mut sizes = sizes.iter().cycle();
    let pieces = std::iter::from_fn(|| {
        let size = sizes
            .next()
            .map_or(rest.len(), |size| usize::from(*size) + 1);
        let (piece, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    });
    assert_eq!(messages(pieces), whole);
});

/// What is found, and whether the stream can go on.
fn messages<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, Result<bool, ()>) {
    let mut deframer = Deframer::default();
    let mut messages = Vec::new();
    for mut piece in pieces {
        loop {
            match deframer.next_message(&mut piece) {
                Ok(Some(message)) => {
                    assert!(message.len() <= MAX_FRAME_BYTES);
                    messages.push(message.to_vec());
                }
                Ok(None) => break,
                Err(_) => return (messages, Err(())),
            }
        }
        assert!(piece.is_empty(), "bytes that nobody has looked at");
    }
    (messages, Ok(deframer.is_in_a_message()))
}
