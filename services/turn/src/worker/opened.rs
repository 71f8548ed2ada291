use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
};

use mio::{Interest, Registry, net::UdpSocket};
use relay::{AllocationId, Family, Open};
use slab::Slab;

use super::tokens;
use crate::{addresses::Addresses, relay_sockets::Ports};

/// The relay sockets of a worker's allocations, by place and by allocation.
#[derive(Debug)]
pub(super) struct Opened {
    sockets: Slab<RelaySocket>,
    by_allocation: HashMap<AllocationId, usize>,
    ports: Ports,
    addresses: Addresses,
    registry: Registry,
}

#[derive(Debug)]
pub(super) struct RelaySocket {
    pub(super) socket: UdpSocket,
    pub(super) allocation: AllocationId,
}

impl Opened {
    /// Sockets are registered with `registry`'s poll.
    pub(super) fn new(ports: Ports, addresses: Addresses, registry: Registry) -> Self {
        Self {
            sockets: Slab::new(),
            by_allocation: HashMap::new(),
            ports,
            addresses,
            registry,
        }
    }

    pub(super) fn at(&self, place: usize) -> Option<&RelaySocket> {
        self.sockets.get(place)
    }

    pub(super) fn of(&self, allocation: AllocationId) -> Option<&RelaySocket> {
        let place = self.by_allocation.get(&allocation)?;
        self.sockets.get(*place)
    }

    /// Opens the allocation's socket; gives the address that it is bound to.
    ///
    /// # Errors
    /// When no port is free, or the process is out of descriptors.
    pub(super) fn open(&mut self, open: &Open) -> io::Result<SocketAddr> {
        let ip: Option<IpAddr> = match open.family {
            Family::V4 => self.addresses.v4.map(IpAddr::V4),
            Family::V6 => self.addresses.v6.map(IpAddr::V6),
        };
        let ip = ip.ok_or(io::ErrorKind::AddrNotAvailable)?;
        let mut socket = self.ports.open(ip, open.even_port)?;
        let address = socket.local_addr()?;
        let place = self.sockets.vacant_entry();
        let token = tokens::relay_socket(place.key());
        self.registry
            .register(&mut socket, token, Interest::READABLE)?;
        self.by_allocation.insert(open.allocation, place.key());
        place.insert(RelaySocket {
            socket,
            allocation: open.allocation,
        });
        Ok(address)
    }

    pub(super) fn close(&mut self, allocation: AllocationId) {
        if let Some(place) = self.by_allocation.remove(&allocation)
            && let Some(mut gone) = self.sockets.try_remove(place)
        {
            // Closing it would take it out of the poll as well; this says so.
            let _ = self.registry.deregister(&mut gone.socket);
        }
    }
}
