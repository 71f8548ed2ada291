//! ICMP messages that answer what relay sockets send, as the kernel keeps them beside each (IP_RECVERR).

use std::{io, net::SocketAddr};

use mio::net::UdpSocket;
use relay::Icmp;

use super::{Worker, time, tokens::Source};

/// Read from a socket at a time: more than its buffer holds.
const MAX_MESSAGES: usize = 1024;

impl Worker {
    /// Tells a relay socket's client what its packets were answered.
    pub(super) fn read_icmp(&mut self, source: Source) {
        let Source::RelaySocket(place) = source else {
            return;
        };
        let now = time().monotonic;
        for _ in 0..MAX_MESSAGES {
            let Some(opened) = self.sending.opened.at(place) else {
                return;
            };
            let allocation = opened.allocation;
            match next_message(&opened.socket) {
                Ok(Some((peer, icmp))) => {
                    let action = self.relay.handle_icmp(allocation, peer, icmp, now);
                    self.act(action);
                }
                // What the kernel itself could not send.
                Ok(None) => {}
                Err(error) => {
                    if error.kind() != io::ErrorKind::WouldBlock {
                        tracing::debug!(%error, "ICMP messages cannot be read");
                    }
                    return;
                }
            }
        }
    }
}

/// Has the kernel keep ICMP messages for [`next_message`]. Their errors are told to who sends or receives next, too.
///
/// # Errors
/// When the kernel does not do that.
#[cfg(target_os = "linux")]
pub(super) fn keep_messages(socket: &UdpSocket) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt};

    match socket.local_addr()?.is_ipv4() {
        true => setsockopt(socket, sockopt::Ipv4RecvErr, &true)?,
        false => setsockopt(socket, sockopt::Ipv6RecvErr, &true)?,
    }
    Ok(())
}

/// The next of them, with the peer to which the packet went; `None` where it is none of a host's.
#[cfg(target_os = "linux")]
fn next_message(socket: &UdpSocket) -> io::Result<Option<(SocketAddr, Icmp)>> {
    use std::os::fd::AsRawFd;

    use nix::{
        libc,
        sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg},
    };

    let mut space = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
    // Of the packet that it answers, nothing is wanted.
    let mut packet = [];
    let mut packet = [io::IoSliceMut::new(&mut packet)];
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let fd = socket.as_raw_fd();
    let message = recvmsg::<SockaddrStorage>(fd, &mut packet, Some(&mut space), flags)?;
    let peer = message.address.as_ref().and_then(socket_address);
    let origins = [libc::SO_EE_ORIGIN_ICMP, libc::SO_EE_ORIGIN_ICMP6];
    let error = message.cmsgs()?.find_map(|control| {
        if let ControlMessageOwned::Ipv4RecvErr(error, _)
        | ControlMessageOwned::Ipv6RecvErr(error, _) = control
        {
            origins.contains(&error.ee_origin).then_some(error)
        } else {
            None
        }
    });
    Ok(peer.zip(error).map(|(peer, error)| {
        let icmp = Icmp {
            kind: error.ee_type,
            code: error.ee_code,
            mtu: error.ee_info,
        };
        (peer, icmp)
    }))
}

#[cfg(target_os = "linux")]
fn socket_address(address: &nix::sys::socket::SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address
        .as_sockaddr_in()
        .map(|v4| SocketAddr::V4((*v4).into()));
    v4.or_else(|| {
        address
            .as_sockaddr_in6()
            .map(|v6| SocketAddr::V6((*v6).into()))
    })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn keep_messages(_: &UdpSocket) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
fn next_message(_: &UdpSocket) -> io::Result<Option<(SocketAddr, Icmp)>> {
    Err(io::ErrorKind::WouldBlock.into())
}
