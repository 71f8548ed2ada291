use std::{
    io,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
};

use mio::net::UdpSocket;
#[cfg(target_os = "linux")]
use nix::sys::socket::{setsockopt, sockopt::UdpGroSegment};
#[cfg(target_os = "linux")]
use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery};
use socket2::{Domain, Protocol, Socket, Type};

/// Ports tried for one allocation; a range in which none of so many is free is full.
const MAX_TRIES: usize = 128;

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
            match udp(SocketAddr::new(ip, port), false) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                opened => return opened,
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }
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

/// A socket for one family, shared with other threads' or its own alone.
///
/// # Errors
/// When the address cannot be bound.
pub(crate) fn udp(address: SocketAddr, shared: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM.nonblocking().cloexec(),
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if shared {
        socket.set_reuse_port(true)?;
        // A burst from many clients waits here; the kernel gives what its limit allows.
        socket.set_recv_buffer_size(4 * 1024 * 1024)?;
    }
    allow_fragments(&socket, address)?;
    coalesce(&socket);
    socket.bind(&address.into())?;
    Ok(UdpSocket::from_std(socket.into()))
}

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
            .find(|first| (0..3).all(|n| udp(SocketAddr::new(HERE, first + n), false).is_ok()))
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

    #[cfg(target_os = "linux")]
    #[test]
    fn packets_may_be_fragmented() {
        let v4 = udp("127.0.0.1:0".parse().unwrap(), false).unwrap();
        let discovery = sockopt::ip_mtu_discover(&v4).unwrap();
        assert_eq!(discovery, Ipv4PathMtuDiscovery::DONT);
        let v6 = udp("[::1]:0".parse().unwrap(), false).unwrap();
        let discovery = sockopt::ipv6_mtu_discover(&v6).unwrap();
        assert_eq!(discovery, Ipv6PathMtuDiscovery::DONT);
    }
}
