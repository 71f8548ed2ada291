use std::{
    io,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
};

use mio::net::{TcpListener, TcpStream, UdpSocket};
#[cfg(target_os = "linux")]
use nix::sys::socket::{setsockopt, sockopt::UdpGroSegment};
#[cfg(target_os = "linux")]
use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Ports tried for one allocation; a range in which none of so many is free is full.
const MAX_TRIES: usize = 128;

/// Connections of peers that the kernel takes for a relayed address before we do.
const BACKLOG: i32 = 16;

/// Opens relay sockets within the port range. Threads, and other processes, share the range without knowing of
/// each other: whether a port is free is for the kernel to say.
#[derive(Debug)]
pub(crate) struct Ports {
    range: RangeInclusive<u16>,
}

impl Ports {
    pub(crate) fn new(range: RangeInclusive<u16>) -> Self {
        Self { range }
    }

    /// A socket on a free port, an even one if it must be. Ports are the system's random numbers, so that who has
    /// one allocation does not know where the next one is, RFC 8656 §7.2.
    ///
    /// # Errors
    /// When no port of those that were tried is free, or the process is out of descriptors.
    pub(crate) fn open(&self, ip: IpAddr, even: bool) -> io::Result<UdpSocket> {
        let ports = shuffled(&self.range, random()?, random()?);
        let wanted = ports.filter(|port| !even || port.is_multiple_of(2));
        for port in wanted.take(MAX_TRIES) {
            match udp(SocketAddr::new(ip, port)) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                opened => return opened,
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    /// The same for connections: a socket that takes them.
    ///
    /// # Errors
    /// As above.
    pub(crate) fn open_tcp(&self, ip: IpAddr) -> io::Result<TcpListener> {
        let ports = shuffled(&self.range, random()?, random()?);
        for port in ports.take(MAX_TRIES) {
            match tcp(SocketAddr::new(ip, port)) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                opened => return opened,
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    /// Sockets on two ports in a row, the first of them even.
    ///
    /// # Errors
    /// When of those that were tried no two are free, or the process is out of descriptors.
    pub(crate) fn open_two(&self, ip: IpAddr) -> io::Result<(UdpSocket, UdpSocket)> {
        let ports = shuffled(&self.range, random()?, random()?);
        let last = *self.range.end();
        let wanted = ports.filter(|port| port.is_multiple_of(2) && *port < last);
        for port in wanted.take(MAX_TRIES) {
            let two = udp(SocketAddr::new(ip, port))
                .and_then(|even| Ok((even, udp(SocketAddr::new(ip, port + 1))?)));
            match two {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                opened => return opened,
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }
}

/// Sends a packet that goes in one piece or not at all, RFC 8656 §11.3. Whatever a path's MTU is said to be: that
/// somebody found it for the kernel, or claimed to have found it, is no reason not to try.
///
/// # Errors
/// When the packet is longer than the link's MTU, or for any other reason that sending has.
#[cfg(target_os = "linux")]
pub(crate) fn send_whole(socket: &UdpSocket, data: &[u8], peer: SocketAddr) -> io::Result<usize> {
    let set = |whole: bool| {
        if peer.is_ipv4() {
            let discovery = match whole {
                true => Ipv4PathMtuDiscovery::PROBE,
                false => Ipv4PathMtuDiscovery::DONT,
            };
            sockopt::set_ip_mtu_discover(socket, discovery)
        } else {
            let discovery = match whole {
                true => Ipv6PathMtuDiscovery::PROBE,
                false => Ipv6PathMtuDiscovery::DONT,
            };
            sockopt::set_ipv6_mtu_discover(socket, discovery)
        }
    };
    set(true)?;
    let sent = socket.send_to(data, peer);
    set(false)?;
    sent
}

/// Elsewhere nobody is told that it can be done.
#[cfg(not(target_os = "linux"))]
pub(crate) fn send_whole(_: &UdpSocket, _: &[u8], _: SocketAddr) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Every port of the range once, in strides from one of them: a neighbour of a taken port is likelier to be taken.
fn shuffled(range: &RangeInclusive<u16>, start: u32, stride: u32) -> impl Iterator<Item = u16> {
    let first = *range.start();
    let count = u64::from(*range.end() - first) + 1;
    // Without a common divisor it comes back to where it began after all of them, and not before.
    let coprime = (u64::from(stride) % count..).find(|stride| gcd(*stride, count) == 1);
    let (start, stride) = (u64::from(start), coprime.unwrap_or(1));
    (0..count).map(move |step| first + ((start + step * stride) % count) as u16)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn random() -> io::Result<u32> {
    getrandom::u32().map_err(io::Error::other)
}

/// A socket for one family that has its port for itself.
///
/// # Errors
/// When the address cannot be bound.
pub(crate) fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    bound(unbound(address)?, address)
}

/// Lets others have the port of `socket` too, which must ask for that before they are bound: see [`shared`].
///
/// # Errors
/// When the system does not have it.
pub(crate) fn share(socket: &UdpSocket) -> io::Result<()> {
    set_shared(&SockRef::from(socket))
}

/// A socket for one family whose port is also those sockets' that [`share`] it.
///
/// # Errors
/// When the address cannot be bound.
pub(crate) fn shared(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = unbound(address)?;
    set_shared(&SockRef::from(&socket))?;
    bound(socket, address)
}

fn set_shared(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_reuse_port(true)?;
    // A burst from many clients waits here, and what a round has for all of them; the kernel gives what its limit
    // allows.
    socket.set_send_buffer_size(4 * 1024 * 1024)?;
    socket.set_recv_buffer_size(4 * 1024 * 1024)
}

fn unbound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM.nonblocking().cloexec(),
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    allow_fragments(&socket, address)?;
    coalesce(&socket);
    Ok(socket)
}

fn bound(socket: Socket, address: SocketAddr) -> io::Result<UdpSocket> {
    socket.bind(&address.into())?;
    Ok(UdpSocket::from_std(socket.into()))
}

/// Takes connections at a port that it has for itself: only then it is shared, with the connections that
/// [`tcp_from`] makes from there.
fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = tcp_socket(address)?;
    socket.bind(&address.into())?;
    socket.set_reuse_port(true)?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Begins to make a connection from the address at which a socket of ours takes them.
///
/// # Errors
/// When there is no way to the peer, or there was one with it a moment ago.
pub(crate) fn tcp_from(address: SocketAddr, peer: SocketAddr) -> io::Result<TcpStream> {
    let socket = tcp_socket(address)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    match socket.connect(&peer.into()) {
        Err(error)
            if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) =>
        {
            Err(error)
        }
        Ok(()) | Err(_) => Ok(TcpStream::from_std(socket.into())),
    }
}

/// A socket of TCP for one family, not bound.
///
/// # Errors
/// When the process is out of descriptors, or the system has not the family.
pub(crate) fn tcp_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking().cloexec(),
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

/// Whether DONT-FRAGMENT can be honoured, by [`send_whole`].
pub(crate) const CAN_SEND_WHOLE: bool = cfg!(target_os = "linux");

/// Without DONT-FRAGMENT a packet that is too long for its way arrives in fragments, RFC 8656 §15: a path's MTU
/// that somebody found for the kernel, or claimed to have found, is not this client's.
#[cfg(target_os = "linux")]
fn allow_fragments(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv4() {
        sockopt::set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::DONT)?;
    } else {
        sockopt::set_ipv6_mtu_discover(socket, Ipv6PathMtuDiscovery::DONT)?;
    }
    Ok(())
}

/// Fragments are allowed by default elsewhere.
#[cfg(not(target_os = "linux"))]
fn allow_fragments(_: &Socket, _: SocketAddr) -> io::Result<()> {
    Ok(())
}

/// Lets datagrams of one sender that come at once be received as one (UDP_GRO): they cost as much as one. Where the
/// kernel cannot, they come by themselves.
#[cfg(target_os = "linux")]
fn coalesce(socket: &Socket) {
    if let Err(error) = setsockopt(socket, UdpGroSegment, &true) {
        tracing::debug!(%error, "datagrams are not coalesced");
    }
}

#[cfg(not(target_os = "linux"))]
fn coalesce(_: &Socket) {}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_taken_port_is_passed_over_until_the_range_is_full() {
        // Three ports in a row that are free.
        let first = (20_000..30_000)
            .find(|first| (0..3).all(|n| udp(SocketAddr::new(HERE, first + n)).is_ok()))
            .unwrap();
        let ports = Ports::new(first..=first + 2);
        let taken: Vec<UdpSocket> = (0..3).map(|_| ports.open(HERE, false).unwrap()).collect();
        let mut numbers: Vec<u16> = taken
            .iter()
            .map(|socket| socket.local_addr().unwrap().port())
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [first, first + 1, first + 2]);
        let full = ports.open(HERE, false).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::AddrInUse);
        drop(taken);
        let even = ports.open(HERE, true).unwrap().local_addr().unwrap();
        assert!(even.port().is_multiple_of(2));
    }

