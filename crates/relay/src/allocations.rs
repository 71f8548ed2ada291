mod moving;

use std::{
    mem,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use slab::Slab;

use crate::{
    Client, ErrorCode, Family, Protocol, Traffic, UserId,
    allocation::{Allocation, Granted, Relayed},
    long_term_key::Signer,
    output::Bound,
    timer_wheel::{TimerId, TimerWheel},
};

/// One allocation of one [`Relay`](crate::Relay), and its relay sockets; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AllocationId {
    index: u32,
    generation: u32,
}

impl AllocationId {
    /// The id as a number, for a listing that people read.
    pub fn to_bits(self) -> u64 {
        (u64::from(self.generation) << 32) | u64::from(self.index)
    }

    /// The id that [`Self::to_bits`] gave; it may be nobody's.
    pub fn from_bits(bits: u64) -> Self {
        let low = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or_default();
        Self {
            index: low(bits),
            generation: low(bits >> 32),
        }
    }

    /// A small number that no other allocation has as long as this one lives.
    pub fn index(self) -> usize {
        self.index as usize
    }

    /// The same for its relay socket of `family`: the place of that in a table.
    pub fn socket(self, family: Family) -> usize {
        2 * self.index() + family.place()
    }
}

/// All allocations of a relay, by id, by client and by the time they end.
#[derive(Debug)]
pub(crate) struct Allocations {
    entries: Slab<Entry>,
    index_by_client: HashMap<ClientKey, u32, FixedState>,
    ends: TimerWheel<(AllocationId, Family)>,
    generation: u32,
    /// How many have a 5-tuple that is not proved yet.
    moving: usize,
}

#[derive(Debug)]
struct Entry {
    generation: u32,
    state: State,
    /// Of the relayed address of each family, unless it was taken because it is due.
    ends: [Option<TimerId>; 2],
}

#[derive(Debug)]
enum State {
    Opening(Opening),
    Open(Allocation),
}

/// An Allocate that waits for its relay sockets.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) client: Client,
    pub(crate) user: UserId,
    pub(crate) has_fingerprint: bool,
    pub(crate) signer: Signer,
    /// To be granted.
    pub(crate) granted: Granted,
    pub(crate) protocol: Protocol,
    /// As in [`Allocation::secret`].
    pub(crate) secret: Option<Arc<str>>,
    /// By family.
    pub(crate) sockets: [Wish; 2],
}

/// What has become of a relay socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Not wanted.
    None,
    Waiting,
    Bound(Bound),
    Refused(ErrorCode),
}

impl Opening {
    pub(crate) fn is_waiting(&self) -> bool {
        self.sockets.contains(&Wish::Waiting)
    }

    pub(crate) fn is_bound(&self) -> bool {
        let mut sockets = self.sockets.iter();
        sockets.any(|socket| matches!(socket, Wish::Bound(_)))
    }
}

/// A relayed address that was taken away, and whose it was.
#[derive(Debug)]
pub(crate) struct Removed {
    pub(crate) client: Client,
    pub(crate) user: UserId,
    pub(crate) relayed: Relayed,
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
            ends: TimerWheel::new(),
            generation: 0,
            moving: 0,
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
            State::Open(allocation) if allocation.is_open(now) => Found::Open(allocation),
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
            State::Open(allocation) if allocation.is_open(now) => {
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
                if entry.generation == id.generation && allocation.is_open(now) =>
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
                Some(allocation.relayed().map(|relayed| relayed.traffic).sum())
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
        let index = self.entries.insert(Entry {
            generation,
            state,
            ends: [None; 2],
        });
        let index = u32::try_from(index).expect("memory ends before four thousand million entries");
        self.index_by_client.insert(key, index);
        AllocationId { index, generation }
    }

    /// The Allocate that waits, if it does.
    pub(crate) fn opening(&mut self, id: AllocationId) -> Option<&mut Opening> {
        let entry = self.entries.get_mut(id.index())?;
        match &mut entry.state {
            State::Opening(opening) if entry.generation == id.generation => Some(opening),
            State::Opening(_) | State::Open(_) => None,
        }
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
        now: Instant,
    ) -> Option<Opening> {
        let entry = self.entries.get_mut(id.index())?;
        let State::Opening(opening) = &entry.state else {
            return None;
        };
        if entry.generation != id.generation {
            return None;
        }
        let allocation = allocation(opening);
        for relayed in allocation.relayed() {
            let family = Family::of(relayed.address);
            let end = self.ends.start((id, family), relayed.until, now);
            entry.ends[family.place()] = Some(end);
        }
        match mem::replace(&mut entry.state, State::Open(allocation)) {
            State::Opening(opening) => Some(opening),
            State::Open(_) => None,
        }
    }

    /// Lets a relayed address end at another time.
    pub(crate) fn prolong(
        &mut self,
        id: AllocationId,
        family: Family,
        until: Instant,
        now: Instant,
    ) {
        if let Some(entry) = self.entries.get_mut(id.index())
            && let State::Open(allocation) = &mut entry.state
            && let Some(relayed) = allocation.relayed_of(family)
        {
            let end = &mut entry.ends[family.place()];
            if let Some(end) = end.take() {
                self.ends.stop(end);
            }
            *end = Some(self.ends.start((id, family), until, now));
            relayed.until = until;
        }
    }

    /// Takes a relayed address away, over or not, and with the last one its allocation.
    pub(crate) fn remove(&mut self, id: AllocationId, family: Family) -> Option<Removed> {
        let entry = self.entries.get_mut(id.index())?;
        let State::Open(allocation) = &mut entry.state else {
            return None;
        };
        if entry.generation != id.generation {
            return None;
        }
        let relayed = allocation.remove(family)?;
        if let Some(end) = entry.ends[family.place()].take() {
            self.ends.stop(end);
        }
        let (client, user) = (allocation.client, allocation.user.clone());
        if allocation.relayed().next().is_none() {
            let next = allocation.next_client.take();
            self.forget(next.as_deref());
            self.index_by_client.remove(&ClientKey::new(client));
            self.entries.remove(id.index());
        }
        Some(Removed {
            client,
            user,
            relayed,
        })
    }

    /// Open allocations whose places are `from` and after, in the order of their places; those that are over but
    /// not taken away included.
    pub(crate) fn open_from(
        &self,
        from: usize,
    ) -> impl Iterator<Item = (AllocationId, &Allocation)> {
        // Not `skip`: it would walk over all that came before.
        (from..self.entries.capacity()).filter_map(|place| {
            let entry = self.entries.get(place)?;
            let State::Open(allocation) = &entry.state else {
                return None;
            };
            let index = u32::try_from(place).ok()?;
            let generation = entry.generation;
            Some((AllocationId { index, generation }, allocation))
        })
    }

    /// When the first relayed address ends, or earlier.
    pub(crate) fn first_end(&self) -> Option<Instant> {
        self.ends.first()
    }

    /// A relayed address that is over, to be taken away.
    pub(crate) fn next_over(&mut self, now: Instant) -> Option<(AllocationId, Family)> {
        let (id, family) = self.ends.take_due(now)?;
        if let Some(entry) = self.entries.get_mut(id.index()) {
            entry.ends[family.place()] = None;
        }
        Some((id, family))
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
