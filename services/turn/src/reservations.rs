//! Ports that are held for who comes with their token, RFC 8656 §7.2.
//!
//! The token may come from another 5-tuple, which may be another thread's: so that all threads share them. They are
//! looked at when an allocation is made, and never for a packet.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use mio::net::UdpSocket;
use relay::{RESERVATION_LIFETIME, ReservationToken, UserId};

use crate::{due::Due, quotas::Charge};

/// What is reserved, over all threads. There is never more than the quotas let be charged.
#[derive(Debug)]
pub(crate) struct Reservations {
    held: Mutex<Held>,
    /// When the first of them is over.
    due: Due,
}

#[derive(Debug, Default)]
struct Held {
    by_token: HashMap<ReservationToken, Reserved>,
    in_order: BTreeSet<(Instant, ReservationToken)>,
}

/// When it is dropped, its socket is closed and its charge released.
#[derive(Debug)]
struct Reserved {
    until: Instant,
    charge: Charge,
    socket: UdpSocket,
}

impl Reservations {
    pub(crate) fn new(start: Instant) -> Self {
        Self {
            held: Mutex::default(),
            due: Due::new(start),
        }
    }

    /// Holds a socket for who was charged for it.
    pub(crate) fn hold(
        &self,
        token: ReservationToken,
        charge: Charge,
        socket: UdpSocket,
        now: Instant,
    ) {
        let until = now + RESERVATION_LIFETIME;
        let reserved = Reserved {
            until,
            charge,
            socket,
        };
        let mut held = self.held();
        if let Some(replaced) = held.by_token.insert(token, reserved) {
            held.in_order.remove(&(replaced.until, token));
        }
        held.in_order.insert((until, token));
        self.set_due(&held);
    }

    /// The socket that `token` stands for, with what was charged for it. A token is good for one time, and for its own
    /// user.
    pub(crate) fn take(
        &self,
        token: ReservationToken,
        user: &UserId,
        now: Instant,
    ) -> Option<(UdpSocket, Charge)> {
        let mut held = self.held();
        let reserved = held.by_token.get(&token)?;
        if reserved.until <= now || reserved.charge.user() != user {
            return None;
        }
        let reserved = held.by_token.remove(&token)?;
        held.in_order.remove(&(reserved.until, token));
        self.set_due(&held);
        Some((reserved.socket, reserved.charge))
    }

    /// Closes those that are over.
    pub(crate) fn handle_timeout(&self, now: Instant) {
        if !self.due.is_over(now) {
            return;
        }
        let mut held = self.held();
        while let Some((until, token)) = held.in_order.first().copied()
            && until <= now
        {
            held.in_order.remove(&(until, token));
            held.by_token.remove(&token);
        }
        self.set_due(&held);
    }

    /// How long until [`Self::handle_timeout`] has something to do.
    pub(crate) fn due_in(&self, now: Instant) -> Option<Duration> {
        self.due.due_in(now)
    }

    fn set_due(&self, held: &Held) {
        self.due.set(held.in_order.first().map(|(until, _)| *until));
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
