use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use crate::source::source;

/// How many connections each source has, over all threads.
#[derive(Debug)]
pub(crate) struct Sources {
    /// 0 is none.
    limit: usize,
    connections: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection of a source, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct SourceSlot {
    sources: Arc<Sources>,
    source: IpAddr,
}

impl Sources {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            connections: Mutex::default(),
        }
    }

    /// Counts a connection of `ip`'s, unless it has as many as it may.
    pub(crate) fn enter(self: &Arc<Self>, ip: IpAddr) -> Option<SourceSlot> {
        let source = source(ip);
        let mut connections = self.lock();
        let count = connections.entry(source).or_default();
        if self.limit > 0 && *count >= self.limit {
            return None;
        }
        *count += 1;
        drop(connections);
        Some(SourceSlot {
            sources: self.clone(),
            source,
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        let locked = self.connections.lock();
        locked.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SourceSlot {
    fn drop(&mut self) {
        let mut connections = self.sources.lock();
        if let Some(count) = connections.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                connections.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_source_and_what_it_had_is_given_back() {
        let sources = Arc::new(Sources::new(2));
        let enter = |ip: &str| sources.enter(ip.parse().unwrap());
        let first = enter("2001:db8:0:1::1").unwrap();
        let second = enter("2001:db8:0:1:ffff::2").unwrap();
        assert!(enter("2001:db8:0:1::3").is_none());
        assert!(enter("2001:db8:0:2::1").is_some());
        drop(first);
        assert!(enter("2001:db8:0:1::3").is_some());
        drop(second);
        assert!(sources.lock().is_empty());
    }

    #[test]
    fn an_address_of_ipv4_is_one_however_it_is_written() {
        let sources = Arc::new(Sources::new(1));
        let held = sources.enter("192.0.2.1".parse().unwrap()).unwrap();
        assert!(sources.enter("::ffff:192.0.2.1".parse().unwrap()).is_none());
        assert!(sources.enter("192.0.2.2".parse().unwrap()).is_some());
        drop(held);
        assert!(sources.lock().is_empty());
    }
}
