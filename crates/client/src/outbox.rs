//! What was said to single peers and is not acknowledged: numbered for each of them, kept, and said again when it may be
//! lost.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use protocol::{
    PeerId,
    native::{ClientFrame, Json, client::Send, server::Reason},
};

use crate::{
    error::Failure,
    output::{Outputs, Settled, Ticket},
};

/// The safety net where no event told us to say it again. Receivers drop what comes twice.
const PATIENCE: Duration = Duration::from_secs(5);
const LONGEST_PATIENCE: Duration = Duration::from_secs(40);

/// Verdicts come in swarms: what is left is said again once for all of them.
const HOLE: Duration = Duration::from_millis(100);

/// Peers to whom something was said. Of those for whom nothing waits, who was spoken to longest ago is forgotten.
const MOST_LANES: usize = 1024;

#[derive(Debug)]
pub(crate) struct Outbox {
    // Peers stay in here when nothing waits for them: their numbers go on.
    lanes: BTreeMap<PeerId, Lane>,
    /// What a new lane begins with: beyond the numbers of those that were forgotten.
    floor: u64,
    uses: u64,
}

#[derive(Debug)]
struct Lane {
    next: u64,
    waiting: VecDeque<Item>,
    patience: Duration,
    /// When what waits is said again.
    due: Option<Instant>,
    used: u64,
}

#[derive(Debug)]
struct Item {
    n: u64,
    body: Json,
    ticket: Ticket,
    /// When it is given up.
    until: Instant,
    is_said: bool,
}

impl Item {
    fn frame(&self, to: &PeerId, first: u64) -> ClientFrame {
        ClientFrame::Send(Send {
            to: to.clone(),
            n: self.n,
            first: Some(first),
            body: self.body.clone(),
        })
    }
}

impl Lane {
    fn is_due_by(&mut self, at: Instant) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// The lowest number still to come goes along, so that nobody waits for one that was given up.
    fn first(&self) -> u64 {
        self.waiting.front().map_or(self.next, |item| item.n)
    }
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            lanes: BTreeMap::new(),
            floor: 1,
            uses: 0,
        }
    }
}

impl Outbox {
    /// Keeps a message, of which `limit` may wait for one peer.
    ///
    /// # Errors
    /// When that many do.
    pub(crate) fn add(
        &mut self,
        to: &PeerId,
        body: Json,
        limit: u64,
        ticket: Ticket,
        until: Instant,
    ) -> Result<(), Failure> {
        let overloaded = || Failure::because(Reason::Overloaded, Some(to.clone()));
        if !self.lanes.contains_key(to) && self.lanes.len() >= MOST_LANES {
            self.forget_one().ok_or_else(overloaded)?;
        }
        self.uses += 1;
        let lane = self.lanes.entry(to.clone()).or_insert_with(|| Lane {
            next: self.floor,
            waiting: VecDeque::new(),
            patience: PATIENCE,
            due: None,
            used: 0,
        });
        lane.used = self.uses;
        if lane.waiting.len() as u64 >= limit {
            return Err(overloaded());
        }
        lane.waiting.push_back(Item {
            n: lane.next,
            body,
            ticket,
            until,
            is_said: false,
        });
        lane.next += 1;
        Ok(())
    }

    fn forget_one(&mut self) -> Option<()> {
        let idle = self
            .lanes
            .iter()
            .filter(|(_, lane)| lane.waiting.is_empty());
        let (oldest, lane) = idle.min_by_key(|(_, lane)| lane.used)?;
        let (oldest, next) = (oldest.clone(), lane.next);
        // Who is spoken to again hears numbers that it has not heard yet.
        self.floor = self.floor.max(next);
        self.lanes.remove(&oldest);
        Some(())
    }

    /// Says the message that was added last.
    pub(crate) fn say_last(&mut self, to: &PeerId, now: Instant, out: &mut Outputs) {
        let Some(lane) = self.lanes.get_mut(to) else {
            return;
        };
        let first = lane.first();
        if let Some(item) = lane.waiting.back_mut() {
            out.say(&item.frame(to, first));
            item.is_said = true;
            let at = now + lane.patience;
            lane.is_due_by(at);
        }
    }

    /// Says all that waits for a peer, in order.
    pub(crate) fn say_again(&mut self, to: &PeerId, now: Instant, out: &mut Outputs) {
        let Some(lane) = self.lanes.get_mut(to) else {
            return;
        };
        if lane.waiting.is_empty() {
            return;
        }
        let first = lane.first();
        for item in &mut lane.waiting {
            out.say(&item.frame(to, first));
            item.is_said = true;
        }
        let at = now + lane.patience;
        lane.is_due_by(at);
    }

    /// Who is waited for.
    pub(crate) fn receivers(&self) -> Vec<PeerId> {
        let waited_for = self
            .lanes
            .iter()
            .filter(|(_, lane)| !lane.waiting.is_empty());
        waited_for.map(|(peer, _)| peer.clone()).collect()
    }

