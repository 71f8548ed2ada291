use std::{mem, time::Instant};

use super::{AllocationId, Allocations, ClientKey, State};
use crate::{Client, UserId};

/// Allocations that clients take along, RFC 8016: as long as one moves, it has two 5-tuples.
impl Allocations {
    /// Whether the allocation's client was given a ticket.
    pub(crate) fn is_mobile(&self, id: AllocationId) -> bool {
        let entry = self.entries.get(id.index());
        entry.is_some_and(|entry| match &entry.state {
            State::Open(allocation) => {
                entry.generation == id.generation && allocation.granted.is_mobile
            }
            State::Opening(_) => false,
        })
    }

    /// Lets an allocation have `client` besides, which must be free, as the next one; no next one where that is its own.
    pub(crate) fn expect(&mut self, id: AllocationId, client: Client, now: Instant) {
        let Some(allocation) = self.open(id, now) else {
            return;
        };
        // However its address is written.
        let is_own = ClientKey::new(client) == ClientKey::new(allocation.client);
        let next = (!is_own).then(|| Box::new(client));
        let before = mem::replace(&mut allocation.next_client, next);
        self.forget(before.as_deref());
        if !is_own {
            self.index_by_client
                .insert(ClientKey::new(client), id.index);
            self.moving += 1;
        }
    }

    /// The client has sent something that only it would: if it was an allocation's next one, it is the only one now.
    /// Tells which allocation it is, whose, and where that one was.
    pub(crate) fn settle(
        &mut self,
        client: Client,
        now: Instant,
    ) -> Option<(AllocationId, UserId, Client)> {
        if self.moving == 0 {
            return None;
        }
        let (id, allocation) = self.open_of(client, now)?;
        let next = allocation.next_client.as_deref()?;
        if ClientKey::new(*next) != ClientKey::new(client) {
            return None;
        }
        allocation.next_client = None;
        let from = mem::replace(&mut allocation.client, client);
        let user = allocation.user.clone();
        self.moving -= 1;
        self.index_by_client.remove(&ClientKey::new(from));
        Some((id, user, from))
    }

    /// Frees a 5-tuple that was expected.
    pub(super) fn forget(&mut self, expected: Option<&Client>) {
        if let Some(expected) = expected {
            self.index_by_client.remove(&ClientKey::new(*expected));
            self.moving -= 1;
        }
    }

    /// How many 5-tuples are known.
    #[cfg(test)]
    pub(crate) fn five_tuples(&self) -> usize {
        self.index_by_client.len()
    }

    /// How many allocations have two of them.
    #[cfg(test)]
    pub(crate) fn moving(&self) -> usize {
        self.moving
    }
}
