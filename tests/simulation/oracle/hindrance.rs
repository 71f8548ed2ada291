//! What others may ask about what went wrong.

use super::*;

impl Oracle {
    /// A node begins.
    pub(crate) fn is_born(&mut self, at: Time) {
        self.births.push((at, Time::MAX - 1));
    }

    /// A node has contact.
    pub(crate) fn has_contact(&mut self, node: usize, at: Time) {
        let (_, end) = &mut self.births[node];
        *end = at.min(*end);
    }

    /// Whether the node's way to the store did not work at some time between, or it stood still. That it was killed is none
    /// of that.
    pub(crate) fn was_hindered(&self, node: usize, from: Time, until: Time) -> bool {
        let overlaps =
            |(begin, end): &(Time, Time)| *end != Time::MAX && *begin <= until && from <= *end;
        self.troubles[node]
            .iter()
            .chain([&self.births[node]])
            .any(overlaps)
    }

    /// Whether there was a time of this length between in which it was not.
    pub(crate) fn was_calm(&self, node: usize, from: Time, until: Time, length: Time) -> bool {
        let mut calm = from;
        let troubles = || self.troubles[node].iter().chain([&self.births[node]]);
        let disturbs = |(begin, end): &&(Time, Time), calm: Time| {
            *end != Time::MAX && *begin <= calm.saturating_add(length) && calm <= *end
        };
        while let Some((_, end)) = troubles().find(|trouble| disturbs(trouble, calm)) {
            calm = end + 1;
        }
        calm.saturating_add(length) <= until
    }

    /// Whether the node did nothing at some time between.
    pub(crate) fn stood_still(&self, node: usize, from: Time, until: Time) -> bool {
        self.stands_still(node, from, until)
    }

    /// Whether the store has lost something that it held since then.
    pub(crate) fn forgot_since(&self, from: Time, until: Time) -> bool {
        self.losses.iter().any(|at| from <= *at && *at <= until)
    }

    /// The store has lost something that it held.
    pub(crate) fn forgot(&mut self, at: Time) {
        self.losses.push(at);
    }
}
