//! What peers say to each other.

use std::collections::{BTreeMap, BTreeSet};

use client::{Failure, Reason, Said, Settled};

use super::{Judge, is_hindered, once};
use crate::{
    natives::{lines::Line, peer::Peer},
    node::{SECOND, Time},
    oracle::Oracle,
};

#[derive(Debug)]
pub(super) struct Message {
    by: usize,
    stint: u64,
    /// Nobody in particular where everybody is meant.
    to: Option<usize>,
    at: Time,
    is_heard: bool,
}

/// What one life of a peer was told.
#[derive(Debug, Default)]
pub(super) struct Receiver {
    heard: BTreeSet<usize>,
    /// The last message of each of a sender's sessions, to this peer and to all.
    last: BTreeMap<(u64, bool), usize>,
}

impl Judge {
    /// Gives the number of a message for one peer.
    pub(in crate::natives) fn says(&mut self, by: usize, stint: u64, to: usize, at: Time) -> usize {
        self.number(by, stint, Some(to), at)
    }

    /// Gives the number of a message for everybody.
    pub(in crate::natives) fn broadcasts(&mut self, by: usize, stint: u64, at: Time) -> usize {
        self.number(by, stint, None, at)
    }

    fn number(&mut self, by: usize, stint: u64, to: Option<usize>, at: Time) -> usize {
        self.messages.push(Message {
            by,
            stint,
            to,
            at,
            is_heard: false,
        });
        self.messages.len() - 1
    }

    /// The application of a peer is told a message.
    pub(in crate::natives) fn heard(&mut self, peer: &Peer, number: usize, said: &Said, _at: Time) {
        let index: usize = said.body.as_str().parse().unwrap();
        let message = &mut self.messages[index];
        message.is_heard = true;
        let (stint, to) = (message.stint, message.to);
        let receiver = self.receivers.entry(peer.life).or_default();
        let is_new = once(&mut receiver.heard, index);
        let last = receiver.last.insert((stint, to.is_some()), index);
        let is_for_it = to.is_none_or(|to| to == peer.key) && said.is_broadcast == to.is_none();
        if !is_for_it {
            self.wrong(|| format!("native {number} hears message {index}, which is for {to:?}"));
        } else if !is_new {
            self.wrong(|| format!("native {number} hears message {index} twice"));
        } else if last.is_some_and(|last| last > index) {
            self.wrong(|| format!("native {number} hears message {index} after {last:?}"));
        }
    }

    /// Its sender is told what has become of a message.
    pub(in crate::natives) fn delivered(
        &mut self,
        peer: &Peer,
        lines: &BTreeMap<u64, Line>,
        index: usize,
        outcome: &Result<Settled, Failure>,
        (oracle, at): (&Oracle, Time),
    ) {
        let message = &self.messages[index];
        let (by, to, said) = (message.by, message.to.unwrap_or(usize::MAX), message.at);
        let reason = match outcome {
            Ok(_) => {
                if !message.is_heard {
                    self.wrong(|| format!("message {index} counts as delivered, and was not told"));
                }
                return;
            }
            Err(Failure::Left) if !peer.wants || message.stint != peer.stint => return,
            Err(Failure::Closed { .. }) => return,
            Err(Failure::Refused { .. }) => return,
            Err(failure) => failure.reason(),
        };
        let is_verdict = match reason {
            Some(
                Reason::NoMatch
                | Reason::Gone
                | Reason::Unreachable
                | Reason::Overloaded
                | Reason::Timeout,
            ) => true,
            Some(Reason::Suspended | Reason::Declined) | None => false,
        };
        let from = said.saturating_sub(2 * SECOND + self.transit);
        let is_there = self.is_steady(oracle, to, from, at);
        let is_here = self.is_steady(oracle, peer.key, said, at);
        let is_connected = peer.line.is_some_and(|line| lines.contains_key(&line));
        // A node says at once what it can say; a client gives up what nobody has said anything of.
        let mut holds = self.holds[to].iter();
        let is_hidden = holds.any(|hold| {
            let mut stays = hold.stays(from, at);
            stays.any(|(node, from, until)| is_hindered(oracle, node, from, until))
        });
        let is_silence = reason == Some(Reason::Timeout) && !is_hidden;
        let is_there = is_there || is_silence;
        if !is_verdict {
            self.wrong(|| format!("message {index} of native {by} comes to {outcome:?}"));
        } else if is_there && is_here && is_connected {
            self.wrong(|| {
                format!(
                    "message {index} of native {by} to v{to}, which is there or has been answered nothing, comes to {outcome:?}"
                )
            });
        }
    }
}
