//! The WebSocket protocol's frames, RFC 6455 §5, as a server reads and writes them.
//!
//! Bytes are read into a buffer that all connections of a thread share, and a frame is understood where it lies. A
//! connection keeps memory of its own only for what has begun and not ended, so that an idle one keeps none.

use std::io::Cursor;

use tokio_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{self, Control, Data, OpCode},
};

use crate::CloseCode;

/// Longest message a client may send, in bytes.
pub(crate) const MAX_MESSAGE_BYTES: usize = 256 * 1024;

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

/// A frame's header, and where its content begins and ends.
struct Head {
    header: FrameHeader,
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
        let (header, content) = if self.begun.is_empty() {
            let head = self.head(fresh)?;
            let Some(Head { header, begin, end }) = head.filter(|head| head.end <= fresh.len())
            else {
                self.begun.extend_from_slice(fresh);
                *at = bytes.len();
                return Ok(None);
            };
            let from = *at;
            *at += end;
            (header, &mut bytes[from + begin..from + end])
        } else {
            let Some(Head { header, begin, end }) = self.go_on(bytes, at)? else {
                return Ok(None);
            };
            self.is_spent = true;
            (header, &mut self.begun[begin..end])
        };
        unmask(content, header.mask.ok_or(CloseCode::ProtocolError)?);
        let data = match header.opcode {
            OpCode::Control(Control::Ping) => return Ok(Some(Frame::Ping(content))),
            OpCode::Control(Control::Close) => return close(content).map(Some),
            OpCode::Control(_) => return Ok(Some(Frame::Pong)),
            OpCode::Data(data) => data,
        };
        let text = if header.is_final && data == Data::Text {
            content
        } else {
            self.message.extend_from_slice(content);
            self.is_fragmented = !header.is_final;
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
        let mut cursor = Cursor::new(bytes);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| CloseCode::ProtocolError)?;
        let Some((header, len)) = parsed else {
            return Ok(None);
        };
        let len = usize::try_from(len).map_err(|_| CloseCode::TooLong)?;
        if header.rsv1 || header.rsv2 || header.rsv3 || header.mask.is_none() {
            return Err(CloseCode::ProtocolError);
        }
        match header.opcode {
            OpCode::Control(Control::Reserved(_)) | OpCode::Data(Data::Reserved(_)) => {
                return Err(CloseCode::ProtocolError);
            }
            OpCode::Control(_) if !header.is_final || len > MAX_CONTROL_BYTES => {
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
        let begin = usize::try_from(cursor.position()).map_err(|_| CloseCode::TooLong)?;
        Ok(Some(Head {
            header,
            begin,
            end: begin + len,
        }))
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
    let header = FrameHeader {
        is_final: true,
        rsv1: false,
        rsv2: false,
        rsv3: false,
        opcode,
        mask: None,
    };
    output.reserve(header.len(content.len() as u64) + content.len());
    // Memory takes everything.
    let _ = header.format(content.len() as u64, output);
    output.extend_from_slice(content);
}

#[cfg(test)]
mod tests;