    /// `by` has all up to `n`.
    pub(crate) fn acked(&mut self, by: &PeerId, n: u64, now: Instant, out: &mut Outputs) {
        let Some(lane) = self.lanes.get_mut(by) else {
            return;
        };
        let mut any = false;
        while let Some(item) = lane.waiting.pop_front_if(|item| item.n <= n) {
            out.settle(item.ticket, Ok(Settled::Delivered));
            any = true;
        }
        if !any {
            return;
        }
        lane.patience = PATIENCE;
        let next = lane.waiting.front().filter(|item| item.is_said);
        lane.due = next.map(|item| {
            // The numbers between were given up, which the receiver cannot know from frames that it had before.
            let is_behind_a_hole = item.n > n + 1;
            now + if is_behind_a_hole {
                HOLE
            } else {
                lane.patience
            }
        });
    }

    /// A node's word on a message.
    pub(crate) fn undelivered(
        &mut self,
        to: &PeerId,
        n: u64,
        reason: Reason,
        now: Instant,
        out: &mut Outputs,
    ) {
        // Nobody is there to whom the rest could be said.
        let is_departure = match reason {
            Reason::NoMatch | Reason::Gone => true,
            Reason::Unreachable | Reason::Overloaded | Reason::Timeout => false,
            // Notices.
            Reason::Suspended | Reason::Declined => return,
        };
        let Some(lane) = self.lanes.get_mut(to) else {
            return;
        };
        let Some(at) = lane.waiting.iter().position(|item| item.n == n) else {
            return;
        };
        if let Some(item) = lane.waiting.remove(at) {
            let failure = Failure::because(reason, Some(to.clone()));
            out.settle(item.ticket, Err(failure));
        }
        if lane.waiting.is_empty() {
            lane.due = None;
        } else if at == 0 && !is_departure {
            lane.is_due_by(now + HOLE);
        }
    }

    /// Nothing more can reach `to`.
    pub(crate) fn give_up(&mut self, to: &PeerId, failure: &Failure, out: &mut Outputs) {
        let Some(lane) = self.lanes.get_mut(to) else {
            return;
        };
        lane.due = None;
        for item in lane.waiting.drain(..) {
            out.settle(item.ticket, Err(failure.clone()));
        }
    }

    /// Peers of old dialects acknowledge nothing: what is on its way to them is done.
    pub(crate) fn settle(&mut self, to: &PeerId, out: &mut Outputs) {
        let Some(lane) = self.lanes.get_mut(to) else {
            return;
        };
        lane.due = None;
        while let Some(item) = lane.waiting.pop_front_if(|item| item.is_said) {
            out.settle(item.ticket, Ok(Settled::Delivered));
        }
    }

    /// The numbers begin anew, with a session that receivers know nothing of. What they may have had under the old
    /// numbers cannot be said again without their having it twice.
    pub(crate) fn renew(&mut self, out: &mut Outputs) {
        self.floor = 1;
        for (to, lane) in &mut self.lanes {
            while let Some(item) = lane.waiting.pop_front_if(|item| item.is_said) {
                let failure = Failure::because(Reason::Unreachable, Some(to.clone()));
                out.settle(item.ticket, Err(failure));
            }
            lane.due = None;
            lane.next = 1;
            for item in &mut lane.waiting {
                item.n = lane.next;
                lane.next += 1;
            }
        }
    }

    /// When something is to be said again if nothing happens, where there `is_up` a connection, or given up.
    pub(crate) fn deadline(&self, is_up: bool) -> Option<Instant> {
        let lanes = self.lanes.values().flat_map(|lane| {
            let until = lane.waiting.front().map(|item| item.until);
            [lane.due.filter(|_| is_up), until]
        });
        lanes.flatten().min()
    }

    /// To whom by now.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<PeerId> {
        let mut late = Vec::new();
        for (to, lane) in &mut self.lanes {
            if lane.due.is_some_and(|due| due <= now) {
                lane.due = None;
                lane.patience = (2 * lane.patience).min(LONGEST_PATIENCE);
                late.push(to.clone());
            }
        }
        late
    }

    /// Gives up what has waited for too long.
    pub(crate) fn expire(&mut self, now: Instant, reason: Reason, out: &mut Outputs) {
        for (to, lane) in &mut self.lanes {
            let mut any = false;
            while let Some(item) = lane.waiting.pop_front_if(|item| item.until <= now) {
                let failure = Failure::because(reason, Some(to.clone()));
                out.settle(item.ticket, Err(failure));
                any = true;
            }
            if lane.waiting.is_empty() {
                lane.due = None;
            } else if any {
                lane.is_due_by(now + HOLE);
            }
        }
    }

    /// No frame reaches anybody for now; when one does, all is said again anyway.
    pub(crate) fn pause(&mut self) {
        for lane in self.lanes.values_mut() {
            lane.due = None;
            lane.patience = PATIENCE;
        }
    }
}
