use std::time::{Duration, Instant};

use slab::Slab;

/// Timers of one tick are kept together.
const TICK: Duration = Duration::from_secs(1);

/// Ticks ahead that have a slot each: more than the longest lifetime that is granted. What is further away is looked at
/// once in so many ticks.
const SLOTS: u64 = 4096;

const WORDS: usize = SLOTS as usize / 64;

/// No timer.
const NONE: u32 = u32::MAX;

/// A timer that was started and has neither been taken nor stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimerId(u32);

/// Timers, exact to the instant: starting and stopping one costs the same however many there are. Those of the tick that
/// has begun are sorted; each later tick has a list, a slot of the wheel.
#[derive(Debug)]
pub(crate) struct TimerWheel<T> {
    timers: Slab<Timer<T>>,
    /// What ticks are counted from: the first instant that was heard of.
    origin: Option<Instant>,
    /// The last tick that has begun, as far as this was told.
    tick: u64,
    /// Timers up to that tick, the last first.
    begun: Vec<(Instant, u32)>,
    /// The first timer of each later tick's list.
    slots: Box<[u32]>,
    /// A bit for each slot that has timers.
    occupied: [u64; WORDS],
    /// Not later than the first timer.
    first: Option<Instant>,
}

#[derive(Debug)]
struct Timer<T> {
    key: T,
    at: Instant,
    /// Whose list it is in, or up to [`TimerWheel::tick`].
    tick: u64,
    previous: u32,
    next: u32,
}

impl<T> TimerWheel<T> {
    pub(crate) fn new() -> Self {
        Self {
            timers: Slab::new(),
            origin: None,
            tick: 0,
            begun: Vec::new(),
            slots: vec![NONE; SLOTS as usize].into_boxed_slice(),
            occupied: [0; WORDS],
            first: None,
        }
    }

    /// Starts a timer that is due at `at`.
    pub(crate) fn start(&mut self, key: T, at: Instant, now: Instant) -> TimerId {
        self.origin.get_or_insert(now);
        if self.timers.is_empty() {
            self.tick = self.tick.max(self.tick_of(now));
        }
        let timer = Timer {
            key,
            at,
            tick: 0,
            previous: NONE,
            next: NONE,
        };
        let index = self.timers.insert(timer);
        let index = u32::try_from(index).expect("memory ends before four thousand million timers");
        self.place(index);
        let wake = self
            .timers
            .get(index as usize)
            .map(|timer| self.wake(timer));
        self.first = self.first.into_iter().chain(wake).min();
        TimerId(index)
    }

    /// Stops a timer.
    pub(crate) fn stop(&mut self, TimerId(index): TimerId) {
        let Some(timer) = self.timers.get(index as usize) else {
            return;
        };
        let tick = timer.tick;
        if tick <= self.tick {
            self.begun.retain(|(_, other)| *other != index);
        } else {
            self.unlink(index);
        }
        self.timers.remove(index as usize);
        // One that is gone from a list of several leaves a time that may be early, which costs a wake.
        let was_first = self.first.is_some_and(|first| self.tick_of(first) >= tick);
        if was_first && !self.is_occupied(tick) {
            self.first = self.find_first();
        }
    }

