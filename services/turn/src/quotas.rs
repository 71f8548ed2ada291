use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use relay::{Refusal, UserId};

/// Descriptors that are left for everything but relay sockets and clients' connections.
const OTHER_DESCRIPTORS: u64 = 256;

/// How many relay sockets there may be, over all threads. Charged when a relay socket is opened, released when
/// it is closed: never for a packet.
#[derive(Debug)]
pub(crate) struct Quotas {
    user_limit: usize,
    total_limit: usize,
    total: AtomicUsize,
    connections: AtomicUsize,
    by_user: Mutex<HashMap<UserId, usize>>,
}

impl Quotas {
    /// A user limit of 0 is none.
    pub(crate) fn new(user_limit: usize, total_limit: usize) -> Self {
        Self {
            user_limit,
            total_limit,
            total: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            by_user: Mutex::default(),
        }
    }

    /// As many relay sockets and connections as this process may have descriptors for, beside those that its threads
    /// have.
    pub(crate) fn total_of_process(of_threads: usize) -> usize {
        let others = OTHER_DESCRIPTORS + of_threads as u64;
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let sockets = limit.map_or(u64::MAX, |limit| limit.saturating_sub(others).max(1));
        usize::try_from(sockets).unwrap_or(usize::MAX)
    }

    pub(crate) fn charge(&self, user: &UserId) -> Result<(), Refusal> {
        let connections = self.connections.load(Ordering::Relaxed);
        if self.total.fetch_add(1, Ordering::Relaxed) + connections >= self.total_limit {
            self.total.fetch_sub(1, Ordering::Relaxed);
            return Err(Refusal::InsufficientCapacity);
        }
        let mut by_user = self.by_user.lock().unwrap_or_else(PoisonError::into_inner);
        let allocations = by_user.entry(user.clone()).or_default();
        if self.user_limit > 0 && *allocations >= self.user_limit {
            self.total.fetch_sub(1, Ordering::Relaxed);
            return Err(Refusal::QuotaReached);
        }
        *allocations += 1;
        Ok(())
    }

    /// A charge that is released when it is dropped, unless somebody else is to release it.
    pub(crate) fn charge_for_later(self: &Arc<Self>, user: &UserId) -> Result<Charge, Refusal> {
        self.charge(user)?;
        Ok(Charge {
            quotas: Some(self.clone()),
            user: user.clone(),
        })
    }

    pub(crate) fn release(&self, user: &UserId) {
        self.total.fetch_sub(1, Ordering::Relaxed);
        let mut by_user = self.by_user.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(allocations) = by_user.get_mut(user) {
            *allocations -= 1;
            if *allocations == 0 {
                by_user.remove(user);
            }
        }
    }

    /// Relay sockets that there may be over all threads.
    pub(crate) fn total_limit(&self) -> usize {
        self.total_limit
    }

    /// Counts a connection with a client or a peer. Each client needs a relay socket as well, and who comes by UDP needs
    /// but that: of the descriptors, connections have at most half.
    pub(crate) fn enter_connection(self: &Arc<Self>) -> Option<DescriptorSlot> {
        // Made first: what was counted is given back when it is dropped.
        let slot = DescriptorSlot(self.clone());
        let connections = self.connections.fetch_add(1, Ordering::Relaxed);
        let total = self.total.load(Ordering::Relaxed);
        let fits = connections < self.total_limit / 2 && connections + total < self.total_limit;
        fits.then_some(slot)
    }

    /// Connections with clients and peers over all threads.
    #[cfg(test)]
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Relay sockets over all threads, those included that are reserved.
    pub(crate) fn total(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }
}

/// What was charged for a socket that nobody uses yet.
#[derive(Debug)]
pub(crate) struct Charge {
    quotas: Option<Arc<Quotas>>,
    user: UserId,
}

impl Charge {
    pub(crate) fn user(&self) -> &UserId {
        &self.user
    }

    /// It stays charged, and is released with [`Quotas::release`].
    pub(crate) fn keep(mut self) {
        self.quotas = None;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if let Some(quotas) = self.quotas.take() {
            quotas.release(&self.user);
        }
    }
}

/// A descriptor of a connection, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct DescriptorSlot(Arc<Quotas>);

impl Drop for DescriptorSlot {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_have_half_of_the_descriptors_and_what_allocations_leave_of_them() {
        let quotas = Arc::new(Quotas::new(0, 6));
        let user = UserId::Static(Arc::from("u"));
        let mut held: Vec<_> = (0..3).map(|_| quotas.enter_connection().unwrap()).collect();
        assert!(quotas.enter_connection().is_none());
        for _ in 0..3 {
            quotas.charge(&user).unwrap();
        }
        assert!(quotas.charge(&user).is_err());
        held.pop();
        quotas.charge(&user).unwrap();
        assert!(quotas.enter_connection().is_none());
        quotas.release(&user);
        assert!(quotas.enter_connection().is_some());
        held.clear();
        assert_eq!(quotas.connections.load(Ordering::Relaxed), 0);
    }
}
