//! What peers ask for.

use std::collections::{BTreeMap, BTreeSet};

use bytestring::ByteString;
use client::{Failure, Reason, Settled};

use super::{Judge, is_hindered};
use crate::{
    natives::{
        lines::Line,
        peer::{Peer, What, key_of},
    },
    node::{MILLISECOND, SECOND, Time},
    oracle::Oracle,
};

/// What a client adds to a request's time before it ends the waiting itself.
const SLACK: Time = 500 * MILLISECOND;

#[derive(Debug)]
pub(super) struct Ask {
    by: usize,
    /// Where one peer is meant.
    whom: Option<usize>,
    at: Time,
    until: Time,
    /// Whether an announce was not answered when it was asked.
    is_behind: bool,
    is_answered: bool,
    yes: BTreeSet<usize>,
    no: BTreeSet<usize>,
}

impl Judge {
    /// A peer asks for somebody, from now until then. Gives the request's number.
    pub(in crate::natives) fn asks(
        &mut self,
        by: usize,
        name: String,
        (whom, is_behind): (Option<usize>, bool),
        (at, until): (Time, Time),
    ) -> usize {
        self.names.insert(name.into(), self.asks.len());
        self.asks.push(Ask {
            by,
            whom,
            at,
            until,
            is_behind,
            is_answered: false,
            yes: BTreeSet::new(),
            no: BTreeSet::new(),
        });
        self.asks.len() - 1
    }

    /// A peer says yes or no to the request of this name.
    pub(in crate::natives) fn replied(&mut self, key: usize, name: &ByteString, is_yes: bool) {
        let Some(ask) = self.names.get(name).and_then(|ask| self.asks.get_mut(*ask)) else {
            self.wrong(|| format!("nobody has asked {name}"));
            return;
        };
        match is_yes {
            true => ask.yes.insert(key),
            false => ask.no.insert(key),
        };
    }

    /// Who has asked is told what has come of it.
    pub(in crate::natives) fn answered(
        &mut self,
        peer: &Peer,
        lines: &BTreeMap<u64, Line>,
        index: usize,
        outcome: &Result<Settled, Failure>,
        (oracle, at): (&Oracle, Time),
    ) {
        let ask = &mut self.asks[index];
        let is_first = !std::mem::replace(&mut ask.is_answered, true);
        let ask = &self.asks[index];
        let is_in_time = at <= ask.until + SLACK + MILLISECOND;
        let is_right = match outcome {
            Ok(Settled::Accepted { peer, .. }) => ask.yes.contains(&key_of(peer)),
            Ok(Settled::Announced(_) | Settled::Delivered) => false,
            Err(Failure::Left) => !peer.wants,
            Err(Failure::Closed { .. } | Failure::Refused { .. }) => true,
            Err(Failure::Peer {
                reason, peer: whom, ..
            }) => {
                let whom = whom.as_ref().map(key_of);
                let is_own = at >= ask.until + SLACK && whom.is_none();
                match is_own {
                    true => self.may_hear_nothing(peer, lines, ask, oracle, at),
                    false => self.may_fail(ask, (peer.key, *reason, whom), (oracle, at)),
                }
            }
            Err(_) => false,
        };
        let by = ask.by;
        if !is_first || !is_in_time || !is_right {
            let ask = format!("{ask:?}");
            self.wrong(|| format!("request {index} of native {by} comes to {outcome:?}: {ask}"));
        }
    }

    /// Whether a node need not have answered a request in its time.
    fn may_hear_nothing(
        &self,
        peer: &Peer,
        lines: &BTreeMap<u64, Line>,
        ask: &Ask,
        oracle: &Oracle,
        at: Time,
    ) -> bool {
        let line = peer.line.and_then(|line| lines.get(&line));
        let Some(line) = line.filter(|line| !line.is_broken && peer.is_open) else {
            return true;
        };
        // It was asked on this connection in time, by somebody who was in the room.
        let is_present = peer
            .present_since
            .is_some_and(|since| since + 200 * MILLISECOND <= ask.until);
        let announces = peer.tickets.values().any(|what| *what == What::Announce);
        !is_present || announces || ask.is_behind || oracle.stood_still(line.node, ask.at, at)
    }

    /// Whether this may be the reason.
    fn may_fail(
        &self,
        ask: &Ask,
        (key, reason, whom): (usize, Reason, Option<usize>),
        (oracle, at): (&Oracle, Time),
    ) -> bool {
        let from = ask.at.saturating_sub(2 * SECOND + self.transit);
        let is_here = self.is_steady(oracle, key, ask.at, at);
        let is_there = |whom: usize| self.is_steady(oracle, whom, from, at);
        let node = self.holds[key].last().map(|hold| hold.stays(at, at).next());
        let hindered = node
            .flatten()
            .is_none_or(|(node, ..)| is_hindered(oracle, node, ask.at, at));
        match reason {
            Reason::NoMatch => !is_here || ask.whom.is_none_or(|whom| !is_there(whom)),
            Reason::Gone => !is_here || whom.is_none_or(|whom| !is_there(whom)),
            Reason::Declined => whom.is_some_and(|whom| ask.no.contains(&whom)),
            // Who was asked has not answered by then.
            Reason::Timeout | Reason::Suspended => ask.until <= at + 20 * MILLISECOND,
            Reason::Unreachable => hindered || !is_here,
            Reason::Overloaded => false,
        }
    }
}
