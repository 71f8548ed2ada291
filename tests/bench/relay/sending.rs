//! Who sends: one thread, which never waits for anybody.

use std::{
    io::IoSlice,
    net::UdpSocket,
    os::fd::AsRawFd,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg, sendmsg,
};

use crate::cell::{Cell, Sender};

/// Behind by more than this, the schedule starts anew: nobody gains from a flood after a pause.
const MOST_BEHIND: Duration = Duration::from_millis(5);

/// Sends `datagram` from the sockets in turn until `stop`, as the cell says; each is connected to its receiver.
pub(crate) fn send(
    cell: Cell,
    sockets: &[UdpSocket],
    datagram: &[u8],
    sent: &AtomicU64,
    stop: &AtomicBool,
) {
    let burst = cell.sender.burst();
    let interval = cell
        .pace
        .rate()
        .map(|rate| Duration::from_secs(1) * burst as u32 / rate);
    let size = datagram.len() as u16;
    let coalesced = datagram.repeat(burst);
    let slices = vec![[IoSlice::new(datagram)]; burst];
    let nobody: Vec<Option<SockaddrStorage>> = vec![None; burst];
    let mut headers = MultiHeaders::preallocate(burst, None);
    let mut due = Instant::now();
    for socket in sockets.iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        if let Some(interval) = interval {
            while Instant::now() < due {
                thread::yield_now();
            }
            if due.elapsed() > MOST_BEHIND {
                due = Instant::now();
            }
            due += interval;
        }
        let fd = socket.as_raw_fd();
        let flags = MsgFlags::empty();
        let taken = match cell.sender {
            Sender::Smooth => socket.send(datagram).map_or(0, |_| 1),
            Sender::Bursts => {
                sendmmsg(fd, &mut headers, &slices, &nobody, [], flags).map_or(0, Iterator::count)
            }
            Sender::Coalesced => {
                let segments = [ControlMessage::UdpGsoSegments(&size)];
                let data = [IoSlice::new(&coalesced)];
                let taken = sendmsg::<SockaddrStorage>(fd, &data, &segments, flags, None);
                taken.map_or(0, |_| burst)
            }
        };
        sent.fetch_add(taken as u64, Ordering::Relaxed);
    }
}
