//! Judges a history: what was lost, told twice, told in the wrong order, or told of somebody who was there.
//!
//! What is obliged is decided without the nodes' clocks. A message is obliged to arrive when its sender had heard
//! the announce of its receiver before it spoke, and neither was disturbed about then.

mod absences;
mod membership;
mod messages;
#[cfg(test)]
mod planted;

use std::{collections::BTreeMap, fmt};

use absences::Absences;

use crate::history::{Ending, History, Life, Micros, PeerNumber, Rules};

/// One broken promise. `by` is who noticed it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Violation {
    /// An obliged message did not arrive.
    Lost(Message),
    /// A message arrived twice.
    Duplicated(Message),
    /// A message arrived after a later one.
    Reordered(Message),
    /// A message was heard that was never said to its hearer.
    Invented(Message),
    /// A connection was ended though nothing was done to its node.
    Dropped { peer: PeerNumber, session: u32 },
    /// An announce was not heard.
    AnnounceMissing(Sighting),
    /// An announce was heard twice.
    AnnouncedTwice(Sighting),
    /// An announce was heard after a later one of the same peer.
    AnnouncedBackwards(Sighting),
    /// A leave of a peer that was there, or had not been away for long enough.
    FalseLeave(Sighting),
    /// A second leave, without an announce in between.
    LeftTwice(Sighting),
    /// A departure was not told in time, or not at all.
    LeaveMissing(Sighting),
    /// In the end, a roster has a peer that is not there.
    Ghost(Sighting),
    /// In the end, a roster lacks a peer that is there.
    Missing(Sighting),
    /// A frame that nobody may have sent.
    Strange { by: PeerNumber },
}

/// A message of `from`'s session to `to`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) broadcast: bool,
    pub(crate) from: PeerNumber,
    pub(crate) session: u32,
    pub(crate) to: PeerNumber,
    pub(crate) number: u32,
}

/// What one session of `by` saw of a session of `peer`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sighting {
    pub(crate) by: PeerNumber,
    pub(crate) by_session: u32,
    pub(crate) peer: PeerNumber,
    pub(crate) session: u32,
}

/// What was judged, and what was wrong.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Directed messages that were said to a peer at another node.
    pub(crate) across: Across,
    pub(crate) violations: Vec<Violation>,
    /// Messages that were obliged to arrive, and announces and leaves that were obliged to be told.
    pub(crate) directed: u64,
    pub(crate) broadcasts: u64,
    pub(crate) announces: u64,
    pub(crate) leaves: u64,
    /// Messages that could be lost without blame, since an end was disturbed, and that were.
    pub(crate) excused: u64,
}

/// What becomes of messages between nodes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Across {
    pub(crate) said: u64,
    pub(crate) obliged: u64,
    pub(crate) arrived: u64,
}

impl Verdict {
    /// Panics when a promise was broken.
    #[track_caller]
    pub(crate) fn demand_innocence(&self) {
        let shown = &self.violations[..self.violations.len().min(20)];
        assert!(shown.is_empty(), "{self}: {shown:#?}");
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            to,
            "{} directed messages ({} of {} across nodes arrived), {} broadcasts, {} announces and {} leaves were obliged, {} losses excused, \
             {} promises broken",
            self.directed,
            self.across.arrived,
            self.across.said,
            self.broadcasts,
            self.announces,
            self.leaves,
            self.excused,
            self.violations.len()
        )
    }
}

/// Judges everything.
pub(crate) fn judge(history: &History, rules: &Rules) -> Verdict {
    let mut verdict = Verdict::default();
    for (life, session) in sessions(history) {
        if matches!(session.ended, Some((_, Ending::Lost)))
            && !absences::explained(history, session)
        {
            verdict.violations.push(Violation::Dropped {
                peer: life.peer,
                session: session.number,
            });
        }
    }
    let mut rooms: BTreeMap<u32, Vec<&Life>> = BTreeMap::new();
    for life in &history.lives {
        rooms.entry(life.room).or_default().push(life);
    }
    for lives in rooms.values() {
        let room = Room {
            lives: lives.iter().map(|life| (life.peer, *life)).collect(),
            absences: lives
                .iter()
                .map(|life| (life.peer, Absences::of(life, history, rules)))
                .collect(),
            history,
            rules,
        };
        messages::judge(&room, &mut verdict);
        membership::judge(&room, &mut verdict);
    }
    verdict
}

/// Everything that is about one room.
struct Room<'a> {
    lives: BTreeMap<PeerNumber, &'a Life>,
    absences: BTreeMap<PeerNumber, Absences>,
    history: &'a History,
    rules: &'a Rules,
}

impl Room<'_> {
    /// When that which was sent at `at` has arrived: what crosses nodes waits until Redis is back.
    fn arrived(&self, at: Micros) -> Micros {
        let flight = self.rules.in_flight;
        let mut arrived = at + flight;
        for &(start, end) in &self.history.deeds.outages {
            if start <= arrived && end + flight >= at {
                arrived = arrived.max(end + flight);
            }
        }
        arrived
    }
}

fn sessions(history: &History) -> impl Iterator<Item = (&Life, &crate::history::Session)> {
    let lives = history.lives.iter();
    lives.flat_map(|life| life.sessions.iter().map(move |session| (life, session)))
}
