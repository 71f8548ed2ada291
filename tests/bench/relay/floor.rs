//! The least that a server can do for a datagram: one thread, which waits for up to 64 of them, and sends what is behind
//! the first four bytes of each to one address. Two system calls for a wake; nobody is told apart.

use std::{
    io::{self, IoSlice, IoSliceMut},
    net::{SocketAddr, UdpSocket},
    os::fd::AsRawFd,
};

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};

use crate::sink::enlarge;

const BATCH: usize = 64;

/// Longest datagram that is forwarded whole.
const ROOM: usize = 2048;

/// Bytes of a ChannelData header.
const HEADER: usize = 4;

/// Serves until the process is killed; `listening` is told where.
pub(crate) fn serve(sink: SocketAddr, listening: impl FnOnce(SocketAddr)) -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    enlarge(&socket);
    listening(socket.local_addr()?);
    let fd = socket.as_raw_fd();
    let to = [Some(SockaddrStorage::from(sink)); BATCH];
    let mut buffers = vec![[0; ROOM]; BATCH];
    let mut incoming = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
    let mut outgoing = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
    loop {
        let mut lengths = [0; BATCH];
        let mut count = 0;
        let mut at = buffers.iter_mut();
        let mut slices: [[IoSliceMut<'_>; 1]; BATCH] =
            std::array::from_fn(|_| [IoSliceMut::new(at.next().expect("a buffer for each"))]);
        let flags = MsgFlags::MSG_WAITFORONE;
        for message in recvmmsg(fd, &mut incoming, slices.iter_mut(), flags, None)? {
            lengths[count] = message.bytes;
            count += 1;
        }
        let data: [[IoSlice<'_>; 1]; BATCH] = std::array::from_fn(|at| {
            let end = lengths[at].max(HEADER);
            [IoSlice::new(&buffers[at][HEADER..end])]
        });
        let (data, to) = (&data[..count], &to[..count]);
        // What is not taken is lost.
        let _ = sendmmsg(fd, &mut outgoing, data, to, [], MsgFlags::empty());
    }
}
