//! Rooms that this node has left lately: a store that takes over from another may not know that yet.

use std::{
    collections::{BTreeSet, VecDeque},
    mem,
    time::{Duration, Instant},
};

use bytestring::ByteString;

/// How long a forgotten room is remembered: a replica that takes over is not further behind.
const MEMORY: Duration = Duration::from_secs(60);
/// Forgotten rooms remembered at most.
const MAX_FORGOTTEN: usize = 16 * 1024;
/// Of them, asserted at most after a beat.
const BATCH: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Forgotten {
    lately: VecDeque<(Instant, ByteString)>,
    /// Of another store than this one.
    leftover: BTreeSet<ByteString>,
}

impl Forgotten {
    /// False when an older one is not remembered any more for it.
    pub(super) fn remember(&mut self, room: ByteString, now: Instant) -> bool {
        while let Some((at, _)) = self.lately.front()
            && *at + MEMORY <= now
        {
            self.lately.pop_front();
        }
        let fits = self.lately.len() < MAX_FORGOTTEN;
        if !fits {
            self.lately.pop_front();
        }
        self.lately.push_back((now, room));
        fits
    }

    /// The store is another one.
    pub(super) fn suspect(&mut self, now: Instant) {
        let lately = mem::take(&mut self.lately).into_iter();
        let lately = lately.filter(|(at, _)| *at + MEMORY > now);
        self.leftover.extend(lately.map(|(_, room)| room));
        // Where stores come and go faster than they are asked.
        while self.leftover.len() > MAX_FORGOTTEN {
            self.leftover.pop_last();
        }
    }

    /// Some of the rooms about which the store is to be asked.
    pub(super) fn leftovers(&mut self) -> Vec<ByteString> {
        let mut rooms = Vec::new();
        while rooms.len() < BATCH
            && let Some(room) = self.leftover.pop_first()
        {
            rooms.push(room);
        }
        rooms
    }

    /// The store could not be asked about it.
    pub(super) fn still_left(&mut self, room: ByteString) {
        self.leftover.insert(room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_forgotten_lately_is_left_over_when_the_store_is_another_one() {
        let start = Instant::now();
        let mut forgotten = Forgotten::default();
        forgotten.remember("old".into(), start);
        forgotten.remember("new".into(), start + MEMORY / 2);
        assert_eq!(forgotten.leftovers(), [""; 0]);
        forgotten.suspect(start + MEMORY);
        assert_eq!(forgotten.leftovers(), ["new"]);
        forgotten.still_left("new".into());
        assert_eq!(forgotten.leftovers(), ["new"]);
        forgotten.suspect(start + MEMORY);
        assert_eq!(forgotten.leftovers(), [""; 0]);
    }
}
