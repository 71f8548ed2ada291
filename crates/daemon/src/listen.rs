//! Listening sockets.

use std::{io, net::SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections the kernel queues before they are accepted.
const BACKLOG: i32 = 4096;

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process has the port.
    #[error(
        "--{option} {address}: the address is in use; choose another, or 0 as the port for a free one"
    )]
    InUse {
        /// The option, without its dashes.
        option: &'static str,
        /// What it said.
        address: SocketAddr,
    },
    /// Any other reason.
    #[error("--{option} {address}")]
    Io {
        /// The option, without its dashes.
        option: &'static str,
        /// What it said.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
}

/// Reads an address that an option names.
///
/// # Errors
/// What to write instead.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "write an IP address and a port, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080"
            .to_owned()
    })
}

/// Binds every address. An IPv6 address listens for IPv6 alone, so that `0.0.0.0` and `[::]` can be named
/// together. Must be called in a tokio runtime.
///
/// # Errors
/// At the first address that cannot be bound.
pub fn tcp(
    option: &'static str,
    addresses: &[SocketAddr],
) -> Result<Vec<TcpListener>, ListenError> {
    addresses
        .iter()
        .map(|address| {
            let address = *address;
            bind(address).map_err(|source| {
                if source.kind() == io::ErrorKind::AddrInUse {
                    ListenError::InUse { option, address }
                } else {
                    ListenError::Io {
                        option,
                        address,
                        source,
                    }
                }
            })
        })
        .collect()
}

/// Whether this host has IPv6 on loopback.
pub fn has_ipv6_loopback() -> bool {
    std::net::TcpListener::bind("[::1]:0").is_ok()
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restarted node must not wait for its predecessor's connections to time out.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_in_use_names_the_option() {
        let first = tcp("listen", &["127.0.0.1:0".parse().unwrap()]).unwrap();
        let taken = first[0].local_addr().unwrap();
        let error = tcp("listen", &[taken]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("--listen {taken}: ")),
            "{error}"
        );
    }

    #[tokio::test]
    async fn both_families_share_a_port() {
        if !has_ipv6_loopback() {
            panic!("this test needs ::1");
        }
        let v4 = tcp("listen", &["127.0.0.1:0".parse().unwrap()]).unwrap();
        let port = v4[0].local_addr().unwrap().port();
        tcp("listen", &[format!("[::1]:{port}").parse().unwrap()]).unwrap();
    }
}
