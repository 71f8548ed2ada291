//! Who receives: one thread that waits for all sockets, and counts.

use std::{
    io::IoSliceMut,
    net::UdpSocket,
    os::fd::AsRawFd,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use mio::{Events, Interest, Poll, Token, unix::SourceFd};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, setsockopt, sockopt};

/// Datagrams, or what was coalesced of them, that are received at once.
const BATCH: usize = 32;

/// Longest datagram.
const ROOM: usize = 65_536;

/// Room for bursts, so that what is lost was lost by the server.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Lets a socket hold as much as the system allows.
pub(crate) fn enlarge(socket: &UdpSocket) {
    setsockopt(socket, sockopt::RcvBuf, &RECEIVE_BUFFER).expect("a receive buffer");
}

/// Counts what arrives at `sockets` until `stop`: datagrams of `size` bytes each, coalesced or not.
pub(crate) fn count(
    sockets: &[UdpSocket],
    size: usize,
    coalesced: bool,
    received: &AtomicU64,
    stop: &AtomicBool,
) {
    let mut poll = Poll::new().expect("a poll");
    for (number, socket) in sockets.iter().enumerate() {
        socket.set_nonblocking(true).expect("a socket");
        setsockopt(socket, sockopt::UdpGroSegment, &coalesced).expect("UDP_GRO");
        let registered = poll.registry().register(
            &mut SourceFd(&socket.as_raw_fd()),
            Token(number),
            Interest::READABLE,
        );
        registered.expect("room in the poll");
    }
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
    let mut buffers = vec![vec![0; ROOM]; BATCH];
    let mut events = Events::with_capacity(256);
    while !stop.load(Ordering::Relaxed) {
        // An interruption gives no events.
        let _ = poll.poll(&mut events, Some(Duration::from_millis(20)));
        for event in &events {
            let socket = sockets[event.token().0].as_raw_fd();
            loop {
                let mut slices: Vec<_> = buffers
                    .iter_mut()
                    .map(|buffer| [IoSliceMut::new(buffer)])
                    .collect();
                let flags = MsgFlags::MSG_DONTWAIT;
                let Ok(messages) = recvmmsg(socket, &mut headers, slices.iter_mut(), flags, None)
                else {
                    break;
                };
                let (mut count, mut datagrams) = (0, 0);
                for message in messages {
                    count += 1;
                    if message.bytes % size == 0 {
                        datagrams += message.bytes / size;
                    }
                }
                received.fetch_add(datagrams as u64, Ordering::Relaxed);
                if count < BATCH {
                    break;
                }
            }
        }
    }
}
