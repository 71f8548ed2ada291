//! What the oracle is for, planted: each wrong history is found, and the right one is not blamed.

mod away;

use super::{Message, Sighting, Violation, judge};
use crate::history::{Ending, Event, History, Life, Micros, PeerNumber, Rules, SECOND, Session};

const RULES: fn() -> Rules = || Rules::for_window(8 * SECOND);

fn session(number: u32, node: usize, announced: Micros, events: &[(Micros, Event)]) -> Session {
    Session {
        number,
        node,
        announced,
        joined: Some(announced + 1000),
        ended: None,
        events: events.to_vec(),
    }
}

fn announced(peer: PeerNumber, session: u32, directed: bool) -> Event {
    Event::Announced {
        peer,
        session,
        directed,
    }
}

fn heard(from: PeerNumber, number: u32) -> Event {
    Event::HeardDirected {
        from,
        session: 0,
        number,
    }
}

fn heard_by_all(from: PeerNumber, number: u32) -> Event {
    Event::HeardBroadcast {
        from,
        session: 0,
        number,
    }
}

/// Bob (0) at node 1 and sue (1) at node 2. Sue says three things to bob and two to all, and nobody ever leaves.
fn right() -> History {
    let bob = session(
        0,
        1,
        SECOND,
        &[
            (5 * SECOND, announced(1, 0, false)),
            (20 * SECOND, heard(1, 1)),
            (20 * SECOND, heard_by_all(1, 1)),
            (21 * SECOND, heard(1, 2)),
            (22 * SECOND, heard(1, 3)),
            (22 * SECOND, heard_by_all(1, 2)),
        ],
    );
    let said = |number| Event::SaidDirected { to: 0, number };
    let sue = session(
        0,
        2,
        5 * SECOND,
        &[
            (5 * SECOND, announced(0, 0, true)),
            (20 * SECOND, said(1)),
            (20 * SECOND, Event::SaidBroadcast { number: 1 }),
            (21 * SECOND, said(2)),
            (22 * SECOND, said(3)),
            (22 * SECOND, Event::SaidBroadcast { number: 2 }),
        ],
    );
    let life = |peer, session| Life {
        peer,
        room: 7,
        sessions: vec![session],
    };
    History {
        lives: vec![life(0, bob), life(1, sue)],
        end: 100 * SECOND,
        ..History::default()
    }
}

/// What bob hears, for changing.
fn bobs(history: &mut History) -> &mut Vec<(Micros, Event)> {
    &mut history.lives[0].sessions[0].events
}

/// Sue's connection is lost at 40 s, with her node or without it, and she returns at node 1 after so long.
fn sue_is_lost(history: &mut History, killed: bool, back_after: Option<Micros>) {
    let lost = 40 * SECOND;
    if killed {
        history.deeds.killed.push((2, lost));
    }
    let sessions = &mut history.lives[1].sessions;
    sessions[0].ended = Some((lost, if killed { Ending::Lost } else { Ending::Cut }));
    if let Some(after) = back_after {
        let answer = (lost + after, announced(0, 0, true));
        sessions.push(session(1, 1, lost + after, &[answer]));
        bobs(history).push((lost + after, announced(1, 1, false)));
    }
}

fn leave_at(history: &mut History, at: Micros) {
    bobs(history).push((at, Event::Left { peer: 1 }));
    bobs(history).sort_by_key(|(at, _)| *at);
}

#[track_caller]
fn finds(history: &History, violations: &[Violation]) {
    assert_eq!(judge(history, &RULES()).violations, violations);
}

fn message(broadcast: bool, number: u32) -> Message {
    Message {
        broadcast,
        from: 1,
        session: 0,
        to: 0,
        number,
    }
}

/// What bob saw of a session of sue's.
fn of_sue(session: u32) -> Sighting {
    Sighting {
        by: 0,
        by_session: 0,
        peer: 1,
        session,
    }
}

#[test]
fn a_right_history_is_not_blamed_and_what_was_obliged_is_counted() {
    let verdict = judge(&right(), &RULES());
    assert_eq!(verdict.violations, []);
    let counts = (verdict.directed, verdict.broadcasts, verdict.announces);
    assert_eq!(counts, (3, 2, 1));
}

