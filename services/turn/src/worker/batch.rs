use std::{hash::BuildHasher, net::SocketAddr};

use foldhash::fast::FixedState;

/// Bytes that wait at most. They are written once and read once soon after: more than this would leave the cache
/// meanwhile.
const ARENA: usize = 256 * 1024;

/// Messages that wait at most.
const MESSAGES: usize = 1024;

/// Most bytes that are sent as one: a datagram's, less the headers of IP and UDP with room to spare.
const MOST_BYTES: usize = 65_000;

/// The socket that a message leaves from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Egress {
    /// A listener of datagrams, by number.
    Listener(u16),
    /// The place of a relay socket.
    RelaySocket(usize),
}

/// Messages that were made in a round and are to be sent at its end, those from one socket to one address together. Bounded;
/// who finds it full sends what is there first.
#[derive(Debug)]
pub(super) struct Batch {
    arena: Vec<u8>,
    messages: Vec<Message>,
    /// Sorted, it has the messages of a flow side by side and in their order.
    order: Vec<(u64, u32)>,
    /// How many of `order` were sent.
    sent: usize,
    /// Where messages are put together that are apart in the arena.
    scratch: Vec<u8>,
    hasher: FixedState,
}

#[derive(Clone, Copy, Debug)]
struct Message {
    egress: Egress,
    to: SocketAddr,
    flow: u64,
    start: usize,
    length: usize,
    /// Bytes of data that it relays, if it does.
    data: Option<usize>,
}

/// How many messages may be sent as one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// 1 where each must go by itself.
    pub(super) segments: usize,
    /// Those that are longer go by themselves.
    pub(super) segment_bytes: usize,
}

/// Messages of one flow, to be sent as one: of `size` bytes each, but for the last, which may be shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Group<'a> {
    pub(super) egress: Egress,
    pub(super) to: SocketAddr,
    pub(super) contents: &'a [u8],
    pub(super) size: usize,
    /// Messages.
    pub(super) messages: u64,
    /// Of which relay data.
    pub(super) relaying: u64,
    /// Bytes of that.
    pub(super) data: u64,
}

impl Batch {
    /// `seed` is random: flows whose hashes are alike would not be sent together.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            arena: Vec::with_capacity(ARENA),
            messages: Vec::with_capacity(MESSAGES),
            order: Vec::with_capacity(MESSAGES),
            sent: 0,
            scratch: Vec::with_capacity(MOST_BYTES),
            hasher: FixedState::with_seed(seed),
        }
    }

    pub(super) fn has_room_for(&self, bytes: usize) -> bool {
        self.messages.len() < MESSAGES && self.arena.len() + bytes <= ARENA
    }

    /// Adds a message of several parts, for which there must be room; `data` bytes of it are relayed, if any.
    pub(super) fn push(
        &mut self,
        egress: Egress,
        to: SocketAddr,
        parts: &[&[u8]],
        data: Option<usize>,
    ) {
        let start = self.arena.len();
        for part in parts {
            self.arena.extend_from_slice(part);
        }
        let flow = match self.messages.last() {
            Some(last) if last.egress == egress && last.to == to => last.flow,
            _ => self.hasher.hash_one((egress, to)),
        };
        self.order.push((flow, self.messages.len() as u32));
        self.messages.push(Message {
            egress,
            to,
            flow,
            start,
            length: self.arena.len() - start,
            data,
        });
    }

    /// Puts the messages of each flow together; [`Self::next`] gives them afterwards, and nothing is pushed before
    /// [`Self::clear`].
    pub(super) fn sort(&mut self) {
        self.order.sort_unstable();
    }

    /// The next that can be sent as one, if anything is left.
    pub(super) fn next(&mut self, limits: Limits) -> Option<Group<'_>> {
        let first = *self.message(self.sent)?;
        let mut group = Group {
            egress: first.egress,
            to: first.to,
            contents: &[],
            size: first.length,
            messages: 0,
            relaying: 0,
            data: 0,
        };
        let (mut bytes, mut end, mut is_whole) = (0, first.start, true);
        let from = self.sent;
        while let Some(message) = self.message(self.sent) {
            let follows = group.messages == 0 || first.takes(message, bytes, limits);
            if !follows || group.messages as usize == limits.segments {
                break;
            }
            is_whole &= message.start == end;
            end = message.start + message.length;
            bytes += message.length;
            group.messages += 1;
            group.relaying += u64::from(message.data.is_some());
            group.data += message.data.unwrap_or(0) as u64;
            let is_shorter = message.length < first.length;
            self.sent += 1;
            if is_shorter {
                break;
            }
        }
        if is_whole {
            group.contents = &self.arena[first.start..end];
        } else {
            self.scratch.clear();
            for (_, number) in &self.order[from..self.sent] {
                let message = &self.messages[*number as usize];
                let end = message.start + message.length;
                self.scratch
                    .extend_from_slice(&self.arena[message.start..end]);
            }
            group.contents = &self.scratch;
        }
        Some(group)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.arena.clear();
        self.messages.clear();
        self.order.clear();
        self.sent = 0;
    }

    fn message(&self, place: usize) -> Option<&Message> {
        let (_, number) = self.order.get(place)?;
        self.messages.get(*number as usize)
    }
}

impl Message {
    /// Whether `next` can be sent as one with this and what follows it, `bytes` by now. An empty one would vanish.
    fn takes(&self, next: &Self, bytes: usize, limits: Limits) -> bool {
        self.flow == next.flow
            && self.egress == next.egress
            && self.to == next.to
            && (1..=self.length).contains(&next.length)
            && self.length <= limits.segment_bytes
            && bytes + next.length <= MOST_BYTES
    }
}
#[cfg(test)]
mod tests;
