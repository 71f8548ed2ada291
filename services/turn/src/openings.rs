//! What an allocation is given: a relay socket that was charged to its user, and perhaps the next port for later.

use std::{
    io,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use mio::net::{TcpListener, UdpSocket};
use relay::{Bound, Family, Port, Refusal, ReservationToken, UserId};

use crate::{
    addresses::Addresses,
    quotas::{Charge, Quotas},
    relay_sockets::Ports,
    reservations::Reservations,
};

/// One thread's way to relay sockets. Every socket is charged to its user and source, one that is reserved as well: who
/// asks for two addresses, or for the next port too, has two. What was charged for a socket is to be kept as long as it.
/// For a port that was reserved it stays charged to the source that reserved it.
#[derive(Debug)]
pub(crate) struct Openings {
    ports: Ports,
    addresses: Addresses,
    quotas: Arc<Quotas>,
    reservations: Arc<Reservations>,
    /// Whether the last relay socket could not be had for another reason than that its port was taken.
    failing: bool,
}

impl Openings {
    pub(crate) fn new(
        ports: Ports,
        addresses: Addresses,
        quotas: Arc<Quotas>,
        reservations: Arc<Reservations>,
    ) -> Self {
        Self {
            ports,
            addresses,
            quotas,
            reservations,
            failing: false,
        }
    }

    /// A socket for `user`, who is at `client`, and what was charged for it.
    pub(crate) fn open(
        &mut self,
        family: Family,
        port: Port,
        user: &UserId,
        client: IpAddr,
        now: Instant,
    ) -> Result<(UdpSocket, Bound, Charge), Refusal> {
        let opened = match port {
            Port::Any => self.open_new(family, false, user, client),
            Port::Even => self.open_new(family, true, user, client),
            Port::EvenAndNext => self.open_two(family, user, client, now),
            Port::Reserved(token) => {
                let reserved = self.reservations.take(token, user, now);
                let (socket, charge) = reserved.ok_or(Refusal::InsufficientCapacity)?;
                bound(socket, None, charge)
            }
        };
        match opened {
            Ok(opened) => {
                self.failing = false;
                Ok(opened)
            }
            Err(Failure::Refused(refusal)) => Err(refusal),
            Err(Failure::Io(error)) => {
                self.failed(&error);
                Err(Refusal::InsufficientCapacity)
            }
        }
    }

    /// A socket for `user`, who is at `client`, that takes connections, and what was charged for it.
    pub(crate) fn open_tcp(
        &mut self,
        family: Family,
        user: &UserId,
        client: IpAddr,
    ) -> Result<(TcpListener, Bound, Charge), Refusal> {
        let charge = self.quotas.charge(user, client)?;
        let opened = self.ip(family).and_then(|ip| self.ports.open_tcp(ip));
        let opened = opened.and_then(|socket| {
            let bound = socket.local_addr()?.into();
            Ok((socket, bound))
        });
        match opened {
            Ok((socket, bound)) => {
                self.failing = false;
                Ok((socket, bound, charge))
            }
            Err(error) => {
                self.failed(&error);
                Err(Refusal::InsufficientCapacity)
            }
        }
    }

    /// The system's answer to the wish for a socket, said once until it works again.
    pub(crate) fn failed(&mut self, error: &io::Error) {
        if !self.failing && error.kind() != io::ErrorKind::AddrInUse {
            self.failing = true;
            tracing::warn!(%error, "relay sockets cannot be opened");
        }
    }

    /// Closes the ports that nobody came for in time.
    pub(crate) fn handle_timeout(&self, now: Instant) {
        self.reservations.handle_timeout(now);
    }

    /// How long until [`Self::handle_timeout`] has something to do.
    pub(crate) fn due_in(&self, now: Instant) -> Option<Duration> {
        self.reservations.due_in(now)
    }

    fn open_new(&self, family: Family, even: bool, user: &UserId, client: IpAddr) -> Opened {
        let charge = self.quotas.charge(user, client)?;
        let socket = self.ports.open(self.ip(family)?, even)?;
        bound(socket, None, charge)
    }

    fn open_two(&self, family: Family, user: &UserId, client: IpAddr, now: Instant) -> Opened {
        let next = self.quotas.charge(user, client)?;
        let charge = self.quotas.charge(user, client)?;
        let (socket, next_socket) = self.ports.open_two(self.ip(family)?)?;
        let random = getrandom::u64().map_err(io::Error::other)?;
        let token = ReservationToken::new(random, family);
        self.reservations.hold(token, next, next_socket, now);
        bound(socket, Some(token), charge)
    }

    fn ip(&self, family: Family) -> io::Result<IpAddr> {
        let ip: Option<IpAddr> = match family {
            Family::V4 => self.addresses.v4.map(IpAddr::V4),
            Family::V6 => self.addresses.v6.map(IpAddr::V6),
        };
        ip.ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
    }
}

/// Of ours, or of the system.
enum Failure {
    Refused(Refusal),
    Io(io::Error),
}

type Opened = Result<(UdpSocket, Bound, Charge), Failure>;

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn bound(socket: UdpSocket, reserved: Option<ReservationToken>, charge: Charge) -> Opened {
    let address = socket.local_addr()?;
    Ok((socket, Bound { address, reserved }, charge))
}

#[cfg(test)]
mod tests;
