//! The WebSocket protocol's frames, RFC 6455 §5, as a server reads and writes them.
//!
//! Bytes are read into a buffer that all connections of a thread share, and a frame is understood where it lies. A
//! connection keeps memory of its own only for what has begun and not ended, so that an idle one keeps none.

use tokio_tungstenite::tungstenite::protocol::frame::coding::{self, Control, Data, OpCode};

use crate::CloseCode;

/// Longest message a client may send, in bytes.
pub(crate) const MAX_MESSAGE_BYTES: usize = 256 * 1024;

/// The bits of a header's first byte, RFC 6455 §5.2, and the one of its second that says that there is a mask.
const FINAL: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;

/// Longest header without a mask.
const MAX_OWN_HEADER_BYTES: usize = 10;

/// Longest content of a control frame.
const MAX_CONTROL_BYTES: usize = 125;

/// What is read of one client's frames.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// The beginning of a frame whose end is still to come, or, until the next look, one that was understood.
    begun: Vec<u8>,
    is_spent: bool,
    /// The fragments of a message so far.
    message: Vec<u8>,
    is_fragmented: bool,
}

/// One thing a client said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    Text(&'a str),
    Ping(&'a [u8]),
    Pong,
    /// With the content that is to be said back.
    Close(&'a [u8]),
    /// A fragment, but for the last.
    Part,
}

/// What a frame's header says, and where its content begins and ends.
struct Head {
    is_final: bool,
    opcode: OpCode,
    mask: [u8; 4],
    begin: usize,
    end: usize,
}

impl Reader {
    /// The next frame of `bytes` from `at` on, where it moves to the frame's end; `None` when all of them have been
    /// used, or kept. To be asked until then.
    ///
    /// # Errors
    /// The code to close with; nothing more may be read.
    pub(crate) fn next<'a>(
        &'a mut self,
        bytes: &'a mut [u8],
        at: &mut usize,
    ) -> Result<Option<Frame<'a>>, CloseCode> {
        if self.is_spent {
            self.begun = Vec::new();
            self.is_spent = false;
        }
        if !self.is_fragmented && !self.message.is_empty() {
            self.message = Vec::new();
        }
        let fresh = &bytes[*at..];
        if fresh.is_empty() {
            return Ok(None);
        }
        let (head, content) = if self.begun.is_empty() {
            let head = self.head(fresh)?;
            let Some(head) = head.filter(|head| head.end <= fresh.len()) else {
                self.begun.extend_from_slice(fresh);
                *at = bytes.len();
                return Ok(None);
            };
            let from = *at;
            *at += head.end;
            let content = from + head.begin..*at;
            (head, &mut bytes[content])
        } else {
            let Some(head) = self.go_on(bytes, at)? else {
                return Ok(None);
            };
            self.is_spent = true;
            let content = head.begin..head.end;
            (head, &mut self.begun[content])
        };
        unmask(content, head.mask);
        let data = match head.opcode {
            OpCode::Control(Control::Ping) => return Ok(Some(Frame::Ping(content))),
            OpCode::Control(Control::Close) => return close(content).map(Some),
            OpCode::Control(_) => return Ok(Some(Frame::Pong)),
            OpCode::Data(data) => data,
        };
        let text = if head.is_final && data == Data::Text {
            content
        } else {
            self.message.extend_from_slice(content);
            self.is_fragmented = !head.is_final;
            if self.is_fragmented {
                return Ok(Some(Frame::Part));
            }
            &mut self.message[..]
        };
        let text = std::str::from_utf8(text).map_err(|_| CloseCode::NotUtf8)?;
        Ok(Some(Frame::Text(text)))
    }

    /// Adds to the frame that has begun what belongs to it; `None` while its end is still to come.
    fn go_on(&mut self, bytes: &[u8], at: &mut usize) -> Result<Option<Head>, CloseCode> {
        loop {
            let head = self.head(&self.begun)?;
            // A header that is not whole needs one byte more, at least.
            let wanted = head.as_ref().map_or(self.begun.len() + 1, |head| head.end);
            let missing = wanted - self.begun.len();
            if let (0, Some(head)) = (missing, head) {
                return Ok(Some(head));
            }
            let fresh = &bytes[*at..];
            if fresh.is_empty() {
                return Ok(None);
            }
            let taken = &fresh[..missing.min(fresh.len())];
            self.begun.extend_from_slice(taken);
            *at += taken.len();
        }
    }

    /// The header at the beginning of `bytes`, when it is whole and may come now.
    fn head(&self, bytes: &[u8]) -> Result<Option<Head>, CloseCode> {
        let Some((&[first, second], rest)) = bytes.split_first_chunk() else {
            return Ok(None);
        };
        let Some((len, rest)) = content_len(second & !MASKED, rest) else {
            return Ok(None);
        };
        let (mask, rest) = match rest.split_first_chunk() {
            _ if second & MASKED == 0 => return Err(CloseCode::ProtocolError),
            Some((mask, rest)) => (*mask, rest),
            None => return Ok(None),
        };
        let len = usize::try_from(len).map_err(|_| CloseCode::TooLong)?;
        if first & RESERVED != 0 {
            return Err(CloseCode::ProtocolError);
        }
        let is_final = first & FINAL != 0;
        let opcode = OpCode::from(first & OPCODE);
        match opcode {
            OpCode::Control(Control::Reserved(_)) | OpCode::Data(Data::Reserved(_)) => {
                return Err(CloseCode::ProtocolError);
            }
            OpCode::Control(_) if !is_final || len > MAX_CONTROL_BYTES => {
                return Err(CloseCode::ProtocolError);
            }
            OpCode::Control(_) => {}
            // A message's first frame says what it is, and its others say that they are not the first.
            OpCode::Data(data) if self.is_fragmented != (data == Data::Continue) => {
                return Err(CloseCode::ProtocolError);
            }
            OpCode::Data(Data::Binary) => return Err(CloseCode::BinaryFrame),
            OpCode::Data(_) if len > MAX_MESSAGE_BYTES.saturating_sub(self.message.len()) => {
                return Err(CloseCode::TooLong);
            }
            OpCode::Data(_) => {}
        }
        // Its place is that of no content: within the bytes.
        let begin = bytes.len() - rest.len();
        Ok(Some(Head {
            is_final,
            opcode,
            mask,
            begin,
            end: begin + len,
        }))
    }
}

