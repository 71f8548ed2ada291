//! Room in the node's queue for the answers to come, kept since the commands were taken: no answer is ever lost.

use crate::{Command, Event, event::Permit};

/// Of each kind of answer, all room is alike.
#[derive(Debug, Default)]
pub(super) struct Answers {
    joins: Vec<Permit>,
    asserts: Vec<Permit>,
    /// A departure is answered where it fails.
    leaves: Vec<Permit>,
}

impl Answers {
    /// The command was taken with this room for its answer.
    pub(super) fn expect(&mut self, command: &Command, room: Option<Permit>) {
        match command {
            Command::Join { .. } => self.joins.extend(room),
            Command::Leave { .. } => self.leaves.extend(room),
            Command::Assert { .. } => self.asserts.extend(room),
            Command::Forget { .. }
            | Command::Confirm { .. }
            | Command::Send { .. }
            | Command::Publish { .. } => {}
        }
    }

    /// The room for this, where it is an answer.
    pub(super) fn room_for(&mut self, event: &Event) -> Option<Permit> {
        match event {
            Event::Joined { .. } | Event::JoinFailed { .. } | Event::JoinRefused { .. } => {
                self.joins.pop()
            }
            Event::Asserted { .. } | Event::AssertFailed { .. } => self.asserts.pop(),
            Event::LeaveFailed { .. } => self.leaves.pop(),
            Event::Changed { .. }
            | Event::Confirmed { .. }
            | Event::Gap { .. }
            | Event::Received { .. }
            | Event::Published { .. } => None,
        }
    }

    /// Gives back what was kept for departures that did not fail: so many may still.
    pub(super) fn keep_for_leaves(&mut self, leaves: usize) {
        self.leaves.truncate(leaves);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::event;

    #[test]
    fn each_answer_to_a_join_takes_the_room_that_was_kept_for_it() {
        let (sink, _events) = event::queue(1);
        let mut answers = Answers::default();
        let join = Command::Join {
            token: 1,
            room: "r".into(),
            member: "bob".into(),
            data: Bytes::new(),
            want_roster: false,
        };
        let (token, room) = (1, "r".into());
        let joined = Event::Joined {
            token,
            room,
            fence: 1,
            epoch: 1,
            version: 1,
            roster: None,
        };
        let failed = Event::JoinFailed {
            token,
            room: "r".into(),
        };
        let refused = Event::JoinRefused {
            token,
            room: "r".into(),
        };
        for answer in [joined, failed, refused] {
            answers.expect(&join, sink.reserve().ok());
            assert!(answers.room_for(&answer).is_some(), "{answer:?}");
            assert!(sink.reserve().is_ok());
        }
    }

    #[test]
    fn a_departure_that_fails_takes_no_room_of_an_assert() {
        let (sink, _events) = event::queue(2);
        let mut answers = Answers::default();
        let assert = Command::Assert {
            room: "r".into(),
            members: Vec::new(),
        };
        let leave = Command::Leave {
            room: "r".into(),
            member: "bob".into(),
            fence: 1,
            data: Bytes::new(),
        };
        answers.expect(&assert, sink.reserve().ok());
        answers.expect(&leave, sink.reserve().ok());
        assert!(sink.reserve().is_err());
        let failed = Event::LeaveFailed { room: "r".into() };
        assert!(answers.room_for(&failed).is_some());
        assert!(answers.room_for(&failed).is_none());
        answers.expect(&leave, sink.reserve().ok());
        answers.keep_for_leaves(0);
        assert!(sink.reserve().is_ok(), "it has not failed");
        let failed = Event::AssertFailed { room: "r".into() };
        assert!(answers.room_for(&failed).is_some());
    }
}
