//! Users who were put out, until their credentials are over.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{AllocationId, CloseReason, Relay, Time};

/// Who is kept out, by name and by the time until when.
#[derive(Debug, Default)]
pub(crate) struct Kicked {
    until_of: BTreeMap<Arc<str>, u64>,
    by_end: BTreeSet<(u64, Arc<str>)>,
    forgotten: u64,
}

impl Kicked {
    /// Keeps `user` out up to and including the second `until` of Unix time, or as long as was said before if that
    /// is longer. Of more than `max` users, the one whose time is over first is let in again, and counted.
    fn add(&mut self, user: &str, until: u64, max: usize, unix: u64) {
        while let Some((end, _)) = self.by_end.first()
            && *end < unix
        {
            self.drop_first();
        }
        if let Some(before) = self.until_of.get(user) {
            if *before >= until {
                return;
            }
            let before = *before;
            self.by_end.remove(&(before, Arc::from(user)));
        }
        let user: Arc<str> = Arc::from(user);
        self.until_of.insert(user.clone(), until);
        self.by_end.insert((until, user));
        while self.by_end.len() > max {
            self.drop_first();
            self.forgotten += 1;
        }
    }

    fn drop_first(&mut self) {
        if let Some((_, user)) = self.by_end.pop_first() {
            self.until_of.remove(&user);
        }
    }

    /// Whether `user` is kept out at `unix` seconds.
    pub(crate) fn holds(&self, user: &str, unix: u64) -> bool {
        // Nearly always nobody is.
        !self.until_of.is_empty() && self.until_of.get(user).is_some_and(|until| unix <= *until)
    }
}

impl Relay {
    /// Puts a user out: ends its allocations, and refuses its credentials up to and including the second `until` of
    /// Unix time, as if they were unknown. `user` is the name of [`UserId`](crate::UserId), static or not. Returns
    /// how many allocations ended.
    ///
    /// Outputs must have been carried out before: an Allocate that waits for its sockets is granted.
    ///
    /// At most [`Config::max_kicked`](crate::Config::max_kicked) users are kept out at a time; for one more, the one
    /// whose time is over first is let in, and counted in [`Self::kicks_forgotten`].
    pub fn handle_kick(&mut self, user: &str, until: u64, now: Time) -> usize {
        self.kicked
            .add(user, until, self.config.max_kicked, now.unix);
        let theirs: Vec<AllocationId> = self
            .allocations
            .open_from(0)
            .filter(|(_, allocation)| allocation.user.as_str() == user)
            .map(|(id, _)| id)
            .collect();
        for id in &theirs {
            self.end_all(*id, CloseReason::Kicked);
        }
        theirs.len()
    }

    /// Ends one allocation, whosever it is; whether it was there. Its client may make another one.
    pub fn handle_end(&mut self, allocation: AllocationId) -> bool {
        let is_there = self.allocations.traffic(allocation).is_some();
        self.end_all(allocation, CloseReason::Kicked);
        is_there
    }

    /// How many users are kept out now, or were until lately.
    pub fn kicked(&self) -> usize {
        self.kicked.by_end.len()
    }

    /// How many users were let in again before their time, since there was no room for more.
    pub fn kicks_forgotten(&self) -> u64 {
        self.kicked.forgotten
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_one_whose_time_is_over_first_makes_room_and_is_counted() {
        let mut kicked = Kicked::default();
        for (user, until) in [("a", 30), ("b", 10), ("c", 20)] {
            kicked.add(user, until, 2, 5);
        }
        assert!(kicked.holds("a", 5) && kicked.holds("c", 5));
        assert!(!kicked.holds("b", 5));
        assert_eq!(kicked.forgotten, 1);
    }

    #[test]
    fn what_is_over_makes_room_without_being_missed() {
        let mut kicked = Kicked::default();
        kicked.add("a", 10, 1, 5);
        assert!(kicked.holds("a", 10));
        assert!(!kicked.holds("a", 11));
        kicked.add("b", 20, 1, 11);
        assert!(kicked.holds("b", 11));
        assert_eq!(kicked.forgotten, 0);
    }

    proptest! {
        #[test]
        fn whoever_was_added_is_held_until_the_latest_time_unless_there_is_no_room(
            added in prop::collection::vec(("[a-e]", 100u64..200), 1..30),
        ) {
            let mut kicked = Kicked::default();
            for (user, until) in &added {
                kicked.add(user, *until, 5, 0);
            }
            for (user, _) in &added {
                let theirs = added.iter().filter(|(other, _)| other == user);
                let until = theirs.map(|(_, until)| *until).max().unwrap();
                prop_assert!(kicked.holds(user, until));
                prop_assert!(!kicked.holds(user, until + 1));
            }
            prop_assert_eq!(kicked.until_of.len(), kicked.by_end.len());
            prop_assert_eq!(kicked.forgotten, 0);
        }
    }
}
