//! Messages, in both directions: what is said goes at once or as soon as there is a connection, what comes is acknowledged.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use protocol::{
    PeerId,
    native::{
        ClientFrame, Json, MAX_NUMBER,
        client::{self, Broadcast, Send},
        server::{Acked, Limits, Message, Reason, Undelivered},
    },
};

use crate::{
    error::Failure,
    inbox::Inbox,
    outbox::Outbox,
    output::{Outputs, Ticket},
    roster::Roster,
};

/// How long an acknowledgement waits for others that go with it.
const ACK_DELAY: Duration = Duration::from_millis(15);

/// Messages for everybody that wait for a connection.
const MOST_BROADCASTS: usize = 256;

#[derive(Debug)]
pub(crate) struct Mail {
    outbox: Outbox,
    inbox: Inbox,
    broadcasts: VecDeque<Json>,
    next_broadcast: u64,
    ack_at: Option<Instant>,
    is_up: bool,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            outbox: Outbox::default(),
            inbox: Inbox::default(),
            broadcasts: VecDeque::new(),
            next_broadcast: 1,
            ack_at: None,
            is_up: false,
        }
    }
}

fn check(frame: &ClientFrame, limits: Limits) -> Result<(), Failure> {
    let most = limits.frame_bytes;
    match client::encode(frame).len() as u64 > most {
        true => Err(Failure::TooLong { most }),
        false => Ok(()),
    }
}

/// What stays the same while one message is handed in.
pub(crate) struct Letter {
    pub(crate) to: PeerId,
    pub(crate) body: Json,
    pub(crate) ticket: Ticket,
    /// When it is given up.
    pub(crate) until: Instant,
}

impl Mail {
    /// # Errors
    /// When the message is too long, or too many wait for its receiver already.
    pub(crate) fn send(
        &mut self,
        letter: Letter,
        limits: Limits,
        roster: &Roster,
        now: Instant,
        out: &mut Outputs,
    ) -> Result<(), Failure> {
        let Letter {
            to,
            body,
            ticket,
            until,
        } = letter;
        // However far the numbers go.
        let longest = ClientFrame::Send(Send {
            to: to.clone(),
            n: MAX_NUMBER,
            first: Some(MAX_NUMBER),
            body: body.clone(),
        });
        check(&longest, limits)?;
        self.outbox
            .add(&to, body, limits.unacknowledged, ticket, until)?;
        if self.is_up {
            self.outbox.say_last(&to, now, out);
            if roster.is_foreign(&to) {
                self.outbox.settle(&to, out);
            }
        }
        Ok(())
    }

    /// # Errors
    /// When it is too long, or too many wait already.
    pub(crate) fn broadcast(
        &mut self,
        body: Json,
        limits: Limits,
        out: &mut Outputs,
    ) -> Result<(), Failure> {
        let n = MAX_NUMBER;
        let longest = ClientFrame::Broadcast(Broadcast {
            n,
            body: body.clone(),
        });
        check(&longest, limits)?;
        if self.broadcasts.len() >= MOST_BROADCASTS {
            return Err(Failure::because(Reason::Overloaded, None));
        }
        self.broadcasts.push_back(body);
        if self.is_up {
            self.say_broadcasts(out);
        }
        Ok(())
    }

    pub(crate) fn acked(&mut self, acked: &Acked, now: Instant, out: &mut Outputs) {
        self.outbox.acked(&acked.by, acked.n, now, out);
    }

    pub(crate) fn undelivered(&mut self, told: &Undelivered, now: Instant, out: &mut Outputs) {
        self.outbox
            .undelivered(&told.to, told.n, told.reason, now, out);
    }

    /// Whether a message is to be delivered.
    pub(crate) fn take(&mut self, message: &Message, now: Instant) -> bool {
        let is_new = self.inbox.take(message);
        if self.inbox.owes() {
            self.ack_at.get_or_insert(now + ACK_DELAY);
        }
        is_new
    }

    /// There is a connection: on it, all that the last one may have lost.
    pub(crate) fn up(&mut self, roster: &Roster, now: Instant, out: &mut Outputs) {
        self.is_up = true;
        self.inbox.owe_again(|peer| roster.has(peer));
        self.say_acks(out);
        for to in self.outbox.receivers() {
            self.say_again(&to, roster, now, out);
        }
        self.say_broadcasts(out);
    }

    pub(crate) fn down(&mut self) {
        self.is_up = false;
        self.ack_at = None;
        self.outbox.pause();
    }

    /// A peer is there: at another node perhaps, which has not what was on its way.
    pub(crate) fn present(
        &mut self,
        peer: &PeerId,
        roster: &Roster,
        now: Instant,
        out: &mut Outputs,
    ) {
        if self.is_up {
            self.say_again(peer, roster, now, out);
        }
    }

    pub(crate) fn gone(&mut self, peer: &PeerId, out: &mut Outputs) {
        let failure = Failure::because(Reason::Gone, Some(peer.clone()));
        self.outbox.give_up(peer, &failure, out);
    }

    /// Our session is another one, which nobody has heard of.
    pub(crate) fn renew(&mut self, out: &mut Outputs) {
        self.outbox.renew(out);
        self.next_broadcast = 1;
    }

    pub(crate) fn give_up(&mut self, failure: &Failure, out: &mut Outputs) {
        for to in self.outbox.receivers() {
            self.outbox.give_up(&to, failure, out);
        }
        self.broadcasts.clear();
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let acks = self.ack_at.filter(|_| self.is_up);
        [acks, self.outbox.deadline(self.is_up)]
            .into_iter()
            .flatten()
            .min()
    }

    pub(crate) fn tick(&mut self, roster: &Roster, now: Instant, out: &mut Outputs) {
        let reason = match self.is_up {
            true => Reason::Timeout,
            false => Reason::Unreachable,
        };
        self.outbox.expire(now, reason, out);
        if !self.is_up {
            return;
        }
        if self.ack_at.is_some_and(|at| at <= now) {
            self.say_acks(out);
        }
        for to in self.outbox.due(now) {
            // What is said to one who is suspended waits at a node, and is said again when it is back.
            if !roster.is_suspended(&to) {
                self.say_again(&to, roster, now, out);
            }
        }
    }

    fn say_again(&mut self, to: &PeerId, roster: &Roster, now: Instant, out: &mut Outputs) {
        let is_foreign = roster.is_foreign(to);
        if is_foreign {
            self.outbox.settle(to, out);
        }
        self.outbox.say_again(to, now, out);
        if is_foreign {
            self.outbox.settle(to, out);
        }
    }

    fn say_broadcasts(&mut self, out: &mut Outputs) {
        for body in self.broadcasts.drain(..) {
            let n = self.next_broadcast;
            self.next_broadcast += 1;
            out.say(&ClientFrame::Broadcast(Broadcast { n, body }));
        }
    }

    fn say_acks(&mut self, out: &mut Outputs) {
        self.ack_at = None;
        for ack in self.inbox.acks() {
            out.say(&ClientFrame::Ack(ack));
        }
    }
}
