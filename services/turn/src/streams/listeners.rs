//! Sockets that connections come to: one for each address and thread.

use std::{io, net::SocketAddr};

use mio::net::TcpListener;

use crate::{addresses::interfaces, relay_sockets::tcp_socket};

/// Connections the kernel queues before they are taken.
const BACKLOG: i32 = 1024;

/// What the kernel keeps of what a client does not read, besides our own queue; it would let it grow to megabytes.
const SEND_BUFFER_BYTES: usize = 128 * 1024;

/// Binds the addresses, none of which is a wildcard, once for each thread. Port 0 becomes a free one.
///
/// # Errors
/// With the address that cannot be bound.
pub(crate) fn bind(
    addresses: &mut [SocketAddr],
    threads: usize,
) -> Result<Vec<Vec<TcpListener>>, (SocketAddr, io::Error)> {
    let mut of_threads: Vec<Vec<TcpListener>> = Vec::new();
    of_threads.resize_with(threads, Vec::new);
    for address in addresses {
        // Another process of this user would share the port, and every other client would be its.
        if address.port() != 0 {
            listener(*address, false).map_err(|error| (*address, error))?;
        }
        for listeners in &mut of_threads {
            let bound = listener(*address, true).and_then(|listener| {
                *address = listener.local_addr()?;
                Ok(listener)
            });
            listeners.push(bound.map_err(|error| (*address, error))?);
        }
    }
    Ok(of_threads)
}

/// The addresses of this host that `address` stands for: itself, or where it is a wildcard, those of its family that
/// can be bound.
///
/// # Errors
/// When there is none.
pub(crate) fn hosts(address: SocketAddr) -> io::Result<Vec<SocketAddr>> {
    if !address.ip().is_unspecified() {
        return Ok(vec![address]);
    }
    let port = match address.port() {
        0 => listener(address, false)?.local_addr()?.port(),
        port => port,
    };
    let mut hosts = Vec::new();
    for ip in interfaces()? {
        let host = SocketAddr::new(ip, port);
        if host.is_ipv4() != address.is_ipv4() || hosts.contains(&host) {
            continue;
        }
        match listener(host, false) {
            Ok(_) => hosts.push(host),
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                tracing::warn!(address = %host, "not listening there: the address is not usable yet");
            }
            Err(error) => return Err(error),
        }
    }
    match hosts.is_empty() {
        true => Err(io::ErrorKind::AddrNotAvailable.into()),
        false => Ok(hosts),
    }
}

fn listener(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = tcp_socket(address)?;
    // Connections of the process before this one may still be waiting for their last packets.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_taken_is_named_and_threads_share_theirs() {
        let mut addresses = ["127.0.0.1:0".parse().unwrap()];
        let bound = bind(&mut addresses, 2).unwrap();
        assert_eq!(bound.len(), 2);
        for listeners in &bound {
            assert_eq!(listeners[0].local_addr().unwrap(), addresses[0]);
        }
        let taken = addresses[0];
        let (address, error) = bind(&mut addresses, 1).unwrap_err();
        assert_eq!((address, error.kind()), (taken, io::ErrorKind::AddrInUse));
    }
}
