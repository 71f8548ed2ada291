use std::{
    io,
    net::{Ipv4Addr, UdpSocket as StdUdpSocket},
};

use mio::net::UdpSocket;
use quinn_udp::{Transmit, UdpSocketState};

use super::batch::{Group, Limits};

/// Longest messages that are sent as one: what Ethernet carries in a packet. Of longer ones the kernel takes none to be
/// divided, since it would have to divide each of them once more.
const MOST_SEGMENT_BYTES: usize = 1472;

/// Messages that every way carries in a packet, the least MTU of IPv6 being 1280: of longer ones the kernel may refuse
/// to divide some for their way's sake, which says nothing of others.
const SAFE_SEGMENT_BYTES: usize = 1280 - 40 - 8;

/// Failures in a row after which nothing is sent as one any more. One way on which that does not work is no reason to
/// give it up on all the others.
const MAX_FAILURES: u32 = 8;

/// What the kernel does for many datagrams at once: it divides what is sent (UDP_SEGMENT) and coalesces what is
/// received (UDP_GRO). Where it does not, each goes by itself.
#[derive(Debug)]
pub(super) struct Offload {
    pub(super) state: UdpSocketState,
    segments: usize,
    failures: u32,
    /// Whether the error of an earlier packet's may be told to a later one: then that is sent once more.
    tells_late: bool,
}

impl Offload {
    /// Asks the kernel what it can, on a socket that is used for nothing else: that sets more options than a relay may
    /// have, such as never to fragment.
    ///
    /// # Errors
    /// When the process is out of descriptors.
    pub(super) fn new(tells_late: bool) -> io::Result<Self> {
        let socket = StdUdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Self {
            segments: state.max_gso_segments(),
            state,
            failures: 0,
            tells_late,
        })
    }

    pub(super) fn limits(&self) -> Limits {
        Limits {
            segments: self.segments,
            segment_bytes: MOST_SEGMENT_BYTES,
        }
    }

    /// Sends a group; tells how many of its messages the kernel has taken.
    pub(super) fn send(&mut self, socket: &UdpSocket, group: &Group<'_>) -> u64 {
        let state = &self.state;
        let once = |contents: &[u8], size| {
            let transmit = Transmit {
                destination: group.to,
                ecn: None,
                contents,
                segment_size: size,
                src_ip: None,
            };
            state.try_send(socket.into(), &transmit)
        };
        let outcome = match self.tells_late {
            true => send(group, |contents, size| twice(|| once(contents, size))),
            false => send(group, once),
        };
        self.count(group, outcome);
        match outcome {
            Outcome::Sent(messages) | Outcome::Divided(messages) => messages,
        }
    }

    fn count(&mut self, group: &Group<'_>, outcome: Outcome) {
        match outcome {
            Outcome::Sent(_) if group.messages > 1 => self.failures = 0,
            // Where nothing is taken in whatever way, it is the receiver's address that does not work: what a client
            // may choose says nothing of the kernel.
            Outcome::Sent(_) | Outcome::Divided(0) => {}
            Outcome::Divided(_) if group.size > SAFE_SEGMENT_BYTES => {}
            Outcome::Divided(_) => {
                self.failures += 1;
                if self.failures == MAX_FAILURES {
                    self.segments = 1;
                    tracing::warn!(
                        "datagrams are sent one by one: the kernel does not divide them"
                    );
                }
            }
        }
    }
}

/// How a group went, and how many of its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// As was tried first.
    Sent(u64),
    /// One by one, since together they could not.
    Divided(u64),
}

/// Sends a group as one, and where that fails though there is room, one message after the other: what cannot be
/// divided, or the error of an earlier packet's that happens to be told now, is of no concern to them.
fn send(
    group: &Group<'_>,
    mut send: impl FnMut(&[u8], Option<usize>) -> io::Result<()>,
) -> Outcome {
    if group.messages == 1 {
        return Outcome::Sent(u64::from(send(group.contents, None).is_ok()));
    }
    match send(group.contents, Some(group.size)) {
        Ok(()) => return Outcome::Sent(group.messages),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Outcome::Sent(0),
        Err(error) => tracing::trace!(%error, "while sending several as one"),
    }
    let messages = group.contents.chunks(group.size);
    let taken = messages.filter(|message| send(message, None).is_ok());
    Outcome::Divided(taken.count() as u64)
}

/// Tries once more: the first error may be an earlier packet's, which is told once.
pub(super) fn twice<T>(mut once: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    match once() {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => once(),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests;