    /// When the first timer is due, or earlier.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.first
    }

    /// Takes a timer that is due at `now`, the first of them.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<T> {
        if self.first.is_none_or(|first| first > now) {
            return None;
        }
        while self.begun.is_empty() {
            match self.next_occupied() {
                Some(tick) if tick <= self.tick_of(now) => self.begin(tick),
                Some(_) | None => break,
            }
        }
        let due = self.begun.pop_if(|(at, _)| *at <= now);
        let key = due.map(|(_, index)| self.timers.remove(index as usize).key);
        self.first = self.find_first();
        key
    }

    fn tick_of(&self, at: Instant) -> u64 {
        let origin = self.origin.unwrap_or(at);
        at.saturating_duration_since(origin).as_secs() / TICK.as_secs()
    }

    /// Puts a timer where its tick is.
    fn place(&mut self, index: u32) {
        let Some(at) = self.timers.get(index as usize).map(|timer| timer.at) else {
            return;
        };
        let tick = self.tick_of(at).min(self.tick + SLOTS - 1);
        let mut next = NONE;
        if tick <= self.tick {
            let place = self.begun.partition_point(|(other, _)| *other > at);
            self.begun.insert(place, (at, index));
        } else {
            let slot = (tick % SLOTS) as usize;
            next = std::mem::replace(&mut self.slots[slot], index);
            self.occupied[slot / 64] |= 1 << (slot % 64);
            if let Some(next) = self.timers.get_mut(next as usize) {
                next.previous = index;
            }
        }
        if let Some(timer) = self.timers.get_mut(index as usize) {
            (timer.tick, timer.previous, timer.next) = (tick, NONE, next);
        }
    }

    fn unlink(&mut self, index: u32) {
        let Some(timer) = self.timers.get(index as usize) else {
            return;
        };
        let (slot, previous, next) = ((timer.tick % SLOTS) as usize, timer.previous, timer.next);
        if let Some(next) = self.timers.get_mut(next as usize) {
            next.previous = previous;
        }
        match self.timers.get_mut(previous as usize) {
            Some(previous) => previous.next = next,
            None => self.slots[slot] = next,
        }
        if self.slots[slot] == NONE {
            self.occupied[slot / 64] &= !(1 << (slot % 64));
        }
    }

    /// Goes on to a tick whose slot is the next that has timers, and sorts them.
    fn begin(&mut self, tick: u64) {
        self.tick = tick;
        let slot = (tick % SLOTS) as usize;
        let mut index = std::mem::replace(&mut self.slots[slot], NONE);
        self.occupied[slot / 64] &= !(1 << (slot % 64));
        while let Some(timer) = self.timers.get(index as usize) {
            let (at, next) = (timer.at, timer.next);
            if self.tick_of(at) <= tick {
                self.begun.push((at, index));
            } else {
                // It was too far away.
                self.place(index);
            }
            index = next;
        }
        self.begun.sort_unstable_by(|one, other| other.cmp(one));
    }

    fn is_occupied(&self, tick: u64) -> bool {
        let slot = (tick % SLOTS) as usize;
        tick > self.tick && self.slots[slot] != NONE
    }

    /// The next tick whose slot has timers.
    fn next_occupied(&self) -> Option<u64> {
        let from = ((self.tick + 1) % SLOTS) as usize;
        // The word in which it begins comes first and, for what is before that place, last.
        (0..=WORDS).find_map(|step| {
            let word = (from / 64 + step) % WORDS;
            let mask = match step {
                0 => !0 << (from % 64),
                WORDS => !(!0 << (from % 64)),
                _ => !0,
            };
            let bits = self.occupied[word] & mask;
            let slot = (bits != 0).then(|| word * 64 + bits.trailing_zeros() as usize)?;
            let ahead = (slot + SLOTS as usize - from) % SLOTS as usize;
            Some(self.tick + 1 + ahead as u64)
        })
    }

    /// When the timer is looked at: when it is due, or when it is its list's turn, if it was too far away.
    fn wake(&self, timer: &Timer<T>) -> Instant {
        match self.origin {
            Some(origin) if self.tick_of(timer.at) > timer.tick => {
                origin + TICK * timer.tick as u32
            }
            Some(_) | None => timer.at,
        }
    }

    fn find_first(&self) -> Option<Instant> {
        if let Some((at, _)) = self.begun.last() {
            return Some(*at);
        }
        let slot = (self.next_occupied()? % SLOTS) as usize;
        let mut first: Option<Instant> = None;
        let mut index = self.slots[slot];
        while let Some(timer) = self.timers.get(index as usize) {
            let at = self.wake(timer);
            first = Some(first.map_or(at, |first| first.min(at)));
            index = timer.next;
        }
        first
    }
}

#[cfg(test)]
mod tests;
