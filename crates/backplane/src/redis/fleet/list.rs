use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::fleet::{Relay, STALE};

/// How long a relay that a list lacks is kept after a new link: Redis may have lost all, and relays say again what
/// they are a beat after they reach it.
const GRACE: Duration = Duration::from_secs(3);

/// The relays, as they were told last.
#[derive(Debug, Default)]
pub(super) struct List {
    relays: Arc<[Relay]>,
    told_at: Option<Instant>,
    linked_at: Option<Instant>,
}

impl List {
    /// Whether there was ever a list.
    pub(super) fn is_known(&self) -> bool {
        self.told_at.is_some()
    }

    /// There is a new link.
    pub(super) fn link(&mut self, now: Instant) {
        self.linked_at = Some(now);
    }

    /// Takes a list that Redis told.
    pub(super) fn tell(&mut self, mut told: Vec<Relay>, now: Instant) {
        let in_grace = self.linked_at.is_some_and(|at| now < at + GRACE);
        if in_grace {
            let missing = self.relays.iter().filter(|relay| {
                let is_told = told.iter().any(|other| other.id == relay.id);
                !is_told
            });
            let missing: Vec<Relay> = missing.cloned().collect();
            told.extend(missing);
        }
        if *self.relays != *told {
            self.relays = told.into();
        }
        self.told_at = Some(now);
    }

    /// What is known, unless that is too long ago.
    pub(super) fn relays(&self, now: Instant) -> Arc<[Relay]> {
        let is_good = self.told_at.is_some_and(|at| now < at + STALE);
        match is_good {
            true => self.relays.clone(),
            false => Arc::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::conformance::relay;

    fn ids(list: &List, now: Instant) -> Vec<String> {
        let relays = list.relays(now);
        relays.iter().map(|relay| relay.id.clone()).collect()
    }

    #[test]
    fn a_list_is_good_for_ten_minutes_when_no_newer_one_can_be_had() {
        let mut list = List::default();
        let start = Instant::now();
        assert_eq!(ids(&list, start), [""; 0]);
        list.tell(vec![relay("a")], start);
        let last = start + Duration::from_secs(599);
        assert_eq!(ids(&list, last), ["a"]);
        assert_eq!(ids(&list, last + Duration::from_secs(1)), [""; 0]);
    }

    #[test]
    fn what_an_emptied_redis_lacks_is_kept_until_it_had_time_to_come_back() {
        let mut list = List::default();
        let start = Instant::now();
        list.link(start);
        list.tell(vec![relay("a"), relay("b")], start);
        let again = start + Duration::from_secs(60);
        list.link(again);
        list.tell(vec![], again);
        assert_eq!(ids(&list, again), ["a", "b"]);
        list.tell(vec![relay("b")], again + GRACE / 2);
        assert_eq!(ids(&list, again), ["b", "a"]);
        list.tell(vec![relay("b")], again + GRACE);
        assert_eq!(ids(&list, again), ["b"]);
    }
}
