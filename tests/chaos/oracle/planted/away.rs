//! A node, or Redis, was away.

use super::{RULES, announced, bobs, finds, heard, leave_at, of_sue, right, session};
use crate::{
    history::{Ending, SECOND},
    oracle::{Violation, judge},
};

#[test]
fn of_a_node_that_is_cut_off_alone_a_leave_is_told_once_in_time() {
    let mut history = right();
    let cut_off = (2, 40 * SECOND, 60 * SECOND);
    history.deeds.isolated.push(cut_off);
    let left_at = |at| {
        let mut history = history.clone();
        leave_at(&mut history, at);
        bobs(&mut history).push((61 * SECOND, announced(1, 0, false)));
        history
    };
    finds(&left_at(52 * SECOND), &[]);
    assert_eq!(judge(&left_at(52 * SECOND), &RULES()).leaves, 1);
    finds(&history, &[Violation::LeaveMissing(of_sue(0))]);
    let late = left_at(55 * SECOND);
    finds(&late, &[Violation::LeaveMissing(of_sue(0))]);
    let early = [Violation::FalseLeave(of_sue(0))];
    finds(&left_at(45 * SECOND), &early);
    let mut twice = left_at(52 * SECOND);
    leave_at(&mut twice, 53 * SECOND);
    finds(&twice, &[Violation::LeftTwice(of_sue(0))]);
}

#[test]
fn what_is_said_to_a_peer_that_moved_while_redis_was_away_may_be_lost_until_it_is_back() {
    // Bob moves to a third node; what sue says at 20 s and later is for his old one.
    for (outage, excused) in [(None, false), (Some((8, 22)), true), (Some((8, 11)), false)] {
        let mut history = right();
        history.lives[0].sessions[0].ended = Some((10 * SECOND, Ending::Cut));
        let mut kept = bobs(&mut history).split_off(1);
        kept.retain(|(_, event)| *event != heard(1, 1));
        let mut events = vec![(11 * SECOND, announced(1, 0, true))];
        events.extend(kept);
        let again = session(1, 3, 11 * SECOND, &events);
        history.lives[0].sessions.push(again);
        let seen = (23 * SECOND, announced(0, 1, false));
        history.lives[1].sessions[0].events.push(seen);
        let outages = outage.map(|(from, to)| (from * SECOND, to * SECOND));
        history.deeds.outages.extend(outages);
        let verdict = judge(&history, &RULES());
        assert_eq!(verdict.violations.is_empty(), excused, "{verdict:?}");
    }
}