#[test]
fn a_lost_message_is_found() {
    for (number, broadcast) in [(2, false), (3, false), (2, true)] {
        let mut history = right();
        let lost = Some((broadcast, 1, 0, number));
        bobs(&mut history).retain(|(_, event)| event.heard() != lost);
        finds(&history, &[Violation::Lost(message(broadcast, number))]);
    }
}

#[test]
fn a_duplicate_is_found() {
    let mut history = right();
    bobs(&mut history).push((23 * SECOND, heard(1, 3)));
    bobs(&mut history).push((23 * SECOND, heard_by_all(1, 1)));
    finds(
        &history,
        &[
            Violation::Duplicated(message(false, 3)),
            Violation::Duplicated(message(true, 1)),
        ],
    );
}

#[test]
fn a_duplicate_in_the_next_session_is_found() {
    let mut history = right();
    history.lives[0].sessions[0].ended = Some((40 * SECOND, Ending::Cut));
    let events = [
        (41 * SECOND, heard(1, 3)),
        (41 * SECOND, announced(1, 0, true)),
    ];
    let again = session(1, 1, 41 * SECOND, &events);
    history.lives[0].sessions.push(again);
    let seen = (41 * SECOND, announced(0, 1, false));
    history.lives[1].sessions[0].events.push(seen);
    finds(&history, &[Violation::Duplicated(message(false, 3))]);
}

#[test]
fn messages_out_of_order_are_found() {
    let mut history = right();
    bobs(&mut history).swap(3, 4);
    finds(&history, &[Violation::Reordered(message(false, 2))]);
}

#[test]
fn a_false_leave_is_found() {
    let mut history = right();
    leave_at(&mut history, 50 * SECOND);
    let found = [
        Violation::FalseLeave(of_sue(0)),
        Violation::Missing(of_sue(0)),
    ];
    finds(&history, &found);
}

#[test]
fn a_leave_of_a_peer_that_returned_within_the_window_is_false() {
    for killed in [false, true] {
        for leave in [45 * SECOND, 49 * SECOND] {
            let mut history = right();
            sue_is_lost(&mut history, killed, Some(7 * SECOND));
            finds(&history, &[]);
            leave_at(&mut history, leave);
            let found = judge(&history, &RULES()).violations;
            let session = u32::from(leave > 47 * SECOND);
            let expected = Violation::FalseLeave(of_sue(session));
            assert!(found.contains(&expected), "{found:?}");
        }
    }
}

#[test]
fn a_departure_is_told_once_in_time() {
    // When the node lives, after the window; when it was killed, after the lease.
    for (killed, right_time, too_late) in [(false, 49, 55), (true, 52, 57)] {
        let mut history = right();
        sue_is_lost(&mut history, killed, None);
        let mut told = history.clone();
        leave_at(&mut told, right_time * SECOND);
        finds(&told, &[]);
        assert_eq!(judge(&told, &RULES()).leaves, 1);
        leave_at(&mut told, (right_time + 1) * SECOND);
        finds(&told, &[Violation::LeftTwice(of_sue(0))]);
        let mut late = history.clone();
        leave_at(&mut late, too_late * SECOND);
        finds(&late, &[Violation::LeaveMissing(of_sue(0))]);
        let missing = [
            Violation::LeaveMissing(of_sue(0)),
            Violation::Ghost(of_sue(0)),
        ];
        finds(&history, &missing);
        // A Redis that was away puts the deadline off, for as long as it was, and once more.
        history.deeds.outages.push((39 * SECOND, 60 * SECOND));
        leave_at(&mut history, 70 * SECOND);
        finds(&history, &[]);
    }
}

#[test]
fn a_leave_before_the_window_is_over_is_false() {
    let mut history = right();
    sue_is_lost(&mut history, true, None);
    leave_at(&mut history, 44 * SECOND);
    let found = judge(&history, &RULES()).violations;
    assert!(
        found.contains(&Violation::FalseLeave(of_sue(0))),
        "{found:?}"
    );
}

