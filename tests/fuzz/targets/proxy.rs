//! What a proxy says first, in two pieces: cut anywhere, the same header is found in it, and no byte behind it is
//! taken.

#![no_main]

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, TcpListener},
    sync::{LazyLock, Mutex},
};

use libfuzzer_sys::fuzz_target;
use mio::net::TcpStream;

use proxy_protocol::{Header, NoHeader, read};

// It is the relay's own, of no use to anybody else, and needs nothing of what is around it there.
#[path = "../../../services/turn/src/proxy_protocol.rs"]
mod proxy_protocol;

/// Of version 2: what it begins with, command, family and length.
const FIXED_BYTES: usize = 16;
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

type Found = Result<Option<Header>, NoHeader>;

/// A proxy, and what it is connected to. There is one connection, left empty each time: new ones would use up all
/// ports.
struct Connection {
    proxy: std::net::TcpStream,
    socket: TcpStream,
}

static CONNECTION: LazyLock<Mutex<Connection>> = LazyLock::new(|| {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let proxy = std::net::TcpStream::connect(address).expect("a connection");
    proxy.set_nodelay(true).expect("no delay");
    let (socket, _) = listener.accept().expect("a connection");
    socket.set_nonblocking(true).expect("no waiting");
    let socket = TcpStream::from_std(socket);
    Mutex::new(Connection { proxy, socket })
});

fuzz_target!(|input: &[u8]| {
    let [c0, c1, said @ ..] = input else {
        return;
    };
    let mut connection = CONNECTION.lock().expect("one thread");
    let (found, left) = connection.say([said, &[]]);
    match found {
        Ok(Some(_)) => {
            assert!(said.starts_with(SIGNATURE));
            let length = usize::from(u16::from_be_bytes([said[14], said[15]]));
            assert_eq!(left, said[FIXED_BYTES + length..]);
        }
        Ok(None) | Err(NoHeader) => assert_eq!(left, said),
    }
    let cut = usize::from(u16::from_le_bytes([*c0, *c1])) % (said.len() + 1);
    let (first, second) = said.split_at(cut);
    assert_eq!(connection.say([first, second]), (found, left));
});

impl Connection {
    /// What is found in the pieces, and what is left of them.
    fn say(&mut self, pieces: [&[u8]; 2]) -> (Found, Vec<u8>) {
        let mut found = Ok(None);
        for piece in pieces {
            self.proxy.write_all(piece).expect("room for a piece");
            // Who has found something, or nothing, does not look again.
            if let Ok(None) = found {
                found = read(&mut self.socket);
            }
        }
        let mut left = Vec::new();
        match self.socket.read_to_end(&mut left) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            ended => panic!("{ended:?}"),
        }
        (found, left)
    }
}
