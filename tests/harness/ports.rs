use std::{
    net::{IpAddr, TcpListener, UdpSocket},
    ops::RangeInclusive,
    sync::atomic::{AtomicU32, Ordering},
};

/// Below the range from which Linux takes the ports of outgoing connections: nothing takes one of these while what
/// listened there is stopped. Relayed addresses are above it too.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

/// A TCP port of 127.0.0.1 that is free, and that this process has not named before.
pub fn free_port() -> u16 {
    let ports = unnamed(1, |port| TcpListener::bind(("127.0.0.1", port)).is_ok());
    *ports.start()
}

/// A UDP port of `ip` that is free, and that this process has not named before.
pub fn free_udp_port(ip: impl Into<IpAddr>) -> u16 {
    *free_udp_ports(ip, 1).start()
}

/// So many of them in a row.
pub fn free_udp_ports(ip: impl Into<IpAddr>, count: u16) -> RangeInclusive<u16> {
    let ip = ip.into();
    unnamed(count, |port| UdpSocket::bind((ip, port)).is_ok())
}

/// Ports in a row that are free; processes begin at different ones.
fn unnamed(count: u16, is_free: impl Fn(u16) -> bool) -> RangeInclusive<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let process = (std::process::id() % u32::from(COUNT)) * 41;
    for _ in 0..COUNT {
        let n = NEXT.fetch_add(u32::from(count), Ordering::Relaxed) + process;
        let first = FIRST + u16::try_from(n % u32::from(COUNT)).unwrap();
        let ports = first..=first + (count - 1);
        if *ports.end() < FIRST + COUNT && ports.clone().all(&is_free) {
            return ports;
        }
    }
    panic!("no port is free");
}
