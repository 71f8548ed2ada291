//! One announce for each join, one leave for each departure, none for who was there, and equal rosters in the end.

use std::collections::{BTreeMap, HashMap};

use super::{Room, Sighting, Verdict, Violation};
use crate::history::{Event, Life, Micros, PeerNumber, Session};

/// What one session saw of one peer.
#[derive(Default)]
struct Seen {
    /// The latest session that it heard of.
    latest: Option<u32>,
    /// Whether the last news of it was a leave.
    left: bool,
    /// Whether it is in the roster.
    present: bool,
    /// How often each session was announced to all since the last leave, and ever.
    announces: HashMap<u32, (u32, u32)>,
    leaves: Vec<Micros>,
    /// When it was first heard of.
    first: Option<Micros>,
}

pub(super) fn judge(room: &Room<'_>, verdict: &mut Verdict) {
    for life in room.lives.values() {
        for session in &life.sessions {
            let seen = observe(room, life, session, verdict);
            for other in room.lives.values().filter(|other| other.peer != life.peer) {
                let view = View {
                    room,
                    by: life,
                    session,
                    seen: seen.get(&other.peer),
                };
                view.announces(other, verdict);
                view.leaves(other, verdict);
                view.roster(other, verdict);
            }
            // A peer that never was.
            for (&peer, _) in seen
                .iter()
                .filter(|(peer, _)| !room.lives.contains_key(peer))
            {
                let sighting = sighting(life, session, peer, 0);
                verdict.violations.push(Violation::Ghost(sighting));
            }
        }
    }
}

fn sighting(by: &Life, by_session: &Session, peer: PeerNumber, session: u32) -> Sighting {
    Sighting {
        by: by.peer,
        by_session: by_session.number,
        peer,
        session,
    }
}

/// Goes through one session's news in order.
fn observe(
    room: &Room<'_>,
    by: &Life,
    by_session: &Session,
    verdict: &mut Verdict,
) -> BTreeMap<PeerNumber, Seen> {
    let mut seen: BTreeMap<PeerNumber, Seen> = BTreeMap::new();
    for &(at, event) in &by_session.events {
        match event {
            Event::Announced {
                peer,
                session,
                directed,
            } => {
                let sighting = sighting(by, by_session, peer, session);
                let seen = seen.entry(peer).or_default();
                seen.first.get_or_insert(at);
                if !directed {
                    if seen.latest.is_some_and(|latest| latest > session) {
                        let backwards = Violation::AnnouncedBackwards(sighting);
                        verdict.violations.push(backwards);
                    }
                    let (since_leave, ever) = seen.announces.entry(session).or_default();
                    *since_leave += 1;
                    *ever += 1;
                    if *since_leave > 1 {
                        verdict.violations.push(Violation::AnnouncedTwice(sighting));
                    }
                }
                // An answer to an announce may be overtaken by the leave of who sent it, on another way.
                let stale = directed && seen.left && seen.latest >= Some(session);
                seen.latest = seen.latest.max(Some(session));
                if !stale {
                    (seen.left, seen.present) = (false, true);
                }
            }
            Event::Left { peer } => {
                let seen = seen.entry(peer).or_default();
                let sighting = sighting(by, by_session, peer, seen.latest.unwrap_or(0));
                if seen.left {
                    verdict.violations.push(Violation::LeftTwice(sighting));
                } else if !may_leave(room, peer, seen.latest, at) {
                    verdict.violations.push(Violation::FalseLeave(sighting));
                }
                (seen.left, seen.present) = (true, false);
                seen.leaves.push(at);
                for (since_leave, _) in seen.announces.values_mut() {
                    *since_leave = 0;
                }
            }
            Event::Strange => verdict.violations.push(Violation::Strange { by: by.peer }),
            Event::HeardDirected { .. }
            | Event::HeardBroadcast { .. }
            | Event::SaidDirected { .. }
            | Event::SaidBroadcast { .. } => {}
        }
    }
    seen
}

/// Whether there is a departure, of the session that the hearer knew or a later one, that a leave at `at` tells.
fn may_leave(room: &Room<'_>, peer: PeerNumber, latest: Option<u32>, at: Micros) -> bool {
    let absences = room.absences.get(&peer);
    absences.is_some_and(|absences| {
        let mut absences = absences.0.iter();
        absences.any(|absence| {
            absence.session >= latest.unwrap_or(0)
                && absence.leave_from.is_some_and(|from| from <= at)
        })
    })
}

/// One session, and what it saw of one other peer.
struct View<'a> {
    room: &'a Room<'a>,
    by: &'a Life,
    session: &'a Session,
    seen: Option<&'a Seen>,
}

impl View<'_> {
    /// Whether this session was there and not disturbed in that time.
    fn watched(&self, from: Micros, to: Micros) -> bool {
        let flight = self.room.rules.in_flight;
        self.session.spans(from, to)
            && to <= self.room.history.end
            && !self.room.absences[&self.by.peer].disturb(from.saturating_sub(flight), to)
    }

    fn announces(&self, other: &Life, verdict: &mut Verdict) {
        for theirs in other.sessions.iter().filter(|it| it.joined.is_some()) {
            let (from, to) = (theirs.announced, self.room.arrived(theirs.announced));
            let brief = self.room.absences[&other.peer]
                .0
                .iter()
                .any(|away| away.session == theirs.number && away.from <= to);
            if brief || !self.watched(from, to) {
                continue;
            }
            verdict.announces += 1;
            let ever = self
                .seen
                .and_then(|seen| seen.announces.get(&theirs.number))
                .map_or(0, |(_, ever)| *ever);
            if ever == 0 {
                let sighting = sighting(self.by, self.session, other.peer, theirs.number);
                verdict
                    .violations
                    .push(Violation::AnnounceMissing(sighting));
            }
        }
    }

    fn leaves(&self, other: &Life, verdict: &mut Verdict) {
        for absence in &self.room.absences[&other.peer].0 {
            let Some(by) = absence.leave_by else {
                continue;
            };
            let known = self.seen.and_then(|seen| seen.first);
            let knew = known.is_some_and(|known| known <= absence.from);
            if !knew || !self.watched(absence.from, by) {
                continue;
            }
            verdict.leaves += 1;
            let told = self.seen.is_some_and(|seen| {
                let mut leaves = seen.leaves.iter();
                leaves.any(|at| (absence.from..=by).contains(at))
            });
            if !told {
                let sighting = sighting(self.by, self.session, other.peer, absence.session);
                verdict.violations.push(Violation::LeaveMissing(sighting));
            }
        }
    }

    /// Whether the roster with which a living session ends is right.
    fn roster(&self, other: &Life, verdict: &mut Verdict) {
        let lives = self
            .by
            .last()
            .is_some_and(|last| last.number == self.session.number);
        if !lives {
            return;
        }
        let listed = self.seen.is_some_and(|seen| seen.present);
        let number = other.sessions.last().map_or(0, |last| last.number);
        let sighting = sighting(self.by, self.session, other.peer, number);
        match (listed, other.last().is_some()) {
            (true, false) => {
                // It may still return, or its departure is not due yet.
                let due = self.room.absences[&other.peer].0.last();
                let due = due.and_then(|away| away.leave_by);
                if due.is_some_and(|due| due <= self.room.history.end) {
                    verdict.violations.push(Violation::Ghost(sighting));
                }
            }
            (false, true) => verdict.violations.push(Violation::Missing(sighting)),
            (true, true) | (false, false) => {}
        }
    }
}
