//! Connections with peers, RFC 6062, on the thread of their allocation: sockets that take them, those that are being
//! made, and what is known of those that went on to wait for their clients.

use std::{
    collections::{HashMap, VecDeque},
    io::{self, ErrorKind},
    net::SocketAddr,
    sync::Arc,
    time::Instant,
};

use foldhash::fast::FixedState;
use mio::{
    Interest, Registry, Token,
    net::{TcpListener, TcpStream},
};
use relay::{
    AllocationId, CONNECT_TIMEOUT, Connect, ConnectFailure, ConnectId, ConnectionId, Family, Open,
    UserId,
};
use slab::Slab;

use crate::{
    allowance::Allowance,
    handovers::{Handover, Handovers, Link},
    quotas::{Charge, DescriptorSlot, Quotas},
    relay_sockets::tcp_from,
};

/// First token of connections that are being made.
pub(crate) const FIRST_CONNECTING_TOKEN: usize = 1 << (usize::BITS - 6);

/// First token of sockets that take connections.
pub(crate) const FIRST_LISTENER_TOKEN: usize = 1 << (usize::BITS - 5);

/// Connections that one allocation may have at a time, those included that are being made or wait.
const MAX_CONNECTIONS: usize = 32;

/// How a Connect went.
pub(crate) type Outcome = Result<ConnectionId, ConnectFailure>;

#[derive(Debug)]
pub(crate) struct Peers {
    listeners: Slab<Listener>,
    by_allocation: HashMap<(AllocationId, Family), usize, FixedState>,
    connecting: Slab<Connecting>,
    /// All have equally long. Of those that are done some are left here until then.
    in_order: VecDeque<(Instant, usize, ConnectId)>,
    /// Those that wait or go on, of each allocation.
    held: HashMap<AllocationId, Vec<Held>, FixedState>,
    /// What those of an allocation may carry, from its first until it ends.
    allowances: HashMap<AllocationId, Arc<Allowance>, FixedState>,
    bits_per_second: u64,
    pub(crate) handovers: Arc<Handovers>,
    quotas: Arc<Quotas>,
    registry: Registry,
}

#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    allocation: AllocationId,
    user: UserId,
    /// Released when the socket is closed.
    _charge: Charge,
}

#[derive(Debug)]
struct Connecting {
    socket: TcpStream,
    wanted: Connect,
    slot: DescriptorSlot,
}

/// A connection that somebody else has, as long as the link is theirs too.
#[derive(Debug)]
struct Held {
    peer: SocketAddr,
    /// Whether a Connect has made it: of those there is one with a peer, RFC 6062 §5.2.
    is_made: bool,
    link: Arc<Link>,
}

/// A connection that is there, and nobody's yet.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) allocation: AllocationId,
    pub(crate) peer: SocketAddr,
    is_made: bool,
    socket: TcpStream,
    user: UserId,
    slot: DescriptorSlot,
}

impl Peers {
    /// Sockets are registered with `registry`'s poll. So many bits a second an allocation's connections carry each way, or
    /// any number for 0.
    pub(crate) fn new(
        handovers: Arc<Handovers>,
        quotas: Arc<Quotas>,
        registry: Registry,
        bits_per_second: u64,
    ) -> Self {
        Self {
            listeners: Slab::new(),
            by_allocation: HashMap::default(),
            connecting: Slab::new(),
            in_order: VecDeque::new(),
            held: HashMap::default(),
            allowances: HashMap::default(),
            bits_per_second,
            handovers,
            quotas,
            registry,
        }
    }

    /// Takes connections at the allocation's relayed address.
    ///
    /// # Errors
    /// When the socket cannot be waited for.
    pub(crate) fn listen(
        &mut self,
        open: &Open,
        mut socket: TcpListener,
        charge: Charge,
    ) -> io::Result<()> {
        let address = socket.local_addr()?;
        let place = self.listeners.vacant_entry();
        let token = Token(FIRST_LISTENER_TOKEN + place.key());
        self.registry
            .register(&mut socket, token, Interest::READABLE)?;
        self.by_allocation
            .insert((open.allocation, open.family), place.key());
        place.insert(Listener {
            socket,
            address,
            allocation: open.allocation,
            user: open.user.clone(),
            _charge: charge,
        });
        Ok(())
    }

