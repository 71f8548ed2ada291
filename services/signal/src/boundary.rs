use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A client's TCP stream that knows whether it stands between two messages.
///
/// tungstenite's buffers grow to the longest message and never shrink. Between two messages nothing is in
/// them, so that the socket can be given new ones.
#[derive(Debug)]
pub(crate) struct Boundary {
    stream: TcpStream,
    frames: Frames,
}

/// Follows the frames in a stream of bytes, RFC 6455 §5.2, without their content.
#[derive(Debug, Default)]
struct Frames {
    /// The header that is under way, and how much of it is there.
    header: [u8; 14],
    have: usize,
    /// Bytes of the frame's content that are still to come.
    left: u64,
    /// Whether more fragments of a message are to come.
    fragmented: bool,
    longest: u64,
}

impl Boundary {
    /// `read` was read from the stream already.
    pub(crate) fn new(stream: TcpStream, read: &[u8]) -> Self {
        let mut frames = Frames::default();
        frames.follow(read);
        Self { stream, frames }
    }

    /// Whether every message that has begun has been read to its end.
    pub(crate) fn is_between_messages(&self) -> bool {
        self.frames.have == 0 && self.frames.left == 0 && !self.frames.fragmented
    }

    /// The longest frame read since this was last asked, in bytes.
    pub(crate) fn take_longest(&mut self) -> u64 {
        std::mem::take(&mut self.frames.longest)
    }

    pub(crate) fn into_inner(self) -> TcpStream {
        self.stream
    }
}

impl Frames {
    fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let skipped =
                    usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
                self.left -= skipped as u64;
                bytes = &bytes[skipped..];
                continue;
            }
            self.header[self.have] = bytes[0];
            self.have += 1;
            bytes = &bytes[1..];
            if self.have == self.header_len() {
                self.begin_frame();
            }
        }
    }

    fn header_len(&self) -> usize {
        if self.have < 2 {
            return 2;
        }
        let length = match self.header[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if self.header[1] & 0x80 == 0 { 0 } else { 4 };
        2 + length + mask
    }

    fn begin_frame(&mut self) {
        let header = &self.header;
        self.left = match header[1] & 0x7f {
            126 => u16::from_be_bytes([header[2], header[3]]).into(),
            127 => u64::from_be_bytes([
                header[2], header[3], header[4], header[5], header[6], header[7], header[8],
                header[9],
            ]),
            short => short.into(),
        };
        let is_control = header[0] & 0x08 != 0;
        if !is_control {
            self.fragmented = header[0] & 0x80 == 0;
        }
        self.longest = self.longest.max(self.left);
        self.have = 0;
    }
}

impl AsyncRead for Boundary {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.frames.follow(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Boundary {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio_tungstenite::tungstenite::protocol::frame::{
        Frame,
        coding::{Control, Data, OpCode},
    };

    use super::*;

    fn frame(len: usize, opcode: OpCode, last: bool) -> Vec<u8> {
        let mut frame = Frame::message(vec![7; len], opcode, last);
        frame.header_mut().mask = Some([1, 2, 3, 4]);
        let mut bytes = Vec::new();
        frame.format(&mut bytes).unwrap();
        bytes
    }

    proptest! {
        #[test]
        fn it_is_between_messages_just_at_their_ends(
            messages in proptest::collection::vec(
                (prop_oneof![0..200usize, 60_000..70_000usize], 1..4usize, any::<bool>()), 1..6),
            chunk in 1..3_000usize,
        ) {
            let mut bytes = Vec::new();
            let mut ends = vec![0];
            for (len, fragments, ping) in messages {
                for fragment in 0..fragments {
                    let opcode = if fragment == 0 { Data::Text } else { Data::Continue };
                    bytes.extend(frame(len, OpCode::Data(opcode), fragment + 1 == fragments));
                    if ping && fragment + 1 < fragments {
                        bytes.extend(frame(3, OpCode::Control(Control::Ping), true));
                    }
                }
                ends.push(bytes.len());
            }
            let mut frames = Frames::default();
            let mut at = 0;
            for piece in bytes.chunks(chunk) {
                frames.follow(piece);
                at += piece.len();
                let between = frames.have == 0 && frames.left == 0 && !frames.fragmented;
                prop_assert_eq!(between, ends.contains(&at), "at {}", at);
            }
        }
    }
}
