//! What the room is told of us: what is wanted, what a node has taken, and who waits to hear of it.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use protocol::native::{Json, server::Reason};

use crate::{error::Failure, output::Ticket};

const RETRY: Duration = Duration::from_millis(500);
/// Beyond the window. A node that died has the ids of its peers until its lease is over and it is swept, 14 s by default.
const SLACK: Duration = Duration::from_secs(10);

/// Announces that are not answered.
const MOST_WAITING: usize = 64;

/// Who waits, and until when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiter {
    pub(crate) ticket: Ticket,
    pub(crate) until: Instant,
}

#[derive(Debug, Default)]
pub(crate) struct Announcement {
    wanted: Option<Json>,
    /// The last one that a node has taken.
    agreed: Option<Json>,
    /// Those that are not answered.
    asked: VecDeque<AskedOnce>,
    /// Those for whom none is under way.
    waiting: Vec<Waiter>,
    /// While a connection that was lost still holds the id for us.
    claimed_until: Option<Instant>,
    /// When it is said again.
    again_at: Option<Instant>,
}

#[derive(Debug)]
struct AskedOnce {
    announced: Json,
    waiting: Vec<Waiter>,
    is_over: bool,
}

/// What becomes of an announce that was refused.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Nobody waits for it any more, or it is said again later.
    Later,
    /// It is said again at once, under another id.
    AsAnother,
    /// These wait in vain; we are in the room, or may still come to be.
    Stays(Vec<Waiter>),
    /// These wait in vain, and we are in no room.
    Out(Vec<Waiter>),
}

/// What a node does not take, and where it leaves us.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    /// The id is another's.
    pub(crate) is_in_use: bool,
    /// There can be another id in its place.
    pub(crate) can_change: bool,
    /// It may be right later.
    pub(crate) is_temporary: bool,
    /// The node has told on this socket who is in the room.
    pub(crate) is_present: bool,
}

impl Announcement {
    /// # Errors
    /// When too many wait already.
    pub(crate) fn want(&mut self, data: Json, waiter: Waiter) -> Result<(), Failure> {
        let asked = self.asked.iter().map(|asked| asked.waiting.len().max(1));
        if asked.sum::<usize>() + self.waiting.len() >= MOST_WAITING {
            return Err(Failure::because(Reason::Overloaded, None));
        }
        self.wanted = Some(data);
        self.waiting.push(waiter);
        Ok(())
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.is_some()
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.asked.iter().any(|asked| !asked.is_over)
    }

    /// It is on its way; gives its data, if there is any.
    pub(crate) fn say(&mut self) -> Option<Json> {
        self.again_at = None;
        let announced = self.wanted.clone()?;
        self.asked.push_back(AskedOnce {
            announced: announced.clone(),
            waiting: std::mem::take(&mut self.waiting),
            is_over: false,
        });
        Some(announced)
    }

    /// The oldest is answered. Gives whose wait is over by that, or nothing where we have left meanwhile.
    pub(crate) fn taken(&mut self) -> Option<Vec<Waiter>> {
        let asked = self.asked.pop_front();
        if asked.as_ref().is_some_and(|asked| asked.is_over) {
            return None;
        }
        (self.claimed_until, self.again_at) = (None, None);
        let Some(asked) = asked else {
            self.agreed.clone_from(&self.wanted);
            return Some(Vec::new());
        };
        self.agreed = Some(asked.announced);
        Some(asked.waiting)
    }

    /// The oldest is refused.
    pub(crate) fn refused(&mut self, now: Instant, refused: Refused) -> Refusal {
        let asked = self.asked.pop_front();
        if asked.as_ref().is_some_and(|asked| asked.is_over) {
            return Refusal::Later;
        }
        let (announced, waiting) = match asked {
            Some(asked) => (Some(asked.announced), asked.waiting),
            None => (self.agreed.clone(), Vec::new()),
        };
        // The last connection may still hold the id for us.
        let is_claimed = self.claimed_until.is_some_and(|until| now < until);
        if refused.is_in_use && (is_claimed || refused.can_change) {
            self.waiting.splice(..0, waiting);
            self.again_at = Some(if is_claimed { now + RETRY } else { now });
            return match is_claimed {
                true => Refusal::Later,
                false => Refusal::AsAnother,
            };
        }
        // The next answer decides.
        if !self.asked.is_empty() {
            return Refusal::Stays(waiting);
        }
        // Not again on the next socket: what was agreed on before is.
        self.wanted.clone_from(&self.agreed);
        if refused.is_present && !refused.is_in_use {
            return Refusal::Stays(waiting);
        }
        let is_same = announced == self.agreed;
        if self.agreed.is_none() || refused.is_in_use || (is_same && !refused.is_temporary) {
            return Refusal::Out(waiting);
        }
        self.again_at = Some(if is_same { now + RETRY } else { now });
        Refusal::Stays(waiting)
    }

    /// The socket is lost. A node may have heard what it did not answer: then it keeps the id for us.
    pub(crate) fn lost(&mut self, was_present: bool, now: Instant, window: Duration) {
        if was_present || self.is_asked() {
            self.claimed_until = Some(now + window + SLACK);
        }
        self.again_at = None;
        for asked in self.asked.drain(..).rev() {
            self.waiting.splice(..0, asked.waiting);
        }
    }

    /// Nothing is wanted any more. Gives who waits in vain.
    pub(crate) fn drop_all(&mut self) -> Vec<Waiter> {
        (self.wanted, self.agreed, self.again_at) = (None, None, None);
        let mut waiting = Vec::new();
        for asked in &mut self.asked {
            waiting.append(&mut asked.waiting);
            asked.is_over = true;
        }
        waiting.append(&mut self.waiting);
        waiting
    }

    /// Gives who has waited for too long; what they want is wanted all the same.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Waiter> {
        let asked = self.asked.iter_mut().map(|asked| &mut asked.waiting);
        let mut late = Vec::new();
        for waiting in asked.chain([&mut self.waiting]) {
            late.extend(waiting.extract_if(.., |waiter| waiter.until <= now));
        }
        late
    }

    /// Whether it is to be said again by now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.again_at.is_some_and(|at| at <= now)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let asked = self.asked.iter().flat_map(|asked| &asked.waiting);
        let waiting = asked.chain(&self.waiting).map(|waiter| waiter.until);
        waiting.chain(self.again_at).min()
    }
}
