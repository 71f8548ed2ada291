use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use relay::{Refusal, UserId};

use crate::source::source;

/// Descriptors that are left for everything but relay sockets and clients' connections.
const OTHER_DESCRIPTORS: u64 = 256;

/// How many relay sockets there may be, over all threads. Charged when a relay socket is opened, released when
/// it is closed: never for a packet.
#[derive(Debug)]
pub(crate) struct Quotas {
    user_limit: usize,
    source_limit: usize,
    allocation_limit: usize,
    descriptor_limit: usize,
    total: AtomicUsize,
    connections: AtomicUsize,
    charged: Mutex<Charged>,
}

#[derive(Debug, Default)]
struct Charged {
    by_user: HashMap<UserId, usize>,
    by_source: HashMap<IpAddr, usize>,
}

impl Quotas {
    /// A user limit of 0 is none. Descriptors are for relay sockets and connections together.
    pub(crate) fn new(user_limit: usize, descriptor_limit: usize) -> Self {
        Self {
            user_limit,
            source_limit: 0,
            allocation_limit: usize::MAX,
            descriptor_limit,
            total: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            charged: Mutex::default(),
        }
    }

    /// Limits what a source may have, and what all may have together; 0 is none.
    #[must_use]
    pub(crate) fn with_limits(mut self, of_source: usize, of_all: usize) -> Self {
        self.source_limit = of_source;
        self.allocation_limit = if of_all == 0 { usize::MAX } else { of_all };
        self
    }

    /// As many relay sockets and connections as this process may have descriptors for, beside those that its threads
    /// have.
    pub(crate) fn total_of_process(of_threads: usize) -> usize {
        let others = OTHER_DESCRIPTORS + of_threads as u64;
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let sockets = limit.map_or(u64::MAX, |limit| limit.saturating_sub(others).max(1));
        usize::try_from(sockets).unwrap_or(usize::MAX)
    }

    /// Charges a relay socket to a user and to the source that it comes from, until the charge is dropped. What comes
    /// from this machine has no source.
    pub(crate) fn charge(self: &Arc<Self>, user: &UserId, ip: IpAddr) -> Result<Charge, Refusal> {
        let source = charged_source(ip);
        let connections = self.connections.load(Ordering::Relaxed);
        let total = self.total.fetch_add(1, Ordering::Relaxed);
        if total + connections >= self.descriptor_limit || total >= self.allocation_limit {
            self.total.fetch_sub(1, Ordering::Relaxed);
            return Err(Refusal::InsufficientCapacity);
        }
        let mut charged = self.charged();
        if is_full(&charged.by_user, user, self.user_limit)
            || source.is_some_and(|it| is_full(&charged.by_source, &it, self.source_limit))
        {
            self.total.fetch_sub(1, Ordering::Relaxed);
            return Err(Refusal::QuotaReached);
        }
        *charged.by_user.entry(user.clone()).or_default() += 1;
        if let Some(source) = source {
            *charged.by_source.entry(source).or_default() += 1;
        }
        drop(charged);
        Ok(Charge {
            quotas: self.clone(),
            user: user.clone(),
            source,
        })
    }

    /// Relay sockets that there may be over all threads.
    pub(crate) fn total_limit(&self) -> usize {
        self.descriptor_limit.min(self.allocation_limit)
    }

