use std::{
    io,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
};

use mio::net::UdpSocket;
use socket2::{Domain, Protocol, Socket, Type};

/// Ports tried for one allocation, from a random one on; a range that is this full is full.
const MAX_TRIES: usize = 128;

/// Opens relay sockets within the port range. Threads, and other processes, share the range without knowing of
/// each other: whether a port is free is for the kernel to say.
#[derive(Debug)]
pub(crate) struct Ports {
    range: RangeInclusive<u16>,
    random: u64,
}

impl Ports {
    /// `seed` is random: relayed ports are hard to guess.
    pub(crate) fn new(range: RangeInclusive<u16>, seed: u64) -> Self {
        Self {
            range,
            random: seed | 1,
        }
    }

    /// A socket on a free port, an even one if it must be.
    ///
    /// # Errors
    /// When no port of those that were tried is free, or the process is out of descriptors.
    pub(crate) fn open(&mut self, ip: IpAddr, even: bool) -> io::Result<UdpSocket> {
        let first = u32::from(*self.range.start());
        let count = u32::from(*self.range.end()) - first + 1;
        let start = self.next_random() % count;
        let ports = (0..count).map(|step| first + (start + step) % count);
        let wanted = ports.filter(|port| !even || port.is_multiple_of(2));
        for port in wanted.take(MAX_TRIES) {
            let port = u16::try_from(port).map_err(io::Error::other)?;
            match udp(SocketAddr::new(ip, port), false) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                opened => return opened,
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    /// xorshift64*: unpredictable enough for a port, and not more than that.
    fn next_random(&mut self) -> u32 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as u32
    }
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
    socket.bind(&address.into())?;
    Ok(UdpSocket::from_std(socket.into()))
}

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
        let mut ports = Ports::new(first..=first + 2, 7);
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
}
