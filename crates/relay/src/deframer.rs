use std::mem;

use crate::wire::{CHANNEL_DATA_HEADER_BYTES, HEADER_BYTES, MAGIC_COOKIE};

/// Longest message that a stream may carry: a ChannelData message of 65535 bytes, padded. STUN messages of which the
/// length says more are none.
pub const MAX_FRAME_BYTES: usize =
    (CHANNEL_DATA_HEADER_BYTES + u16::MAX as usize).next_multiple_of(4);

/// Bytes of a message's beginning that tell how long it is, whichever kind it is.
const LENGTH_BYTES: usize = 4;

/// Finds the messages in a stream, RFC 8489 §6.2.2 and RFC 8656 §12.5: each says how long it is, and ChannelData is
/// padded to four bytes.
///
/// Messages are borrowed from what was received; only one that has arrived in part is kept, and no byte more.
#[derive(Debug, Default)]
pub struct Deframer {
    /// The beginning of a message; the whole of one when `is_given`.
    partial: Vec<u8>,
    is_given: bool,
}

/// What stands in the stream is no message, and where the next one begins nobody knows: the connection is of no more
/// use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAMessage;

impl Deframer {
    /// The next message of those that were kept or stand in `input`, of which it takes what it looks at; `None` when
    /// it has taken all, and the rest of a message is to come. A message is as
    /// [`Relay::handle_client`](crate::Relay::handle_client) takes it, without padding.
    ///
    /// # Errors
    /// [`NotAMessage`] as soon as that can be told, and from then on.
    pub fn next_message<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<&'a [u8]>, NotAMessage> {
        if mem::take(&mut self.is_given) {
            self.partial = Vec::new();
        }
        if self.partial.is_empty() {
            let whole = match size_of(input)? {
                Some(size) => input.split_at_checked(size.padded).zip(Some(size.message)),
                None => None,
            };
            if let Some(((frame, rest), message)) = whole {
                *input = rest;
                return Ok(Some(&frame[..message]));
            }
        }
        loop {
            let size = size_of(&self.partial)?;
            let wanted = size.map_or(LENGTH_BYTES, |size| size.padded);
            let missing = wanted - self.partial.len();
            if let (0, Some(size)) = (missing, size) {
                self.is_given = true;
                return Ok(Some(&self.partial[..size.message]));
            }
            let (taken, rest) = input.split_at(missing.min(input.len()));
            if taken.is_empty() {
                // What came in pieces may be told from garbage before its length is there.
                return Ok(None);
            }
            self.partial.extend_from_slice(taken);
            *input = rest;
        }
    }

    /// Bytes that are kept of a message which has arrived in part.
    pub fn kept_bytes(&self) -> usize {
        if self.is_given { 0 } else { self.partial.len() }
    }

    /// Whether a message has arrived in part.
    pub fn is_in_a_message(&self) -> bool {
        !self.partial.is_empty() && !self.is_given
    }
}

/// How long a message is.
#[derive(Clone, Copy)]
struct Size {
    message: usize,
    padded: usize,
}

/// The size of the message that begins so; `None` when too little of it is there.
fn size_of(beginning: &[u8]) -> Result<Option<Size>, NotAMessage> {
    let Some(first) = beginning.first() else {
        return Ok(None);
    };
    // RFC 7983: STUN starts with the bits 00, ChannelData with 01.
    let is_channel_data = match first >> 6 {
        0b00 => false,
        0b01 => true,
        _ => return Err(NotAMessage),
    };
    let Some(&[_, _, high, low]) = beginning.get(..LENGTH_BYTES) else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if is_channel_data {
        let message = CHANNEL_DATA_HEADER_BYTES + length;
        let padded = message.next_multiple_of(4);
        return Ok(Some(Size { message, padded }));
    }
    let cookie = &beginning[LENGTH_BYTES..];
    let cookie = &cookie[..cookie.len().min(MAGIC_COOKIE.len())];
    if !length.is_multiple_of(4) || !MAGIC_COOKIE.starts_with(cookie) {
        return Err(NotAMessage);
    }
    let message = HEADER_BYTES + length;
    if message > MAX_FRAME_BYTES {
        return Err(NotAMessage);
    }
    Ok(Some(Size {
        message,
        padded: message,
    }))
}
