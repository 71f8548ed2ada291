//! The PROXY protocol, version 2: a proxy says before all else whose connection it passes on.
//!
//! As HAProxy's `accept-proxy` does, and the protocol demands, it is never guessed whether there is a header: from a
//! trusted proxy a connection without one is refused, and from anybody else a header is garbage.

use std::{
    io::{self, ErrorKind, Read},
    net::SocketAddr,
};

use mio::net::TcpStream;
use proxy_header::{Error, ParseConfig, Protocol, ProxyHeader};

/// Longest header that is read: addresses, and some of what proxies like to add.
const MAX_HEADER_BYTES: usize = 1024;

const VERSION_2: ParseConfig = ParseConfig {
    include_tlvs: false,
    allow_v1: false,
    allow_v2: true,
};

/// What a proxy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// The connection is the proxy's own: it asks whether we live.
    Own,
    /// It is this client's.
    Of(SocketAddr),
}

/// It says something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoHeader;

/// Reads a header and not a byte more; `None` when some of it is to come.
///
/// # Errors
/// When there is none, or the connection has ended.
pub(crate) fn read(socket: &mut TcpStream) -> Result<Option<Header>, NoHeader> {
    let mut buffer = [0; MAX_HEADER_BYTES];
    let seen = loop {
        match socket.peek(&mut buffer) {
            Ok(0) => return Err(NoHeader),
            Ok(seen) => break seen,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Err(NoHeader),
        }
    };
    let Some((header, length)) = parse(&buffer[..seen])? else {
        return Ok(None);
    };
    // It is there: it was seen.
    let taken: io::Result<()> = socket.read_exact(&mut buffer[..length]);
    taken.map_err(|_| NoHeader)?;
    Ok(Some(header))
}

/// The header at the beginning of `bytes`, and its length; `None` when it may be there once there is more.
fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, NoHeader> {
    match ProxyHeader::parse(bytes, VERSION_2) {
        Ok((header, length)) => match header.proxied_address() {
            None => Ok(Some((Header::Own, length))),
            Some(proxied) if proxied.protocol == Protocol::Stream => {
                Ok(Some((Header::Of(proxied.source), length)))
            }
            Some(_) => Err(NoHeader),
        },
        Err(Error::BufferTooShort) if bytes.len() < MAX_HEADER_BYTES => Ok(None),
        Err(_) => Err(NoHeader),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 2, as the protocol's text has it: signature, version and command, family and protocol, length,
    /// addresses.
    fn header(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        let signature = b"\r\n\r\n\0\r\nQUIT\n";
        [
            &signature[..],
            &[0x20 | command, family],
            &length,
            addresses,
        ]
        .concat()
    }

    const V4: [u8; 12] = [192, 0, 2, 9, 198, 51, 100, 1, 0x12, 0x34, 0x0D, 0x96];

    #[test]
    fn the_client_is_the_source_that_the_proxy_names() {
        let header = header(1, 0x11, &V4);
        let whole = [&header[..], b"what follows"].concat();
        let client = "192.0.2.9:4660".parse().unwrap();
        assert_eq!(parse(&whole), Ok(Some((Header::Of(client), header.len()))));
        for length in 1..header.len() {
            assert_eq!(parse(&header[..length]), Ok(None), "{length}");
        }
    }

    #[test]
    fn what_follows_the_addresses_belongs_to_the_header() {
        let more = [&V4[..], &[0x04, 0, 3, 1, 2, 3]].concat();
        let header = header(1, 0x11, &more);
        let (_, length) = parse(&header).unwrap().unwrap();
        assert_eq!(length, header.len());
    }

    #[test]
    fn a_proxy_that_asks_whether_we_live_speaks_for_itself() {
        let header = header(0, 0, &[]);
        assert_eq!(parse(&header), Ok(Some((Header::Own, 16))));
    }

    #[test]
    fn what_is_no_header_of_version_2_for_a_stream_is_refused() {
        let datagram = header(1, 0x12, &V4);
        let long = header(1, 0x11, &[0; 2 * MAX_HEADER_BYTES]);
        for bytes in [
            &b"PROXY TCP4 192.0.2.9 198.51.100.1 4660 3478\r\n"[..],
            b"\x00\x03\x00\x08\x21\x12\xA4\x42",
            b"\x16\x03\x01",
            &datagram,
            &long[..MAX_HEADER_BYTES],
        ] {
            assert_eq!(parse(bytes), Err(NoHeader), "{bytes:?}");
        }
    }
}
