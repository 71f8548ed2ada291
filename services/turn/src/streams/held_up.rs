use std::{
    collections::{BTreeSet, HashMap},
    time::Instant,
};

/// Connections that have carried as much as they may now, and when they go on. Each is in it once, with the earliest of
/// its times; one that has ended meanwhile is left until then.
#[derive(Debug, Default)]
pub(crate) struct HeldUp {
    in_order: BTreeSet<(Instant, usize)>,
    by_place: HashMap<usize, Instant>,
}

impl HeldUp {
    pub(crate) fn add(&mut self, place: usize, until: Instant) {
        if let Some(before) = self.by_place.get(&place) {
            if *before <= until {
                return;
            }
            self.in_order.remove(&(*before, place));
        }
        self.by_place.insert(place, until);
        self.in_order.insert((until, place));
    }

    /// When the first goes on.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.in_order.first().map(|(until, _)| *until)
    }

    /// One that has waited long enough.
    pub(crate) fn next(&mut self, now: Instant) -> Option<usize> {
        self.first().filter(|until| *until <= now)?;
        let (_, place) = self.in_order.pop_first()?;
        self.by_place.remove(&place);
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_goes_on_once_in_its_time() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut held_up = HeldUp::default();
        held_up.add(7, now + 3 * second);
        held_up.add(5, now + second);
        held_up.add(7, now + 2 * second);
        held_up.add(7, now + 9 * second);
        assert_eq!(held_up.first(), Some(now + second));
        assert_eq!(held_up.next(now), None);
        assert_eq!(held_up.next(now + second), Some(5));
        assert_eq!(held_up.next(now + second), None);
        assert_eq!(held_up.next(now + 2 * second), Some(7));
        assert_eq!(held_up.next(now + 9 * second), None);
        assert_eq!(held_up.first(), None);
        held_up.add(7, now);
        assert_eq!(held_up.next(now), Some(7));
    }
}
