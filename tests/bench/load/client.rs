//! The client's end of a WebSocket, as cheap as it can be: what it sends was made before, and what it hears is counted.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use super::frames;

/// Longest wait for an answer while clients connect one after the other.
const PATIENCE: Duration = Duration::from_secs(10);

/// Time for the nodes of a cluster to hear of each other's peers.
const SETTLING: Duration = Duration::from_millis(500);

/// Bytes read at once; buffers are shared, one for a thread.
pub(crate) const READ_BYTES: usize = 64 * 1024;

/// What a client heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The handshake is over.
    Upgraded,
    /// The answer to its announce.
    Entered,
    /// A message of another peer for it.
    Message,
    Ping,
    Close,
}

/// Takes frames out of what was read.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    upgraded: bool,
    /// The beginning of a frame whose end is still to come.
    begun: Vec<u8>,
}

impl Ear {
    /// Reads once, and tells what was in it.
    pub(crate) fn read(
        &mut self,
        stream: &mut impl Read,
        buffer: &mut [u8],
        mut hear: impl FnMut(Heard),
    ) -> io::Result<Progress> {
        let begun = self.begun.len();
        buffer[..begun].copy_from_slice(&self.begun);
        let read = match stream.read(&mut buffer[begun..]) {
            Ok(0) => return Ok(Progress::End),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Ok(Progress::Drained);
            }
            Err(error) => return Err(error),
        };
        let bytes = &buffer[..begun + read];
        let mut used = 0;
        if !self.upgraded
            && let Some(end) = find(bytes, b"\r\n\r\n")
        {
            assert!(bytes.starts_with(b"HTTP/1.1 101 "), "no handshake");
            self.upgraded = true;
            used = end + 4;
            hear(Heard::Upgraded);
        }
        while self.upgraded
            && let Some((opcode, content, len)) = frame(&bytes[used..])
        {
            used += len;
            match opcode {
                1 if content.starts_with(b"/to|") => hear(Heard::Message),
                1 if content.starts_with(b"/roominfo|") => hear(Heard::Entered),
                8 => hear(Heard::Close),
                9 => hear(Heard::Ping),
                _ => {}
            }
        }
        self.begun.clear();
        self.begun.extend_from_slice(&bytes[used..]);
        let is_full = begun + read == buffer.len();
        Ok(match is_full {
            true => Progress::More,
            false => Progress::Drained,
        })
    }
}

/// How far reading has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Drained,
    More,
    End,
}

/// The first frame of a server, its content and its whole length.
fn frame(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (begin, len) = match second & 0x7f {
        126 => (
            4,
            u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into(),
        ),
        127 => (
            10,
            usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?,
        ),
        short => (2, usize::from(short)),
    };
    let content = bytes.get(begin..begin + len)?;
    Some((first & 0x0f, content, begin + len))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// The request that begins a WebSocket.
pub(crate) fn request(address: SocketAddr) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A peer in a room.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) ear: Ear,
}

impl Client {
    /// Connects, announces and waits for the answer.
    pub(crate) fn join(address: SocketAddr, id: &str, room: &str, buffer: &mut [u8]) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut client = Self {
            stream,
            ear: Ear::default(),
        };
        client.write(request(address).as_bytes());
        client.until(Heard::Upgraded, buffer);
        client.write(&frames::announce(id, room));
        client.until(Heard::Entered, buffer);
        client
    }

    /// Waits until this was heard.
    pub(crate) fn until(&mut self, wanted: Heard, buffer: &mut [u8]) {
        let mut is_heard = false;
        let end = Instant::now() + PATIENCE;
        while !is_heard {
            assert!(Instant::now() < end, "{wanted:?} was awaited");
            let hear = |heard| is_heard |= heard == wanted;
            let progress = self.ear.read(&mut self.stream, buffer, hear);
            let progress = progress.unwrap_or_else(|error| panic!("{wanted:?}: {error}"));
            assert_ne!(progress, Progress::End, "{wanted:?} was awaited");
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("an open connection");
    }
}

/// So many pairs, each in a room of its own: `2n` and `2n + 1` are one. Both have heard from each other.
pub(crate) fn pairs(addresses: [SocketAddr; 2], pairs: usize) -> Vec<Client> {
    let mut buffer = vec![0; READ_BYTES];
    let mut clients = Vec::new();
    for pair in 0..pairs {
        let (first, second, room) = names(pair);
        clients.push(Client::join(addresses[0], &first, &room, &mut buffer));
        clients.push(Client::join(addresses[1], &second, &room, &mut buffer));
    }
    if addresses[0] != addresses[1] {
        // Until what the one node has answered has reached the other.
        thread::sleep(SETTLING);
    }
    for (pair, clients) in clients.chunks_exact_mut(2).enumerate() {
        let (first, second, _) = names(pair);
        clients[0].write(&frames::talk(&first, &second)[0]);
        clients[1].until(Heard::Message, &mut buffer);
        clients[1].write(&frames::talk(&second, &first)[0]);
        clients[0].until(Heard::Message, &mut buffer);
    }
    clients
}

/// The ids of a pair, and its room.
pub(crate) fn names(pair: usize) -> (String, String, String) {
    (
        format!("c0ffee-{pair}-ann"),
        format!("c0ffee-{pair}-bob"),
        format!("room-{pair}"),
    )
}