    /// Counts a connection with a client or a peer. Each client needs a relay socket as well, and who comes by UDP needs
    /// but that: of the descriptors, connections have at most half.
    pub(crate) fn enter_connection(self: &Arc<Self>) -> Option<DescriptorSlot> {
        // Made first: what was counted is given back when it is dropped.
        let slot = DescriptorSlot(self.clone());
        let connections = self.connections.fetch_add(1, Ordering::Relaxed);
        let total = self.total.load(Ordering::Relaxed);
        let limit = self.descriptor_limit;
        let fits = connections < limit / 2 && connections + total < limit;
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

    #[cfg(test)]
    pub(crate) fn of_user(&self, user: &UserId) -> usize {
        self.charged().by_user.get(user).copied().unwrap_or(0)
    }

    #[cfg(test)]
    pub(crate) fn of_source(&self, ip: IpAddr) -> usize {
        self.charged().by_source.get(&ip).copied().unwrap_or(0)
    }

    /// Whether it is as at the beginning.
    #[cfg(test)]
    pub(crate) fn is_untouched(&self) -> bool {
        let charged = self.charged();
        self.total() == 0 && charged.by_user.is_empty() && charged.by_source.is_empty()
    }

    fn charged(&self) -> MutexGuard<'_, Charged> {
        self.charged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn charged_source(ip: IpAddr) -> Option<IpAddr> {
    (!ip.to_canonical().is_loopback()).then(|| source(ip))
}

fn is_full<Key: Hash + Eq>(counts: &HashMap<Key, usize>, key: &Key, limit: usize) -> bool {
    limit > 0 && counts.get(key).is_some_and(|count| *count >= limit)
}

fn give_back<Key: Hash + Eq>(counts: &mut HashMap<Key, usize>, key: &Key) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// What was charged for a relay socket. It lies beside the socket, and is released when it is dropped: whatever the
/// socket's end is, it is the charge's.
#[derive(Debug)]
pub(crate) struct Charge {
    quotas: Arc<Quotas>,
    user: UserId,
    source: Option<IpAddr>,
}

impl Charge {
    pub(crate) fn user(&self) -> &UserId {
        &self.user
    }

    /// Its client has moved to `ip`: another source has it now, unless that one has all that it may. It stays where it was
    /// then: nobody is put out for a limit that was kept when it was asked for, and nobody has more by moving than both
    /// sources may.
    pub(crate) fn follow(&mut self, ip: IpAddr) {
        let source = charged_source(ip);
        if source == self.source {
            return;
        }
        let mut charged = self.quotas.charged();
        let limit = self.quotas.source_limit;
        if source.is_some_and(|to| is_full(&charged.by_source, &to, limit)) {
            return;
        }
        if let Some(source) = &self.source {
            give_back(&mut charged.by_source, source);
        }
        if let Some(source) = source {
            *charged.by_source.entry(source).or_default() += 1;
        }
        drop(charged);
        self.source = source;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.quotas.total.fetch_sub(1, Ordering::Relaxed);
        let mut charged = self.quotas.charged();
        give_back(&mut charged.by_user, &self.user);
        if let Some(source) = &self.source {
            give_back(&mut charged.by_source, source);
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

    fn user(name: &str) -> UserId {
        UserId::Static(Arc::from(name))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn connections_have_half_of_the_descriptors_and_what_allocations_leave_of_them() {
        let quotas = Arc::new(Quotas::new(0, 6));
        let charge = || quotas.charge(&user("u"), ip("192.0.2.1"));
        let mut held: Vec<_> = (0..3).map(|_| quotas.enter_connection().unwrap()).collect();
        assert!(quotas.enter_connection().is_none());
        let mut charges: Vec<_> = (0..3).map(|_| charge().unwrap()).collect();
        assert!(charge().is_err());
        held.pop();
        charges.push(charge().unwrap());
        assert!(quotas.enter_connection().is_none());
        charges.pop();
        assert!(quotas.enter_connection().is_some());
        held.clear();
        assert_eq!(quotas.connections.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn checklist_08_a_source_has_its_quota_whoever_its_users_are_and_this_machine_has_none() {
        let quotas = Arc::new(Quotas::new(0, 100).with_limits(2, 0));
        let charge = |name: &str, at: &str| quotas.charge(&user(name), ip(at));
        let mut held = vec![
            charge("ann", "192.0.2.1").unwrap(),
            charge("bob", "::ffff:192.0.2.1").unwrap(),
            charge("ann", "192.0.2.2").unwrap(),
            charge("ann", "2001:db8:0:1::1").unwrap(),
            charge("ann", "2001:db8:0:1:9::1").unwrap(),
            charge("ann", "2001:db8:0:2::1").unwrap(),
        ];
        for full in ["192.0.2.1", "2001:db8:0:1:ffff::"] {
            let refused = charge("carol", full).unwrap_err();
            assert_eq!(refused, Refusal::QuotaReached, "{full}");
        }
        for _ in 0..10 {
            held.push(charge("ann", "127.0.0.1").unwrap());
            held.push(charge("ann", "::1").unwrap());
        }
        held.remove(0);
        held.push(charge("carol", "192.0.2.1").unwrap());
        held.clear();
        assert_eq!(quotas.total(), 0);
        let charged = quotas.charged();
        assert!(charged.by_user.is_empty() && charged.by_source.is_empty());
    }

    #[test]
    fn checklist_08_what_was_charged_to_a_source_goes_with_its_client() {
        let quotas = Arc::new(Quotas::new(0, 100).with_limits(1, 0));
        let charge = |at: &str| quotas.charge(&user("ann"), ip(at));
        let mut moving = charge("192.0.2.1").unwrap();
        moving.follow(ip("192.0.2.2"));
        assert_eq!(charge("192.0.2.2").unwrap_err(), Refusal::QuotaReached);
        let other = charge("192.0.2.1").unwrap();
        // Nobody is put out, and no source has more than it may.
        moving.follow(ip("192.0.2.1"));
        assert_eq!(charge("192.0.2.2").unwrap_err(), Refusal::QuotaReached);
        drop(other);
        moving.follow(ip("192.0.2.1"));
        assert_eq!(charge("192.0.2.1").unwrap_err(), Refusal::QuotaReached);
        drop(charge("192.0.2.2").unwrap());
        moving.follow(ip("127.0.0.1"));
        assert!(quotas.charged().by_source.is_empty());
        moving.follow(ip("192.0.2.3"));
        drop(moving);
        let charged = quotas.charged();
        assert!(charged.by_user.is_empty() && charged.by_source.is_empty());
    }

    #[test]
    fn checklist_08_all_together_have_as_many_as_they_may_and_connections_do_not_count() {
        let quotas = Arc::new(Quotas::new(0, 100).with_limits(0, 3));
        assert_eq!(quotas.total_limit(), 3);
        let _connections: Vec<_> = (0..50)
            .map(|_| quotas.enter_connection().unwrap())
            .collect();
        let charge = |n: u8| quotas.charge(&user(&n.to_string()), ip("192.0.2.1"));
        let mut held: Vec<_> = (0..3).map(|n| charge(n).unwrap()).collect();
        assert_eq!(charge(9).unwrap_err(), Refusal::InsufficientCapacity);
        held.pop();
        held.push(charge(9).unwrap());
    }

    #[test]
    fn what_is_refused_is_charged_to_nobody() {
        let quotas = Arc::new(Quotas::new(1, 3).with_limits(2, 0));
        let held = quotas.charge(&user("ann"), ip("192.0.2.1")).unwrap();
        for _ in 0..10 {
            assert!(quotas.charge(&user("ann"), ip("192.0.2.2")).is_err());
        }
        assert_eq!(quotas.total(), 1);
        assert_eq!(quotas.charged().by_source.len(), 1);
        drop(held);
        assert!(quotas.charged().by_source.is_empty());
    }
}
