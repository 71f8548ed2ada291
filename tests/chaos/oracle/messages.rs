//! Nothing lost, nothing twice, nothing in the wrong order.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Message, Room, Verdict, Violation};
use crate::history::{Ending, Event, Life, Micros, PeerNumber, Session};

/// What a sender's session said to a receiver, or to all, and who heard it.
type Pair = (bool, PeerNumber, u32, PeerNumber);

pub(super) fn judge(room: &Room<'_>, verdict: &mut Verdict) {
    let heard = arrivals(room, verdict);
    for life in room.lives.values() {
        for session in &life.sessions {
            losses(room, life, session, &heard, verdict);
        }
    }
}

/// What arrived, for each pair; twice and backwards are found here.
fn arrivals(room: &Room<'_>, verdict: &mut Verdict) -> HashMap<Pair, HashSet<u32>> {
    let mut heard: HashMap<Pair, (Option<u32>, HashSet<u32>)> = HashMap::new();
    for life in room.lives.values() {
        let events = life.sessions.iter().flat_map(|hearing| {
            let events = hearing.events.iter();
            events.map(move |(at, event)| (hearing, *at, event))
        });
        for (hearing, at, event) in events {
            let Some((broadcast, from, session, number)) = event.heard() else {
                continue;
            };
            let message = Message {
                broadcast,
                from,
                session,
                to: life.peer,
                number,
            };
            let pair = (broadcast, from, session, life.peer);
            let (highest, all) = heard.entry(pair).or_default();
            let wrong = if !all.insert(number) {
                Some(Violation::Duplicated(message))
            } else if highest.is_some_and(|highest| highest > number) {
                Some(Violation::Reordered(message))
            } else {
                None
            };
            // A broadcast that was under way while its hearer moved may reach it through the node that it has left as
            // well, and late: a broadcast is not handed over as a directed message is.
            let moved = hearing.number > 0
                && hearing
                    .joined
                    .is_some_and(|joined| at <= joined + room.rules.in_flight);
            match wrong {
                Some(_) if broadcast && moved => verdict.excused += 1,
                Some(wrong) => verdict.violations.push(wrong),
                None => {}
            }
            *highest = (*highest).max(Some(number));
            if !said(room, &message) {
                verdict.violations.push(Violation::Invented(message));
            }
        }
    }
    let numbers = heard.into_iter().map(|(pair, (_, all))| (pair, all));
    numbers.collect()
}

/// Whether anybody of this room can have said it: numbers are not checked one by one.
fn said(room: &Room<'_>, message: &Message) -> bool {
    let sender = room.lives.get(&message.from);
    message.from != message.to
        && sender.is_some_and(|life| (message.session as usize) < life.sessions.len())
}

/// What was obliged to arrive and did not.
fn losses(
    room: &Room<'_>,
    life: &Life,
    session: &Session,
    heard: &HashMap<Pair, HashSet<u32>>,
    verdict: &mut Verdict,
) {
    // Whose announce was heard, and of which session.
    let mut known: BTreeMap<PeerNumber, u32> = BTreeMap::new();
    for &(at, event) in &session.events {
        let (broadcast, to, number) = match event {
            Event::Announced { peer, session, .. } => {
                let latest = known.entry(peer).or_default();
                *latest = session.max(*latest);
                continue;
            }
            Event::Left { peer } => {
                known.remove(&peer);
                continue;
            }
            Event::SaidDirected { to, number } => (false, Some(to), number),
            Event::SaidBroadcast { number } => (true, None, number),
            Event::HeardDirected { .. } | Event::HeardBroadcast { .. } | Event::Strange => continue,
        };
        let hearers: Vec<_> = match to {
            Some(to) => known.get_key_value(&to).into_iter().collect(),
            None => known.iter().collect(),
        };
        for (&to, &knows) in hearers {
            let pair = (broadcast, life.peer, session.number, to);
            let arrived = heard
                .get(&pair)
                .is_some_and(|numbers| numbers.contains(&number));
            let obliged = is_obliged(room, life, session, to, knows, at);
            if !broadcast && is_across(room, session, to, at) {
                verdict.across.said += 1;
                verdict.across.obliged += u64::from(obliged);
                verdict.across.arrived += u64::from(arrived);
            }
            match (broadcast, obliged) {
                (_, false) => verdict.excused += u64::from(!arrived),
                (false, true) => verdict.directed += 1,
                (true, true) => verdict.broadcasts += 1,
            }
            if obliged && !arrived {
                verdict.violations.push(Violation::Lost(Message {
                    broadcast,
                    from: life.peer,
                    session: session.number,
                    to,
                    number,
                }));
            }
        }
    }
}

/// Whether a peer was at another node then.
fn is_across(room: &Room<'_>, session: &Session, to: PeerNumber, at: Micros) -> bool {
    let sessions = room
        .lives
        .get(&to)
        .into_iter()
        .flat_map(|life| &life.sessions);
    let mut there = sessions.filter(|theirs| {
        theirs.announced <= at && theirs.ended.is_none_or(|(ended, _)| ended > at)
    });
    there.any(|theirs| theirs.node != session.node)
}

/// Whether a message that was said at `at`, when its sender knew session `knows` of the receiver, must arrive.
fn is_obliged(
    room: &Room<'_>,
    life: &Life,
    session: &Session,
    to: PeerNumber,
    knows: u32,
    at: Micros,
) -> bool {
    let (flight, arrived) = (room.rules.in_flight, room.arrived(at));
    let ended_soon = session
        .ended
        .is_some_and(|(ended, how)| how != Ending::Left && ended <= arrived);
    let Some(theirs) = room.absences.get(&to) else {
        return false;
    };
    let mut own = room.absences[&life.peer].0.iter();
    let own_freeze = own.any(|away| {
        away.frozen
            && away.session == session.number
            && away.from <= arrived
            && away.until.is_none_or(|until| until + flight >= at)
    });
    if ended_soon || own_freeze {
        return false;
    }
    let mut away = theirs
        .0
        .iter()
        .filter(|absence| absence.session >= knows && absence.from <= arrived);
    away.all(|absence| {
        let back = absence.until.is_some_and(|until| until + flight < at);
        let kept = absence.kept_from.is_some_and(|from| from <= at);
        back || kept
    })
}
