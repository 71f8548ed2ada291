use std::{collections::HashMap, io, net::IpAddr};

use foldhash::fast::FixedState;
use mio::{Interest, Registry, net::UdpSocket};
use relay::{AllocationId, Family};
use slab::Slab;

use super::{icmp::keep_messages, tokens};
use crate::quotas::Charge;

/// The relay sockets of a worker's allocations, by place and by allocation.
#[derive(Debug)]
pub(super) struct Opened {
    sockets: Slab<RelaySocket>,
    /// Ids are ours: nobody can choose them to be alike.
    by_allocation: HashMap<(AllocationId, Family), usize, FixedState>,
    registry: Registry,
    pub(super) keeps_icmp: bool,
}

#[derive(Debug)]
pub(super) struct RelaySocket {
    pub(super) socket: UdpSocket,
    pub(super) allocation: AllocationId,
    /// Released when the socket is closed.
    charge: Charge,
}

impl Opened {
    /// Sockets are registered with `registry`'s poll; whether ICMP messages are kept beside them is to be said.
    pub(super) fn new(registry: Registry, keeps_icmp: bool) -> Self {
        Self {
            sockets: Slab::new(),
            by_allocation: HashMap::default(),
            registry,
            keeps_icmp,
        }
    }

    pub(super) fn at(&self, place: usize) -> Option<&RelaySocket> {
        self.sockets.get(place)
    }

    pub(super) fn place_of(&self, allocation: AllocationId, family: Family) -> Option<usize> {
        self.by_allocation.get(&(allocation, family)).copied()
    }

    /// Takes the allocation's socket of `family`, and what was charged for it.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub(super) fn insert(
        &mut self,
        allocation: AllocationId,
        family: Family,
        mut socket: UdpSocket,
        charge: Charge,
    ) -> io::Result<()> {
        let place = self.sockets.vacant_entry();
        let token = tokens::relay_socket(place.key());
        self.registry
            .register(&mut socket, token, Interest::READABLE)?;
        if self.keeps_icmp
            && let Err(error) = keep_messages(&socket)
        {
            tracing::debug!(%error, "ICMP messages are not kept");
        }
        self.by_allocation.insert((allocation, family), place.key());
        place.insert(RelaySocket {
            socket,
            allocation,
            charge,
        });
        Ok(())
    }

    /// The allocation's client is at `ip` now, and what was charged for its sockets with it.
    pub(super) fn follow(&mut self, allocation: AllocationId, ip: IpAddr) {
        for family in Family::ALL {
            if let Some(place) = self.place_of(allocation, family)
                && let Some(opened) = self.sockets.get_mut(place)
            {
                opened.charge.follow(ip);
            }
        }
    }

    pub(super) fn close(&mut self, allocation: AllocationId, family: Family) {
        if let Some(place) = self.by_allocation.remove(&(allocation, family))
            && let Some(mut gone) = self.sockets.try_remove(place)
        {
            // Closing it would take it out of the poll as well; this says so.
            let _ = self.registry.deregister(&mut gone.socket);
        }
    }
}
