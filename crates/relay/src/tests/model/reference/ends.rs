//! What an operator does to allocations, and what each user and each 5-tuple is therefore charged for.

use super::*;

impl Model {
    /// Relayed addresses that are not over, by client and by login.
    pub(in super::super) fn charges(&self) -> Charges {
        let mut charges = Charges::new();
        for allocation in self.allocations.values() {
            let live = allocation.until.iter().filter(|until| **until > self.now);
            for _ in live {
                let charged = (allocation.client, allocation.login);
                *charges.entry(charged).or_default() += 1;
            }
        }
        charges
    }

    pub(super) fn kick(&mut self, login: usize) {
        self.allocations
            .retain(|_, allocation| allocation.login != login);
    }

    pub(super) fn drain(&mut self, seconds: Option<Option<u64>>) {
        let until = |seconds: Option<u64>| seconds.map(|seconds| self.now + seconds * 1000);
        self.drain = seconds.map(until);
    }

    /// What an operator gave a time ends when the relay looks at its clock, and what is over is told nobody any more.
    pub(super) fn timeout(&mut self) {
        for until in self.allocations.values_mut().flat_map(|of| &mut of.until) {
            if *until <= self.now {
                *until = 0;
            }
        }
        if let Some(Some(until)) = self.drain
            && until <= self.now
        {
            self.allocations.clear();
        }
    }

    /// For who asks for another.
    pub(super) fn take_away_what_is_over(&mut self, client: usize) {
        let now = self.now;
        self.allocations
            .retain(|_, allocation| allocation.is_live(now) || !allocation.is_of(client));
    }

    /// When a lifetime that is granted now ends at the latest.
    pub(super) fn latest(&self) -> u64 {
        self.drain.flatten().unwrap_or(u64::MAX)
    }
}