/// The length that a header names by these seven bits and what follows them, and what follows it; `None` when it is not
/// whole.
fn content_len(short: u8, rest: &[u8]) -> Option<(u64, &[u8])> {
    match short {
        126 => {
            let (len, rest) = rest.split_first_chunk()?;
            Some((u16::from_be_bytes(*len).into(), rest))
        }
        127 => {
            let (len, rest) = rest.split_first_chunk()?;
            Some((u64::from_be_bytes(*len), rest))
        }
        len => Some((len.into(), rest)),
    }
}

fn unmask(content: &mut [u8], mask: [u8; 4]) {
    let mask = u64::from_ne_bytes([
        mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3],
    ]);
    let (words, rest) = content.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ mask).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.to_ne_bytes()) {
        *byte ^= mask;
    }
}

/// A close frame is answered by the same, unless its code is one that may not be sent.
fn close(content: &[u8]) -> Result<Frame<'_>, CloseCode> {
    match content {
        [] => Ok(Frame::Close(content)),
        [first, second, reason @ ..] => {
            let code = u16::from_be_bytes([*first, *second]);
            if !coding::CloseCode::from(code).is_allowed() {
                return Err(CloseCode::ProtocolError);
            }
            match std::str::from_utf8(reason) {
                Ok(_) => Ok(Frame::Close(content)),
                Err(_) => Err(CloseCode::NotUtf8),
            }
        }
        [_] => Err(CloseCode::ProtocolError),
    }
}

/// Appends a text frame.
pub(crate) fn write_text(text: &str, output: &mut Vec<u8>) {
    write(OpCode::Data(Data::Text), text.as_bytes(), output);
}

/// Appends a ping without content.
pub(crate) fn write_ping(output: &mut Vec<u8>) {
    write(OpCode::Control(Control::Ping), b"", output);
}

/// Appends the answer to a ping.
pub(crate) fn write_pong(content: &[u8], output: &mut Vec<u8>) {
    write(OpCode::Control(Control::Pong), content, output);
}

/// Appends a close frame with this content.
pub(crate) fn write_close(content: &[u8], output: &mut Vec<u8>) {
    write(OpCode::Control(Control::Close), content, output);
}

fn write(opcode: OpCode, content: &[u8], output: &mut Vec<u8>) {
    output.reserve(MAX_OWN_HEADER_BYTES + content.len());
    output.push(FINAL | u8::from(opcode));
    match content.len() {
        len @ ..126 => output.push(len as u8),
        len => match u16::try_from(len) {
            Ok(len) => {
                output.push(126);
                output.extend_from_slice(&len.to_be_bytes());
            }
            Err(_) => {
                output.push(127);
                output.extend_from_slice(&(len as u64).to_be_bytes());
            }
        },
    }
    output.extend_from_slice(content);
}

#[cfg(test)]
mod tests;