#[test]
fn an_announce_that_is_missing_or_comes_twice_is_found() {
    let mut history = right();
    bobs(&mut history).push((23 * SECOND, announced(1, 0, false)));
    finds(&history, &[Violation::AnnouncedTwice(of_sue(0))]);
    let mut history = right();
    sue_is_lost(&mut history, false, Some(SECOND));
    bobs(&mut history).pop();
    finds(&history, &[Violation::AnnounceMissing(of_sue(1))]);
    bobs(&mut history).push((41 * SECOND, announced(1, 1, false)));
    bobs(&mut history).push((42 * SECOND, announced(1, 0, false)));
    let found = judge(&history, &RULES()).violations;
    let expected = Violation::AnnouncedBackwards(of_sue(0));
    assert!(found.contains(&expected), "{found:?}");
}

#[test]
fn a_ghost_in_the_last_roster_is_found() {
    let mut history = right();
    // Sue says that she leaves, and bob is not told.
    history.lives[1].sessions[0].ended = Some((40 * SECOND, Ending::Left));
    let found = [
        Violation::LeaveMissing(of_sue(0)),
        Violation::Ghost(of_sue(0)),
    ];
    finds(&history, &found);
    leave_at(&mut history, 41 * SECOND);
    finds(&history, &[]);
}

#[test]
fn a_connection_that_ends_without_a_cause_is_found() {
    let mut history = right();
    sue_is_lost(&mut history, false, Some(SECOND));
    let dropped = Violation::Dropped {
        peer: 1,
        session: 0,
    };
    history.lives[1].sessions[0].ended = Some((40 * SECOND, Ending::Lost));
    finds(&history, &[dropped]);
    history.deeds.severed.push((2, 40 * SECOND));
    finds(&history, &[]);
}

#[test]
fn a_loss_is_excused_only_about_the_time_of_a_disturbance() {
    let mut history = right();
    bobs(&mut history).retain(|(_, event)| *event != heard(1, 3));
    // Her node dies a second after she said it, or half a minute after; or when Redis is back from an outage.
    for (died, outage, excused) in [
        (23, 0, true),
        (52, 0, false),
        (27, 0, false),
        (27, 26, true),
    ] {
        let mut history = history.clone();
        if outage > 0 {
            let away = (21 * SECOND, outage * SECOND);
            history.deeds.outages.push(away);
        }
        history.deeds.killed.push((2, died * SECOND));
        let sue = &mut history.lives[1].sessions[0];
        sue.ended = Some((died * SECOND, Ending::Lost));
        leave_at(&mut history, (died + 12) * SECOND);
        let verdict = judge(&history, &RULES());
        assert_eq!(verdict.violations.is_empty(), excused, "{verdict:?}");
    }
    // While bob is suspended at a node that lives, what is said to him is kept.
    let mut history = right();
    history.lives[0].sessions[0].ended = Some((15 * SECOND, Ending::Cut));
    let kept = bobs(&mut history).split_off(1);
    let mut events = vec![(23 * SECOND, announced(1, 0, true))];
    events.extend(kept.iter().map(|(_, event)| (23 * SECOND, *event)));
    let again = session(1, 1, 22_500_000, &events);
    history.lives[0].sessions.push(again);
    let seen = (22_600_000, announced(0, 1, false));
    history.lives[1].sessions[0].events.push(seen);
    finds(&history, &[]);
    let last = &mut history.lives[0].sessions[1].events;
    last.retain(|(_, event)| *event != heard(1, 2));
    finds(&history, &[Violation::Lost(message(false, 2))]);
}

#[test]
fn a_node_that_was_frozen_for_longer_than_its_lease_may_be_left_and_comes_back() {
    let mut history = right();
    leave_at(&mut history, 43 * SECOND);
    bobs(&mut history).push((55 * SECOND, announced(1, 0, false)));
    assert!(!judge(&history, &RULES()).violations.is_empty());
    history.deeds.frozen.push((2, 30 * SECOND, 54 * SECOND));
    finds(&history, &[]);
}

#[test]
fn what_was_never_said_and_frames_nobody_may_send_are_found() {
    let mut history = right();
    bobs(&mut history).push((30 * SECOND, Event::Strange));
    bobs(&mut history).push((30 * SECOND, heard(9, 1)));
    let invented = Message {
        from: 9,
        ..message(false, 1)
    };
    let found = [Violation::Invented(invented), Violation::Strange { by: 0 }];
    finds(&history, &found);
}
