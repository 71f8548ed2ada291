//! Questions for peers that will talk: our own until they are answered, and what we have answered to others.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use bytestring::ByteString;
use protocol::{
    PeerId,
    native::{
        ClientFrame, MAX_TIMEOUT_MS,
        client::{Request, Wanted},
        server::{Answer, Reason},
    },
};

use crate::{
    error::Failure,
    output::{Outputs, Settled, Ticket},
};

/// Below five seconds together: by then whoever asks knows why not, also where the node died that was to answer.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(4);
const SLACK: Duration = Duration::from_millis(500);

/// Of our own that are not answered.
const MOST_OWN: usize = 1024;

/// Of others' whose answer is known.
const MOST_ANSWERS: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Requests {
    own: BTreeMap<ByteString, Own>,
    /// Whom we were asked by, for what, and what we have answered: a frame, or nothing yet.
    others: VecDeque<(PeerId, ByteString, Option<ClientFrame>)>,
}

#[derive(Debug)]
struct Own {
    wanted: Wanted,
    until: Instant,
    ticket: Ticket,
}

/// What to do about a question of another peer's.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Ask the application.
    Ask,
    /// It has been asked.
    Wait,
    /// Say the answer that was given again, since the first one may be lost.
    Again(Box<ClientFrame>),
}

impl Requests {
    /// # Errors
    /// When too many are not answered.
    pub(crate) fn ask(
        &mut self,
        id: ByteString,
        wanted: Wanted,
        timeout: Option<Duration>,
        ticket: Ticket,
        now: Instant,
    ) -> Result<(), Failure> {
        if self.own.len() >= MOST_OWN {
            return Err(Failure::because(Reason::Overloaded, None));
        }
        let longest = Duration::from_millis(MAX_TIMEOUT_MS);
        let timeout = timeout.unwrap_or(DEFAULT_TIMEOUT);
        let until = now + timeout.clamp(Duration::from_millis(1), longest);
        let own = Own {
            wanted,
            until,
            ticket,
        };
        self.own.insert(id, own);
        Ok(())
    }

    /// Says one: what is left of its time goes along.
    pub(crate) fn say(&self, id: &ByteString, now: Instant, out: &mut Outputs) {
        let Some(Own { wanted, until, .. }) = self.own.get(id) else {
            return;
        };
        let left = until.saturating_duration_since(now).as_nanos();
        let left = u64::try_from(left.div_ceil(1_000_000)).unwrap_or(MAX_TIMEOUT_MS);
        out.say(&ClientFrame::Request(Request {
            id: id.clone(),
            wanted: wanted.clone(),
            timeout_ms: Some(left.clamp(1, MAX_TIMEOUT_MS)),
        }));
    }

    /// Says all that are not answered.
    pub(crate) fn say_all(&self, now: Instant, out: &mut Outputs) {
        for id in self.own.keys() {
            self.say(id, now, out);
        }
    }

    pub(crate) fn answered(&mut self, answer: Answer, out: &mut Outputs) {
        let Some(own) = self.own.remove(&answer.id) else {
            return;
        };
        let outcome = match (answer.ok, answer.peer) {
            (true, Some(peer)) => Ok(Settled::Accepted {
                peer,
                data: answer.data.unwrap_or_else(protocol::native::Json::nothing),
            }),
            (_, peer) => Err(Failure::Peer {
                reason: answer.reason.unwrap_or(Reason::Unreachable),
                peer,
                message: answer.message,
            }),
        };
        out.settle(own.ticket, outcome);
    }

    pub(crate) fn heard(&mut self, from: &PeerId, id: &ByteString) -> Heard {
        let mut known = self.others.iter();
        if let Some((_, _, answer)) = known.find(|(peer, name, _)| peer == from && name == id) {
            return answer
                .clone()
                .map_or(Heard::Wait, |answer| Heard::Again(Box::new(answer)));
        }
        self.remember(from, id, None);
        Heard::Ask
    }

    /// The first answer counts: false for another one.
    pub(crate) fn answer(&mut self, from: &PeerId, id: &ByteString, frame: &ClientFrame) -> bool {
        let mut known = self.others.iter_mut();
        match known.find(|(peer, name, _)| peer == from && name == id) {
            Some((_, _, Some(_))) => return false,
            Some((_, _, answer)) => *answer = Some(frame.clone()),
            None => self.remember(from, id, Some(frame.clone())),
        }
        true
    }

    fn remember(&mut self, from: &PeerId, id: &ByteString, answer: Option<ClientFrame>) {
        if self.others.len() >= MOST_ANSWERS {
            self.others.pop_front();
        }
        self.others.push_back((from.clone(), id.clone(), answer));
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.own.values().map(|own| own.until + SLACK).min()
    }

    /// Ends what has waited too long: for a peer, or, where there is no connection, for a node.
    pub(crate) fn expire(&mut self, now: Instant, is_connected: bool, out: &mut Outputs) {
        let reason = match is_connected {
            true => Reason::Timeout,
            false => Reason::Unreachable,
        };
        for (_, own) in self.own.extract_if(.., |_, own| own.until + SLACK <= now) {
            out.settle(own.ticket, Err(Failure::because(reason, None)));
        }
    }

    pub(crate) fn give_up(&mut self, failure: &Failure, out: &mut Outputs) {
        for own in std::mem::take(&mut self.own).into_values() {
            out.settle(own.ticket, Err(failure.clone()));
        }
    }
}
