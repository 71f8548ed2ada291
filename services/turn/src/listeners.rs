//! The sockets that clients talk to: one for each address and thread.

use std::{io, net::SocketAddr};

use mio::net::UdpSocket;

use crate::{SetupError, addresses::interfaces, relay_sockets::udp};

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
    /// # Errors
    /// [`SetupError::Listen`] with the address that the option names.
    pub(crate) fn bind(listen: &[SocketAddr], threads: usize) -> Result<Self, SetupError> {
        let mut addresses = Vec::new();
        for address in listen {
            let error = |source| SetupError::Listen {
                address: *address,
                source,
            };
            if address.ip().is_unspecified() {
                addresses.extend(expanded(*address).map_err(error)?);
            } else {
                exclusive(*address).map_err(error)?;
                addresses.push(*address);
            }
        }
        let mut distinct: Vec<SocketAddr> = Vec::new();
        for address in addresses {
            if address.port() == 0 || !distinct.contains(&address) {
                distinct.push(address);
            }
        }
        let mut of_threads = Vec::new();
        for _ in 0..threads {
            let mut sockets = Vec::new();
            for address in &mut distinct {
                let socket = udp(*address, true).map_err(|source| SetupError::Listen {
                    address: *address,
                    source,
                })?;
                // Port 0 is a free one, and the same for every thread.
                *address = socket.local_addr()?;
                sockets.push(socket);
            }
            of_threads.push(sockets);
        }
        Ok(Self {
            addresses: distinct,
            of_threads,
        })
    }
}

/// The host's addresses of a wildcard's family, at its port, or all at one free port. Those that cannot be bound yet
/// are left out.
fn expanded(wildcard: SocketAddr) -> io::Result<Vec<SocketAddr>> {
    let port = match wildcard.port() {
        0 => udp(wildcard, false)?.local_addr()?.port(),
        port => port,
    };
    let mut addresses = Vec::new();
    for interface in interfaces()? {
        let address = SocketAddr::new(interface, port);
        if address.is_ipv4() != wildcard.is_ipv4() || addresses.contains(&address) {
            continue;
        }
        match exclusive(address) {
            Ok(()) => addresses.push(address),
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                tracing::warn!(%address, "not listening there: the address is not usable yet");
            }
            Err(error) => return Err(error),
        }
    }
    if addresses.is_empty() {
        return Err(io::ErrorKind::AddrNotAvailable.into());
    }
    Ok(addresses)
}

/// Another process of this user would share the port, and every other client would be its.
fn exclusive(address: SocketAddr) -> io::Result<()> {
    match address.port() {
        0 => Ok(()),
        _ => udp(address, false).map(drop),
    }
}