    /// The relayed address is over, and with it all connections from it.
    pub(crate) fn close(&mut self, allocation: AllocationId, family: Family) {
        let Some(place) = self.by_allocation.remove(&(allocation, family)) else {
            return;
        };
        if let Some(mut gone) = self.listeners.try_remove(place) {
            let _ = self.registry.deregister(&mut gone.socket);
        }
        let is_from_it =
            |of: AllocationId, peer: SocketAddr| of == allocation && Family::of(peer) == family;
        let registry = &self.registry;
        self.connecting.retain(|_, connecting| {
            let goes_on = !is_from_it(connecting.wanted.allocation, connecting.wanted.peer);
            if !goes_on {
                let _ = registry.deregister(&mut connecting.socket);
            }
            goes_on
        });
        if let Some(mut held) = self.held.remove(&allocation) {
            held.retain(|held| {
                let goes_on = !is_from_it(allocation, held.peer);
                if !goes_on {
                    held.link.end();
                }
                goes_on
            });
            if !held.is_empty() {
                self.held.insert(allocation, held);
            }
            self.handovers.purge();
        }
        let mut families = Family::ALL.into_iter();
        if !families.any(|family| self.by_allocation.contains_key(&(allocation, family))) {
            self.allowances.remove(&allocation);
        }
    }

    /// Begins to make a connection; gives the outcome if that is known at once.
    pub(crate) fn connect(&mut self, wanted: Connect, now: Instant) -> Option<Outcome> {
        let begun = self.begin(&wanted);
        let (mut socket, slot) = match begun {
            Ok(begun) => begun,
            Err(failure) => return Some(Err(failure)),
        };
        let place = self.connecting.vacant_entry();
        let token = Token(FIRST_CONNECTING_TOKEN + place.key());
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self
            .registry
            .register(&mut socket, token, interest)
            .is_err()
        {
            return Some(Err(ConnectFailure::InsufficientCapacity));
        }
        self.in_order
            .push_back((now + CONNECT_TIMEOUT, place.key(), wanted.connect));
        place.insert(Connecting {
            socket,
            wanted,
            slot,
        });
        None
    }

    fn begin(&mut self, wanted: &Connect) -> Result<(TcpStream, DescriptorSlot), ConnectFailure> {
        let allocation = wanted.allocation;
        let held = self.held_by(allocation);
        let is_held = held
            .iter()
            .any(|held| held.is_made && held.peer == wanted.peer);
        let held = held.len();
        let of_allocation = |it: &&Connecting| it.wanted.allocation == allocation;
        let connecting = self.connecting.iter().map(|(_, connecting)| connecting);
        let connecting: Vec<_> = connecting.filter(of_allocation).collect();
        if is_held || connecting.iter().any(|it| it.wanted.peer == wanted.peer) {
            return Err(ConnectFailure::AlreadyExists);
        }
        if held + connecting.len() >= MAX_CONNECTIONS {
            return Err(ConnectFailure::InsufficientCapacity);
        }
        let place = (allocation, Family::of(wanted.peer));
        let listener = self.by_allocation.get(&place);
        let listener = listener.and_then(|place| self.listeners.get(*place));
        let listener = listener.ok_or(ConnectFailure::TimeoutOrFailure)?;
        let slot = self.quotas.enter_connection();
        let slot = slot.ok_or(ConnectFailure::InsufficientCapacity)?;
        match tcp_from(listener.address, wanted.peer) {
            Ok(socket) => Ok((socket, slot)),
            Err(error) => {
                tracing::debug!(%error, "no connection with a peer");
                Err(ConnectFailure::TimeoutOrFailure)
            }
        }
    }

