//! The sockets that clients talk to: one for each address and thread.

use std::{io, net::SocketAddr};

use mio::net::UdpSocket;

use crate::{
    SetupError,
    addresses::interfaces,
    relay_sockets::{share, shared, udp},
};

/// Free ports tried for a wildcard, of which one must be free at every address.
const MAX_TRIES: usize = 16;

/// Bound sockets, the same addresses in every thread.
#[derive(Debug)]
pub(crate) struct Listeners {
    /// Where they are, none of them a wildcard.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) of_threads: Vec<Vec<UdpSocket>>,
}

impl Listeners {
    /// Binds what `--turn-listen` names. A wildcard is every address that the host has now: a socket on the
    /// wildcard itself would answer from the address that the kernel prefers for the way back, which on a host
    /// with several is not always the one that was asked, and clients drop such an answer.
    ///
    /// The first thread's sockets are bound for themselves alone, and shared only then: with a port that was shared
    /// from the start another process of this user could have it too, be it named or the kernel's choice, and every
    /// other client would be its.
    ///
    /// # Errors
    /// [`SetupError::Listen`] with the address that the option names.
    pub(crate) fn bind(listen: &[SocketAddr], threads: usize) -> Result<Self, SetupError> {
        let mut addresses = Vec::new();
        let mut first = Vec::new();
        for address in listen {
            let sockets = match address.ip().is_unspecified() {
                true => expanded(*address, &addresses),
                // Named twice; 0 is another free port each time.
                false if address.port() != 0 && addresses.contains(address) => Ok(Vec::new()),
                false => udp(*address).map(|socket| vec![socket]),
            };
            let sockets = sockets.map_err(|source| SetupError::Listen {
                address: *address,
                source,
            })?;
            for socket in sockets {
                addresses.push(socket.local_addr()?);
                first.push(socket);
            }
        }
        for socket in &first {
            share(socket)?;
        }
        let mut of_threads = vec![first];
        while of_threads.len() < threads {
            let sockets = addresses.iter().map(|address| {
                shared(*address).map_err(|source| SetupError::Listen {
                    address: *address,
                    source,
                })
            });
            of_threads.push(sockets.collect::<Result<_, _>>()?);
        }
        Ok(Self {
            addresses,
            of_threads,
        })
    }
}

/// Sockets at the host's addresses of a wildcard's family, at its port, or all at one free port; but for those that
/// are bound already.
fn expanded(wildcard: SocketAddr, bound: &[SocketAddr]) -> io::Result<Vec<UdpSocket>> {
    if wildcard.port() != 0 {
        return at_every_address(wildcard, bound);
    }
    let mut tries = 0;
    loop {
        // It is free at all addresses, but may be taken at one before we have it there.
        let port = udp(wildcard)?.local_addr()?.port();
        tries += 1;
        match at_every_address(SocketAddr::new(wildcard.ip(), port), bound) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries < MAX_TRIES => {}
            result => return result,
        }
    }
}

/// Sockets at every address of the wildcard's family; those addresses that cannot be bound yet are left out.
fn at_every_address(wildcard: SocketAddr, bound: &[SocketAddr]) -> io::Result<Vec<UdpSocket>> {
    let mut addresses = Vec::new();
    let mut sockets = Vec::new();
    for interface in interfaces()? {
        let address = SocketAddr::new(interface, wildcard.port());
        if address.is_ipv4() != wildcard.is_ipv4() || addresses.contains(&address) {
            continue;
        }
        addresses.push(address);
        if bound.contains(&address) {
            continue;
        }
        match udp(address) {
            Ok(socket) => sockets.push(socket),
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                addresses.pop();
                tracing::warn!(%address, "not listening there: the address is not usable yet");
            }
            Err(error) => return Err(error),
        }
    }
    if addresses.is_empty() {
        return Err(io::ErrorKind::AddrNotAvailable.into());
    }
    Ok(sockets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(listen: &str, threads: usize) -> Result<Listeners, SetupError> {
        let listen: Vec<SocketAddr> = listen.split(',').map(|one| one.parse().unwrap()).collect();
        Listeners::bind(&listen, threads)
    }

    #[test]
    fn every_thread_has_its_share_of_an_address_s_clients() {
        let listeners = bind("127.0.0.1:0", 4).unwrap();
        let clients: Vec<_> = (0..200)
            .map(|_| {
                let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
                client.send_to(b"hello", listeners.addresses[0]).unwrap();
                client
            })
            .collect();
        let mut heard = Vec::new();
        for sockets in &listeners.of_threads {
            let mut number = 0;
            while sockets[0].recv_from(&mut [0; 10]).is_ok() {
                number += 1;
            }
            heard.push(number);
        }
        assert_eq!(heard.iter().sum::<usize>(), clients.len(), "{heard:?}");
        assert!(heard.iter().all(|number| *number > 0), "{heard:?}");
    }

    #[test]
    fn a_port_that_another_has_is_not_shared_with_it() {
        let one = bind("127.0.0.1:0", 2).unwrap();
        let port = one.addresses[0].port();
        for listen in ["127.0.0.1", "0.0.0.0"] {
            let error = bind(&format!("{listen}:{port}"), 2).unwrap_err();
            assert!(matches!(error, SetupError::Listen { .. }), "{error}");
        }
    }

    #[test]
    fn an_address_that_is_named_twice_is_bound_once() {
        let port = udp("0.0.0.0:0".parse().unwrap()).unwrap().local_addr();
        let port = port.unwrap().port();
        for listen in [
            "0.0.0.0,127.0.0.1",
            "127.0.0.1,0.0.0.0",
            "127.0.0.1,127.0.0.1",
        ] {
            let listen = listen.split(',').map(|ip| format!("{ip}:{port}"));
            let listen = listen.collect::<Vec<String>>().join(",");
            let mut addresses = bind(&listen, 2).unwrap().addresses;
            let number = addresses.len();
            addresses.sort_unstable();
            addresses.dedup();
            assert_eq!(addresses.len(), number, "{listen}");
        }
    }
}
