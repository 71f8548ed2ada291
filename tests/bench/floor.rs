//! The least that a server can do for a frame: a WebSocket handshake, then `/to|ID|…` handed to the socket that said
//! `/announce|ID|…`. One thread, one epoll, one read for a wake and one write for a receiver; no rooms, no rules.

use std::{
    collections::HashMap,
    io::{self, Cursor, Read, Write},
    net::SocketAddr,
};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};
use slab::Slab;
use tokio_tungstenite::tungstenite::{
    handshake::derive_accept_key,
    protocol::frame::{
        FrameHeader,
        coding::{Control, Data, OpCode},
    },
};

const LISTENER: Token = Token(usize::MAX);

struct Client {
    stream: TcpStream,
    upgraded: bool,
    /// The beginning of a frame, or of a request, whose end is still to come.
    begun: Vec<u8>,
    output: Vec<u8>,
    id: Box<[u8]>,
}

#[derive(Default)]
struct Floor {
    clients: Slab<Client>,
    ids: HashMap<Box<[u8]>, usize>,
    /// Who has something to be written.
    waiting: Vec<usize>,
}

/// Serves until the process is killed; `listening` is told where.
pub(crate) fn serve(listening: impl FnOnce(SocketAddr)) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    listening(listener.local_addr()?);
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut floor = Floor::default();
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            match event.token() {
                LISTENER => floor.accept(&listener, &poll)?,
                Token(client) => {
                    let is_gone = event.is_readable() && !floor.read(client, &mut buffer);
                    if (is_gone || event.is_read_closed()) && floor.clients.contains(client) {
                        let id = floor.clients.remove(client).id;
                        floor.ids.remove(&id);
                    } else if event.is_writable() {
                        floor.waiting.push(client);
                    }
                }
            }
        }
        for client in std::mem::take(&mut floor.waiting) {
            if let Some(client) = floor.clients.get_mut(client)
                && !client.output.is_empty()
                && let Ok(written) = client.stream.write(&client.output)
            {
                client.output.drain(..written);
            }
        }
    }
}

impl Floor {
    fn accept(&mut self, listener: &TcpListener, poll: &Poll) -> io::Result<()> {
        while let Ok((mut stream, _)) = listener.accept() {
            stream.set_nodelay(true)?;
            let entry = self.clients.vacant_entry();
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry()
                .register(&mut stream, Token(entry.key()), interest)?;
            entry.insert(Client {
                stream,
                upgraded: false,
                begun: Vec::new(),
                output: Vec::new(),
                id: Box::default(),
            });
        }
        Ok(())
    }

    /// False when the client is gone.
    fn read(&mut self, at: usize, buffer: &mut [u8]) -> bool {
        loop {
            let Some(client) = self.clients.get_mut(at) else {
                return true;
            };
            let begun = client.begun.len();
            buffer[..begun].copy_from_slice(&client.begun);
            let read = match client.stream.read(&mut buffer[begun..]) {
                Ok(0) => return false,
                Ok(read) => read,
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            };
            let (is_last, bytes) = (begun + read < buffer.len(), &mut buffer[..begun + read]);
            let used = match client.upgraded {
                true => self.frames(at, bytes),
                false => Some(self.upgrade(at, bytes)),
            };
            let (Some(used), Some(client)) = (used, self.clients.get_mut(at)) else {
                return false;
            };
            client.begun.clear();
            client.begun.extend_from_slice(&bytes[used..]);
            if is_last {
                return true;
            }
        }
    }

    fn upgrade(&mut self, at: usize, bytes: &[u8]) -> usize {
        if !bytes.ends_with(b"\r\n\r\n") {
            return 0;
        }
        let request = String::from_utf8_lossy(bytes);
        let key = request
            .lines()
            .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
            .unwrap_or_default();
        let key = derive_accept_key(key.as_bytes());
        let client = &mut self.clients[at];
        client.upgraded = true;
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {key}\r\n\r\n"
        );
        client.output.extend_from_slice(answer.as_bytes());
        self.waiting.push(at);
        bytes.len()
    }

    /// How much of the bytes was whole frames; none when the client is gone.
    fn frames(&mut self, at: usize, bytes: &mut [u8]) -> Option<usize> {
        let mut used = 0;
        loop {
            let mut cursor = Cursor::new(&bytes[used..]);
            let Some((header, len)) = FrameHeader::parse(&mut cursor).ok()? else {
                return Some(used);
            };
            let begin = used + usize::try_from(cursor.position()).ok()?;
            let end = begin + usize::try_from(len).ok()?;
            let Some(text) = bytes.get_mut(begin..end) else {
                return Some(used);
            };
            let mask = header.mask?;
            for (at, byte) in text.iter_mut().enumerate() {
                *byte ^= mask[at & 3];
            }
            match header.opcode {
                OpCode::Control(Control::Close) => return None,
                OpCode::Control(_) => {}
                OpCode::Data(_) => self.text(at, text),
            }
            used = end;
        }
    }

    fn text(&mut self, at: usize, text: &[u8]) {
        let mut parts = text.splitn(3, |byte| *byte == b'|');
        match (parts.next(), parts.next()) {
            (Some(b"/to"), Some(id)) => {
                if let Some(receiver) = self.ids.get(id) {
                    self.tell(*receiver, text);
                }
            }
            (Some(b"/announce"), Some(id)) => {
                self.clients[at].id = id.into();
                self.ids.insert(id.into(), at);
                // So that the other side knows when it may be spoken to.
                self.tell(at, b"/roominfo|{\"memberCount\":1}");
            }
            _ => {}
        }
    }

    fn tell(&mut self, to: usize, text: &[u8]) {
        let output = &mut self.clients[to].output;
        if output.is_empty() {
            self.waiting.push(to);
        }
        let header = FrameHeader {
            is_final: true,
            rsv1: false,
            rsv2: false,
            rsv3: false,
            opcode: OpCode::Data(Data::Text),
            mask: None,
        };
        let written = header.format(text.len() as u64, output);
        written.expect("memory takes everything");
        output.extend_from_slice(text);
    }
}