    /// Something has happened to a connection that is being made.
    pub(crate) fn finish(&mut self, place: usize, now: Instant) -> Option<(ConnectId, Outcome)> {
        let connecting = self.connecting.get(place)?;
        let failed = match connecting.socket.take_error() {
            Ok(None) => match connecting.socket.peer_addr() {
                Ok(_) => false,
                Err(error) if error.kind() == ErrorKind::NotConnected => return None,
                Err(_) => true,
            },
            Ok(Some(_)) | Err(_) => true,
        };
        let mut connecting = self.connecting.try_remove(place)?;
        let _ = self.registry.deregister(&mut connecting.socket);
        let Connect {
            connect,
            allocation,
            peer,
            user,
        } = connecting.wanted;
        if failed {
            return Some((connect, Err(ConnectFailure::TimeoutOrFailure)));
        }
        let outcome = self.handovers.draw().and_then(|id| {
            let (socket, slot) = (connecting.socket, connecting.slot);
            let incoming = Incoming {
                allocation,
                peer,
                is_made: true,
                socket,
                user,
                slot,
            };
            self.hold(id, incoming, now).then_some(id)
        });
        Some((connect, outcome.ok_or(ConnectFailure::InsufficientCapacity)))
    }

    /// A connection whose time is up.
    pub(crate) fn next_overdue(&mut self, now: Instant) -> Option<ConnectId> {
        while let Some((until, place, connect)) = self.in_order.front().copied()
            && until <= now
        {
            self.in_order.pop_front();
            let connecting = self.connecting.get(place);
            if connecting.is_some_and(|it| it.wanted.connect == connect) {
                let mut gone = self.connecting.remove(place);
                let _ = self.registry.deregister(&mut gone.socket);
                return Some(connect);
            }
        }
        None
    }

    /// When [`Self::next_overdue`] is to be asked, or earlier.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.in_order.front().map(|(until, _, _)| *until)
    }

    /// A connection that waits at a relayed address; `None` in it when it was closed, as there may be no more.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] when there is none, or what the system says.
    pub(crate) fn accept(&mut self, place: usize) -> io::Result<Option<Incoming>> {
        let Some(listener) = self.listeners.get(place) else {
            return Err(ErrorKind::WouldBlock.into());
        };
        let (socket, peer) = listener.socket.accept()?;
        let (allocation, user) = (listener.allocation, listener.user.clone());
        let of_allocation = self.held_by(allocation).len();
        let slot = match of_allocation {
            MAX_CONNECTIONS.. => None,
            _ => self.quotas.enter_connection(),
        };
        Ok(slot.map(|slot| Incoming {
            allocation,
            peer,
            is_made: false,
            socket,
            user,
            slot,
        }))
    }

    /// Lets a connection wait for its client under an id that was drawn; false when it is closed instead.
    pub(crate) fn hold(&mut self, id: ConnectionId, incoming: Incoming, now: Instant) -> bool {
        let link: Arc<Link> = Arc::default();
        let (allocation, peer, is_made) = (incoming.allocation, incoming.peer, incoming.is_made);
        let rate = self.bits_per_second;
        let allowance = self.allowances.entry(allocation);
        let allowance = allowance.or_insert_with(|| Allowance::new(rate, now));
        let handover = Handover {
            socket: incoming.socket,
            user: incoming.user,
            link: link.clone(),
            allowance: allowance.clone(),
            slot: incoming.slot,
        };
        let is_held = self.handovers.hold(id, handover, now).is_ok();
        if is_held {
            let held = self.held.entry(allocation).or_default();
            held.push(Held {
                peer,
                is_made,
                link,
            });
        }
        is_held
    }

    /// Those of an allocation's connections that are still there.
    fn held_by(&mut self, allocation: AllocationId) -> &[Held] {
        match self.held.get_mut(&allocation) {
            Some(held) => {
                held.retain(|held| Arc::strong_count(&held.link) > 1);
                held
            }
            None => &[],
        }
    }
}