    #[test]
    fn every_port_is_tried_once_and_none_beside_the_one_before() {
        for (count, start, stride) in [(1, 7, 9), (2, 1, 4), (7, 3, 7), (16_384, 5, 12_288)] {
            let range = 20_000..=20_000 + (count - 1);
            let mut ports: Vec<u16> = shuffled(&range, start, stride).collect();
            let neighbours = ports.windows(2).filter(|two| two[0].abs_diff(two[1]) < 2);
            assert!(count < 100 || neighbours.count() == 0);
            ports.sort_unstable();
            assert_eq!(ports, range.collect::<Vec<u16>>());
        }
    }

    #[test]
    fn two_ports_in_a_row_are_had_together_or_not_at_all() {
        let here = IpAddr::from([127, 0, 0, 4]);
        let bind = |port| udp(SocketAddr::new(here, port));
        let ports = Ports::new(21_001..=21_006);
        // Of 21002 and 21003, 21004 and 21005 the second pair is left; 21006 has no next one.
        let odd = bind(21_003).unwrap();
        let port = |socket: &UdpSocket| socket.local_addr().unwrap().port();
        let (even, next) = ports.open_two(here).unwrap();
        assert_eq!((port(&even), port(&next)), (21_004, 21_005));
        let full = ports.open_two(here).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::AddrInUse);
        // The even one of a pair that could not be had is free.
        bind(21_002).unwrap();
        drop(odd);
        let (even, _) = ports.open_two(here).unwrap();
        assert_eq!(port(&even), 21_002);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_goes_whole_leaves_no_trace_on_its_socket() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let peer = udp(address.parse().unwrap()).unwrap();
            let socket = udp(address.parse().unwrap()).unwrap();
            let peer = peer.local_addr().unwrap();
            // Loopback's MTU is 65536 bytes: with its headers the longest datagram is longer.
            let whole = |bytes: usize| send_whole(&socket, &vec![0; bytes], peer);
            assert_eq!(whole(1000).unwrap(), 1000);
            let long = whole(65_507 - 20 + 60).unwrap_err();
            assert_eq!(
                long.raw_os_error(),
                Some(rustix::io::Errno::MSGSIZE.raw_os_error())
            );
            if peer.is_ipv4() {
                let discovery = sockopt::ip_mtu_discover(&socket).unwrap();
                assert_eq!(discovery, Ipv4PathMtuDiscovery::DONT);
            } else {
                let discovery = sockopt::ipv6_mtu_discover(&socket).unwrap();
                assert_eq!(discovery, Ipv6PathMtuDiscovery::DONT);
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn packets_may_be_fragmented() {
        let v4 = udp("127.0.0.1:0".parse().unwrap()).unwrap();
        let discovery = sockopt::ip_mtu_discover(&v4).unwrap();
        assert_eq!(discovery, Ipv4PathMtuDiscovery::DONT);
        let v6 = udp("[::1]:0".parse().unwrap()).unwrap();
        let discovery = sockopt::ipv6_mtu_discover(&v6).unwrap();
        assert_eq!(discovery, Ipv6PathMtuDiscovery::DONT);
    }
}
