use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
};

use mio::net::UdpSocket;
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};

/// Room for the longest datagram, and for as much as the kernel coalesces (UDP_GRO).
const ROOM: usize = 65_536;

/// From one buffer to the next: were it a power of two, all their beginnings would compete for few lines of cache.
const STRIDE: usize = ROOM + 5 * 64;

/// What was received at once. The buffers are the thread's, used again by every call; what was never written of them
/// is no memory.
#[derive(Debug, Default)]
pub(super) struct Receiver {
    buffers: Vec<u8>,
    received: Vec<RecvMeta>,
}

impl Receiver {
    pub(super) fn new() -> Self {
        Self {
            buffers: vec![0; STRIDE * BATCH_SIZE],
            received: vec![RecvMeta::default(); BATCH_SIZE],
        }
    }

    /// Receives what is there, as much as there is room for; tells how much, and whether there may be more.
    ///
    /// # Errors
    /// When there is nothing, or an error of an earlier packet's is told.
    pub(super) fn receive(
        &mut self,
        state: &UdpSocketState,
        socket: &UdpSocket,
    ) -> io::Result<(usize, bool)> {
        let mut rooms = self.buffers.chunks_mut(STRIDE);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(rooms.next().unwrap_or_default()));
        let count = state.recv(socket.into(), &mut slices, &mut self.received)?;
        // Fewer than there was room for: the kernel has looked for another, and found none.
        Ok((count, count == BATCH_SIZE))
    }

    /// Who sent the datagrams at `at`, and they, in order: one, or several of one size that were coalesced, of which
    /// the last may be shorter.
    pub(super) fn datagrams(&self, at: usize) -> (SocketAddr, impl Iterator<Item = &[u8]>) {
        let received = self.received.get(at).copied().unwrap_or_default();
        let start = at * STRIDE;
        let bytes = self.buffers.get(start..start + received.len);
        let bytes = bytes.unwrap_or_default();
        // An empty datagram is one, too.
        let empty = (received.len == 0).then_some(bytes);
        let datagrams = bytes.chunks(received.stride.max(1));
        (received.addr, empty.into_iter().chain(datagrams))
    }
}
