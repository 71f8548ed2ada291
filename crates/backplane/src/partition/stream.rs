//! The two ends of a stream of numbered messages from one node to another.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;
use bytestring::ByteString;

use super::frame::Position;

/// Most messages that wait for one before them.
const MAX_WAITING: usize = 4096;
/// Most bytes that wait for a message before them.
const MAX_WAITING_BYTES: usize = 4 * 1024 * 1024;
/// Messages after which a receiver acknowledges without being asked.
const ACK_MESSAGES: usize = 64;
/// Bytes after which a receiver acknowledges without being asked.
const ACK_BYTES: usize = 128 * 1024;
/// Pause before what is missing is asked for again, the first time; doubled each time.
const FIRST_REPEAT: Duration = Duration::from_millis(250);
/// Longest such pause.
const LAST_REPEAT: Duration = Duration::from_secs(2);
/// Most messages sent again for one request.
const REPEATS: usize = 256;
/// Most bytes sent again for one request, the last message not counted.
const REPEAT_BYTES: usize = 512 * 1024;

/// What a message costs in memory besides its payload.
const OVERHEAD: usize = 128;

/// What is carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Where it is for a room.
    pub(crate) room: Option<ByteString>,
    pub(crate) payload: Bytes,
}

impl Message {
    /// Bytes of memory, about.
    fn size(&self) -> usize {
        self.payload.len() + self.room.as_ref().map_or(0, |room| room.len()) + OVERHEAD
    }
}

/// The sender's end: what is not acknowledged is kept.
#[derive(Debug)]
pub(crate) struct Outgoing {
    epoch: u64,
    acked: u64,
    ring: VecDeque<(Message, Instant)>,
    bytes: usize,
}

impl Outgoing {
    pub(crate) fn new(epoch: u64) -> Self {
        Self {
            epoch,
            acked: 0,
            ring: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Numbers a message and keeps it; `None` when there is no room for it.
    pub(crate) fn push(
        &mut self,
        message: Message,
        bound: usize,
        now: Instant,
    ) -> Option<Position> {
        let size = message.size();
        if self.bytes + size > bound {
            return None;
        }
        self.bytes += size;
        self.ring.push_back((message, now));
        Some(self.last())
    }

    /// The position of the last message.
    pub(crate) fn last(&self) -> Position {
        self.position(self.acked + self.ring.len() as u64)
    }

    fn position(&self, number: u64) -> Position {
        Position {
            epoch: self.epoch,
            acked: self.acked,
            number,
        }
    }

    pub(crate) fn acknowledge(&mut self, epoch: u64, number: u64) {
        if epoch != self.epoch {
            return;
        }
        while self.acked < number
            && let Some((message, _)) = self.ring.pop_front()
        {
            self.bytes -= message.size();
            self.acked += 1;
        }
    }

    /// When the oldest message that is not acknowledged was sent.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.ring.front().map(|(_, at)| *at)
    }

    /// The messages from `first` to `last`, as many as may be sent again at once; `Err` with the number up to
    /// which there are none.
    pub(crate) fn repeat(
        &self,
        epoch: u64,
        first: u64,
        last: u64,
    ) -> Result<Vec<(Position, Message)>, u64> {
        if epoch != self.epoch {
            return Err(last);
        }
        if first <= self.acked {
            return Err(self.acked);
        }
        let mut bytes = 0;
        let skip = usize::try_from(first - self.acked - 1).unwrap_or(usize::MAX);
        let numbered = (first..=last).zip(self.ring.iter().skip(skip));
        Ok(numbered
            .take(REPEATS)
            .take_while(|(_, (message, _))| {
                let fits = bytes <= REPEAT_BYTES;
                bytes += message.payload.len();
                fits
            })
            .map(|(number, (message, _))| (self.position(number), message.clone()))
            .collect())
    }

    /// What is kept, in bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Messages that are not acknowledged.
    pub(crate) fn unacknowledged(&self) -> usize {
        self.ring.len()
    }
}

/// The receiver's end: what came too early waits.
#[derive(Debug)]
pub(crate) struct Incoming {
    epoch: u64,
    /// All up to this one have arrived.
    arrived: u64,
    waiting: BTreeMap<u64, Message>,
    /// Messages without a number, and after which one they came; in order.
    behind: VecDeque<(u64, Message)>,
    /// Bytes of both.
    waiting_bytes: usize,
    /// The last message known to exist.
    highest: u64,
    repeat_at: Option<Instant>,
    /// The last message that may come for what was asked for last; 0 if nothing is to come.
    asked: u64,
    /// Bytes that have come since.
    came: usize,
    pause: Duration,
    unacknowledged: (usize, usize),
}

/// What has arrived, in order, and what is to be said of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) messages: Vec<Message>,
    /// Arrived before, or belongs to a stream that is over.
    pub(crate) duplicate: bool,
    /// Came too early, and found no place to wait in; it is asked for again.
    pub(crate) dropped: bool,
}

impl Incoming {
    /// A stream of which this is the first that is heard.
    pub(crate) fn new(at: Position) -> Self {
        Self {
            epoch: at.epoch,
            arrived: at.acked,
            waiting: BTreeMap::new(),
            behind: VecDeque::new(),
            waiting_bytes: 0,
            highest: at.acked,
            repeat_at: None,
            asked: 0,
            came: 0,
            pause: FIRST_REPEAT,
            unacknowledged: (0, 0),
        }
    }

    /// Whether the position is of this stream; of a later one, this begins anew.
    fn follows(&mut self, at: Position) -> bool {
        if at.epoch > self.epoch {
            *self = Self::new(at);
        }
        at.epoch == self.epoch
    }

