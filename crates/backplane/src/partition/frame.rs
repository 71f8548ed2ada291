//! What nodes publish to each other.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Version of every frame written here; a frame of another version is counted and skipped, so that a rolling
/// upgrade runs mixed. 2 is the mark of what scripts publish.
const VERSION: u8 = 3;

/// A place in the stream of numbered messages from one node to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// Which stream; a later one has a higher number, and begins with message 1.
    pub(crate) epoch: u64,
    /// All messages up to this one have been acknowledged.
    pub(crate) acked: u64,
    /// This message; 0 is none.
    pub(crate) number: u64,
}

/// See each variant; `from` is the node that publishes it, and `link` the number of its link on which it does.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Frame<'a> {
    /// A numbered message to one node; `room` where it repeats one that was published to the room.
    One {
        from: &'a str,
        link: u64,
        at: Position,
        room: Option<&'a str>,
        payload: &'a [u8],
    },
    /// A message to the nodes of a room, on the room's channel, with a number for each; number 0 for a node
    /// that must not take it.
    Room {
        from: &'a str,
        link: u64,
        #[serde(borrow)]
        to: Vec<(&'a str, Position)>,
        payload: &'a [u8],
    },
    /// The last message of the stream, so that a loss at its end is noticed.
    Mark { from: &'a str, at: Position },
    /// All messages up to this one have arrived.
    Ack {
        from: &'a str,
        epoch: u64,
        number: u64,
    },
    /// These have not: send them again.
    Nak {
        from: &'a str,
        epoch: u64,
        first: u64,
        last: u64,
    },
    /// Messages up to this one cannot be sent again.
    Lost {
        from: &'a str,
        epoch: u64,
        number: u64,
    },
    /// Enter in the room's roster whatever you have there, and tell me.
    Ask { from: &'a str, room: &'a str },
    /// It is done.
    Answer { from: &'a str, room: &'a str },
}

impl<'a> Frame<'a> {
    pub(crate) fn write(&self) -> Bytes {
        let bytes = postcard::to_extend(self, vec![VERSION]);
        // Writing into memory cannot fail; were it to, the frame would be unreadable.
        Bytes::from(bytes.unwrap_or_default())
    }

    /// `None` for what this version cannot read.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (&version, rest) = bytes.split_first()?;
        (version == VERSION).then(|| postcard::from_bytes(rest).ok())?
    }
}

/// The stream that a payload asks to be repeated, for a simulated network that loses such frames: who asks, and
/// the first missing number.
#[doc(hidden)]
pub fn repeat_wanted(payload: &[u8]) -> Option<(&str, u64)> {
    match Frame::read(payload)? {
        Frame::Nak { from, first, .. } => Some((from, first)),
        Frame::One { .. }
        | Frame::Room { .. }
        | Frame::Mark { .. }
        | Frame::Ack { .. }
        | Frame::Lost { .. }
        | Frame::Ask { .. }
        | Frame::Answer { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Frame::read(&bytes);
        }

        #[test]
        fn what_is_written_is_read(
            from in ".{0,9}", room in proptest::option::of(".{0,9}"), epoch: u64, acked: u64, number: u64, link: u64,
            payload in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let at = Position { epoch, acked, number };
            let one = Frame::One { from: &from, link, at, room: room.as_deref(), payload: &payload };
            let bytes = one.write();
            prop_assert_eq!(Frame::read(&bytes), Some(one));
            let to = Frame::Room { from: &from, link, to: vec![(&from, at), ("b", at)], payload: &payload };
            let bytes = to.write();
            prop_assert_eq!(Frame::read(&bytes), Some(to));
        }
    }

    #[test]
    fn a_frame_of_another_version_is_skipped() {
        let mut bytes = Frame::Ask {
            from: "a",
            room: "r",
        }
        .write()
        .to_vec();
        bytes[0] += 1;
        assert_eq!(Frame::read(&bytes), None);
    }
}
