//! What the room is told of us: what is wanted, what a node has taken, and who waits to hear of it.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use protocol::native::Json;

use crate::output::Ticket;

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
    /// These wait in vain.
    Final(Vec<Waiter>),
}

impl Announcement {
    /// False where too many wait already.
    pub(crate) fn want(&mut self, data: Json, waiter: Waiter) -> bool {
        let asked = self.asked.iter().map(|asked| asked.waiting.len().max(1));
        if asked.sum::<usize>() + self.waiting.len() >= MOST_WAITING {
            return false;
        }
        self.wanted = Some(data);
        self.waiting.push(waiter);
        true
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

    /// The oldest is refused, because the id is another's where it `is_in_use`, in place of which there `can` be one.
    pub(crate) fn refused(&mut self, now: Instant, is_in_use: bool, can_change: bool) -> Refusal {
        let asked = self.asked.pop_front();
        if asked.as_ref().is_some_and(|asked| asked.is_over) {
            return Refusal::Later;
        }
        let waiting = asked.map(|asked| asked.waiting).unwrap_or_default();
        // The last connection may still hold the id for us.
        let is_claimed = self.claimed_until.is_some_and(|until| now < until);
        if is_in_use && (is_claimed || can_change) {
            self.waiting.splice(..0, waiting);
            self.again_at = Some(if is_claimed { now + RETRY } else { now });
            return match is_claimed {
                true => Refusal::Later,
                false => Refusal::AsAnother,
            };
        }
        // Not again on the next socket: what was agreed on before is.
        if self.asked.is_empty() {
            self.wanted.clone_from(&self.agreed);
        }
        Refusal::Final(waiting)
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
        (self.wanted, self.agreed) = (None, None);
        (self.claimed_until, self.again_at) = (None, None);
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
