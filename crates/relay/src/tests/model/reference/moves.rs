//! RFC 8016: an allocation has a second 5-tuple until its client uses that.

use super::*;

impl Model {
    /// A ticket shown by who may take along its allocation, which must be the 5-tuple's only one.
    pub(super) fn take_along(
        &mut self,
        who: Who,
        shown: Shown,
        family: Option<u8>,
        lifetime: Option<u32>,
    ) -> Result<Success, u16> {
        if matches!(shown, Shown::Empty) {
            return self.refresh(who, family, lifetime);
        }
        if !self.mobility {
            return Err(405);
        }
        let given = match shown {
            Shown::Given(since) => self.tickets.iter().rev().nth(since).copied(),
            Shown::Changed(_) | Shown::Elsewhere | Shown::Empty => None,
        };
        let (number, ticket) = given.ok_or(437_u16)?;
        let (now, latest) = (self.now, self.latest());
        let mut others = self
            .allocations
            .iter()
            .filter(|(other, _)| **other != number);
        if others.any(|(_, other)| other.is_live(now) && other.is_of(who.client)) {
            return Err(437);
        }
        let allocation = self.allocations.get_mut(&number);
        let allocation = allocation.filter(|allocation| allocation.is_live(now));
        let allocation = allocation.ok_or(437_u16)?;
        if allocation.login != who.login {
            return Err(441);
        }
        // The last one that was used, or the next.
        let used = allocation.ticket.ok_or(437_u16)?;
        if ticket != used && ticket != used + 1 {
            return Err(437);
        }
        let granted = allocation.prolong(family, lifetime, now, latest)?;
        let mut answer = Success::with_lifetime(granted);
        if allocation.is_live(now) {
            allocation.ticket = Some(ticket);
            let is_there = five_tuple(allocation.client) == five_tuple(who.client);
            allocation.next = (!is_there).then_some(who.client);
            answer.ticket = Some(self.give_ticket(number, ticket + 1));
        }
        Ok(answer)
    }

    /// Whether a ticket of another thread's relay is handed on: nobody leaves an allocation behind.
    pub(super) fn takes_to_elsewhere(&mut self, client: usize) -> bool {
        self.mobility && self.live_of(client).is_none()
    }

    /// Which of those that were given it is; the same one is given again.
    pub(super) fn give_ticket(&mut self, number: usize, ticket: usize) -> usize {
        let ticket = (number, ticket);
        let before = self.tickets.iter().position(|given| *given == ticket);
        before.unwrap_or_else(|| {
            self.tickets.push(ticket);
            self.tickets.len() - 1
        })
    }

    /// Of allocations that are not over.
    pub(in super::super) fn five_tuples(&self) -> usize {
        let live = self.allocations.values();
        let live = live.filter(|allocation| allocation.is_live(self.now));
        live.map(|allocation| 1 + usize::from(allocation.next.is_some()))
            .sum()
    }
}

impl Allocation {
    pub(super) fn is_of(&self, client: usize) -> bool {
        let is_there = |own: usize| five_tuple(own) == five_tuple(client);
        is_there(self.client) || self.next.is_some_and(is_there)
    }

    /// The client has used the 5-tuple: if it was the next one, it is the only one now.
    pub(super) fn settle(&mut self, client: usize) {
        let next = self.next;
        if next.is_some_and(|next| five_tuple(next) == five_tuple(client)) {
            (self.client, self.next) = (client, None);
        }
    }
}