    pub(crate) fn accept(&mut self, at: Position, message: Message, now: Instant) -> Arrival {
        let mut arrival = Arrival::default();
        if !self.follows(at) || at.number <= self.arrived || self.waiting.contains_key(&at.number) {
            arrival.duplicate = true;
            return arrival;
        }
        self.highest = self.highest.max(at.number);
        let size = message.size();
        if at.number == self.arrived + 1 {
            self.arrive(message, &mut arrival.messages);
            self.drain(&mut arrival.messages);
        } else if self.has_room(size) {
            self.waiting_bytes += size;
            self.waiting.insert(at.number, message);
        } else {
            arrival.dropped = true;
        }
        self.watch(now);
        arrival
    }

    /// A message without a number, which will not come again: it must not overtake what is missing.
    pub(crate) fn accept_unnumbered(&mut self, message: Message) -> Arrival {
        let mut arrival = Arrival::default();
        let size = message.size();
        if self.arrived >= self.highest {
            arrival.messages.push(message);
        } else if self.has_room(size) {
            self.waiting_bytes += size;
            self.behind.push_back((self.highest, message));
        } else {
            arrival.dropped = true;
        }
        arrival
    }

    fn has_room(&self, size: usize) -> bool {
        self.waiting.len() + self.behind.len() < MAX_WAITING
            && self.waiting_bytes + size <= MAX_WAITING_BYTES
    }

    fn arrive(&mut self, message: Message, messages: &mut Vec<Message>) {
        self.arrived += 1;
        self.unacknowledged.0 += 1;
        self.unacknowledged.1 += message.payload.len();
        self.came += message.payload.len();
        self.pause = FIRST_REPEAT;
        messages.push(message);
        self.follow(messages);
    }

    /// What came behind the last that has arrived.
    fn follow(&mut self, messages: &mut Vec<Message>) {
        while let Some((after, _)) = self.behind.front()
            && *after <= self.arrived
            && let Some((_, message)) = self.behind.pop_front()
        {
            self.waiting_bytes -= message.size();
            messages.push(message);
        }
    }

    fn drain(&mut self, messages: &mut Vec<Message>) {
        while let Some(message) = self.waiting.remove(&(self.arrived + 1)) {
            self.waiting_bytes -= message.size();
            self.arrive(message, messages);
        }
    }

    /// Asks for what is missing at once, later again, and as soon as all has come that is sent for one request: a
    /// stream in which much is missing must be repeated faster than it grows.
    fn watch(&mut self, now: Instant) {
        if self.arrived >= self.highest {
            self.repeat_at = None;
            self.pause = FIRST_REPEAT;
        } else if self.repeat_at.is_none() || self.has_come() {
            self.asked = 0;
            self.repeat_at = Some(now);
        }
    }

    /// Whether all that is sent again for the last request has arrived.
    fn has_come(&self) -> bool {
        self.asked > 0 && (self.arrived >= self.asked || self.came > REPEAT_BYTES)
    }

    /// The sender says which message is its last. True when all have arrived, and that is to be acknowledged.
    pub(crate) fn mark(&mut self, at: Position, now: Instant) -> bool {
        if !self.follows(at) {
            return false;
        }
        self.highest = self.highest.max(at.number);
        self.watch(now);
        self.arrived >= at.number
    }

    /// Messages up to this one will not come.
    pub(crate) fn skip(&mut self, epoch: u64, number: u64, now: Instant) -> (u64, Vec<Message>) {
        let mut messages = Vec::new();
        if epoch != self.epoch || number <= self.arrived {
            return (0, messages);
        }
        let mut lost = 0;
        while self.arrived < number {
            match self.waiting.remove(&(self.arrived + 1)) {
                Some(message) => {
                    self.waiting_bytes -= message.size();
                    self.arrive(message, &mut messages);
                }
                None => {
                    lost += number.min(self.first_waiting() - 1) - self.arrived;
                    self.arrived = number.min(self.first_waiting() - 1);
                    self.follow(&mut messages);
                }
            }
        }
        self.drain(&mut messages);
        self.highest = self.highest.max(self.arrived);
        self.watch(now);
        (lost, messages)
    }

    fn first_waiting(&self) -> u64 {
        self.waiting.keys().next().copied().unwrap_or(u64::MAX)
    }

    /// When [`Self::missing`] is due.
    pub(crate) fn repeat_at(&self) -> Option<Instant> {
        self.repeat_at
    }

    /// Asks for nothing until the sender is heard of again.
    pub(crate) fn rest(&mut self) {
        self.repeat_at = None;
        self.asked = 0;
        self.pause = FIRST_REPEAT;
    }

    /// Asks again from now on without a pause: the link is new.
    pub(crate) fn hurry(&mut self, now: Instant) {
        self.pause = FIRST_REPEAT;
        if self.repeat_at.is_some() {
            self.repeat_at = Some(now);
        }
    }

    /// The first messages that are missing, when it is time to ask for them: epoch, first, last.
    pub(crate) fn missing(&mut self, now: Instant) -> Option<(u64, u64, u64)> {
        if self.repeat_at? > now {
            return None;
        }
        self.repeat_at = Some(now + self.pause);
        self.pause = (self.pause * 2).min(LAST_REPEAT);
        let last = self.highest.min(self.first_waiting() - 1);
        self.asked = last.min(self.arrived + REPEATS as u64);
        self.came = 0;
        Some((self.epoch, self.arrived + 1, last))
    }

    /// What is to be acknowledged now, when enough has arrived.
    pub(crate) fn acknowledgement(&mut self, asked: bool) -> Option<(u64, u64)> {
        let (messages, bytes) = self.unacknowledged;
        if !asked && messages < ACK_MESSAGES && bytes < ACK_BYTES {
            return None;
        }
        self.unacknowledged = (0, 0);
        Some((self.epoch, self.arrived))
    }
}

#[cfg(test)]
mod tests;
