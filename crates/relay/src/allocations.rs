use std::{
    collections::BTreeSet,
    mem,
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use slab::Slab;

use crate::{
    Client, Traffic, UserId, allocation::Allocation, credentials::LongTermKey, wire::TransactionId,
};

/// One allocation of one [`Relay`](crate::Relay), and its relay socket; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AllocationId {
    index: u32,
    generation: u32,
}

impl AllocationId {
    /// A small number that no other allocation has as long as this one lives: the place of its relay socket
    /// in a table.
    pub fn index(self) -> usize {
        self.index as usize
    }
}

/// All allocations of a relay, by id, by client and by the time they end.
#[derive(Debug)]
pub(crate) struct Allocations {
    entries: Slab<Entry>,
    index_by_client: HashMap<ClientKey, u32, FixedState>,
    ends: BTreeSet<(Instant, AllocationId)>,
    generation: u32,
}

#[derive(Debug)]
struct Entry {
    generation: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    Opening(Opening),
    Open(Allocation),
}

/// An Allocate that waits for its relay socket.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) client: Client,
    pub(crate) user: UserId,
    pub(crate) transaction: TransactionId,
    pub(crate) has_fingerprint: bool,
    pub(crate) key: LongTermKey,
    /// In seconds, to be granted.
    pub(crate) lifetime: u64,
}

/// What a 5-tuple has.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    Nothing,
    Opening,
    Open(&'a Allocation),
    /// Over, but not taken away yet.
    Over(AllocationId),
}

impl Allocations {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            entries: Slab::new(),
            index_by_client: HashMap::with_hasher(FixedState::with_seed(seed)),
            ends: BTreeSet::new(),
            generation: 0,
        }
    }

    /// Allocations that are open or about to be.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn find(&self, client: Client, now: Instant) -> Found<'_> {
        let Some(index) = self.index_by_client.get(&ClientKey::new(client)) else {
            return Found::Nothing;
        };
        let Some(entry) = self.entries.get(*index as usize) else {
            return Found::Nothing;
        };
        match &entry.state {
            State::Opening(_) => Found::Opening,
            State::Open(allocation) if allocation.until > now => Found::Open(allocation),
            State::Open(_) => Found::Over(AllocationId {
                index: *index,
                generation: entry.generation,
            }),
        }
    }

    /// What has the client's 5-tuple, over or not.
    pub(crate) fn id_of(&self, client: Client) -> Option<AllocationId> {
        let index = *self.index_by_client.get(&ClientKey::new(client))?;
        let generation = self.entries.get(index as usize)?.generation;
        Some(AllocationId { index, generation })
    }

    /// The client's allocation, if it has one now.
    pub(crate) fn open_of(
        &mut self,
        client: Client,
        now: Instant,
    ) -> Option<(AllocationId, &mut Allocation)> {
        let index = *self.index_by_client.get(&ClientKey::new(client))?;
        let entry = self.entries.get_mut(index as usize)?;
        let generation = entry.generation;
        match &mut entry.state {
            State::Open(allocation) if allocation.until > now => {
                Some((AllocationId { index, generation }, allocation))
            }
            State::Open(_) | State::Opening(_) => None,
        }
    }

    /// The allocation, if it is there now.
    pub(crate) fn open(&mut self, id: AllocationId, now: Instant) -> Option<&mut Allocation> {
        let entry = self.entries.get_mut(id.index())?;
        match &mut entry.state {
            State::Open(allocation)
                if entry.generation == id.generation && allocation.until > now =>
            {
                Some(allocation)
            }
            State::Open(_) | State::Opening(_) => None,
        }
    }

    /// What the allocation has relayed, if it was not taken away yet.
    pub(crate) fn traffic(&self, id: AllocationId) -> Option<Traffic> {
        let entry = self.entries.get(id.index())?;
        match &entry.state {
            State::Open(allocation) if entry.generation == id.generation => {
                Some(allocation.traffic)
            }
            State::Open(_) | State::Opening(_) => None,
        }
    }

    /// Takes the client's 5-tuple, which must be free.
    pub(crate) fn insert(&mut self, opening: Opening) -> AllocationId {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let key = ClientKey::new(opening.client);
        let state = State::Opening(opening);
        let index = self.entries.insert(Entry { generation, state });
        let index = u32::try_from(index).expect("memory ends before four thousand million entries");
        self.index_by_client.insert(key, index);
        AllocationId { index, generation }
    }

    /// Takes an Allocate that waits away, to be refused.
    pub(crate) fn take_opening(&mut self, id: AllocationId) -> Option<Opening> {
        let entry = self.entries.get(id.index())?;
        if entry.generation != id.generation || matches!(entry.state, State::Open(_)) {
            return None;
        }
        match self.entries.remove(id.index()).state {
            State::Opening(opening) => {
                self.index_by_client.remove(&ClientKey::new(opening.client));
                Some(opening)
            }
            State::Open(_) => None,
        }
    }

    /// Opens the allocation of an Allocate that waits; gives that back, to be answered.
    pub(crate) fn promote(
        &mut self,
        id: AllocationId,
        allocation: impl FnOnce(&Opening) -> Allocation,
    ) -> Option<Opening> {
        let entry = self.entries.get_mut(id.index())?;
        let State::Opening(opening) = &entry.state else {
            return None;
        };
        if entry.generation != id.generation {
            return None;
        }
        let allocation = allocation(opening);
        self.ends.insert((allocation.until, id));
        match mem::replace(&mut entry.state, State::Open(allocation)) {
            State::Opening(opening) => Some(opening),
            State::Open(_) => None,
        }
    }

    /// Lets the allocation end at another time.
    pub(crate) fn prolong(&mut self, id: AllocationId, until: Instant) {
        if let Some(entry) = self.entries.get_mut(id.index())
            && let State::Open(allocation) = &mut entry.state
        {
            self.ends.remove(&(allocation.until, id));
            self.ends.insert((until, id));
            allocation.until = until;
        }
    }

    /// Takes an allocation away, over or not.
    pub(crate) fn remove(&mut self, id: AllocationId) -> Option<Allocation> {
        let entry = self.entries.get(id.index())?;
        if entry.generation != id.generation || matches!(entry.state, State::Opening(_)) {
            return None;
        }
        match self.entries.remove(id.index()).state {
            State::Open(allocation) => {
                self.ends.remove(&(allocation.until, id));
                self.index_by_client
                    .remove(&ClientKey::new(allocation.client));
                Some(allocation)
            }
            State::Opening(_) => None,
        }
    }

    /// The allocation that ends first, and when.
    pub(crate) fn first_end(&self) -> Option<(Instant, AllocationId)> {
        self.ends.first().copied()
    }
}

/// A 5-tuple in the fewest words that hash. An IPv4 address and the same one mapped into IPv6 are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ClientKey {
    ip: u128,
    scope_listener_port: u64,
}

impl ClientKey {
    fn new(client: Client) -> Self {
        let ip = match client.address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        // Of two link-local clients on different links the addresses may be the same.
        let scope = match client.address {
            SocketAddr::V4(_) => 0,
            SocketAddr::V6(address) => address.scope_id(),
        };
        let listener = u64::from(client.listener.0);
        let port = u64::from(client.address.port());
        Self {
            ip: ip.to_bits(),
            scope_listener_port: (u64::from(scope) << 32) | (listener << 16) | port,
        }
    }
}
