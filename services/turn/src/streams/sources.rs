use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use relay::TokenBucket;

use crate::source::source;

/// As many connections as this time allows may be made at once: those of a network whose connections were all lost.
const SPAN: Duration = Duration::from_secs(10);

/// Sources that are remembered before those are looked for that need not be.
const FEW: usize = 1024;

/// How many connections each source has, and how often it makes one, over all threads.
#[derive(Debug)]
pub(crate) struct Sources {
    limits: SourceLimits,
    start: Instant,
    table: Mutex<Table>,
}

/// What each source may; 0 is any number.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SourceLimits {
    /// Connections at a time.
    pub(crate) connections: usize,
    /// New ones in a second: with each of TLS comes a signature of ours.
    pub(crate) per_second: u32,
}

#[derive(Debug)]
struct Table {
    sources: HashMap<IpAddr, Source>,
    /// How many there are when those are taken out that have no connections and have made none lately.
    next_search: usize,
}

#[derive(Debug, Default)]
struct Source {
    connections: usize,
    made: TokenBucket,
}

/// One connection of a source, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct SourceSlot {
    sources: Arc<Sources>,
    source: IpAddr,
}

impl Sources {
    pub(crate) fn new(limits: SourceLimits, now: Instant) -> Self {
        Self {
            limits,
            start: now,
            table: Mutex::new(Table {
                sources: HashMap::new(),
                next_search: FEW,
            }),
        }
    }

    /// Counts a connection of `ip`'s, unless it has as many as it may, or has made too many lately.
    pub(crate) fn enter(self: &Arc<Self>, ip: IpAddr, now: Instant) -> Option<SourceSlot> {
        let source = source(ip);
        let now = now.saturating_duration_since(self.start).as_nanos();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        let SourceLimits {
            connections,
            per_second,
        } = self.limits;
        let mut table = self.lock();
        table.search(now);
        let found = table.sources.entry(source).or_default();
        let may_be = connections == 0 || found.connections < connections;
        let may_make = per_second == 0 || found.made.has_any(SPAN, now);
        if !may_be || !may_make {
            return None;
        }
        found.connections += 1;
        if per_second > 0 {
            found.made.take(1, per_second.into(), now);
        }
        drop(table);
        Some(SourceSlot {
            sources: self.clone(),
            source,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Each search may take as long as there are sources: none until they are twice as many.
    fn search(&mut self, now: u64) {
        if self.sources.len() >= self.next_search {
            let is_needed = |source: &Source| source.connections > 0 || !source.made.is_full(now);
            self.sources.retain(|_, source| is_needed(source));
            self.next_search = FEW.max(2 * self.sources.len());
        }
    }
}

impl Drop for SourceSlot {
    fn drop(&mut self) {
        if let Some(source) = self.sources.lock().sources.get_mut(&self.source) {
            source.connections -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::{collection::vec, prelude::*, sample::Index};

    use super::*;

    fn sources(connections: usize, per_second: u32) -> (Arc<Sources>, Instant) {
        let limits = SourceLimits {
            connections,
            per_second,
        };
        let now = Instant::now();
        (Arc::new(Sources::new(limits, now)), now)
    }

    proptest! {
        #[test]
        fn checklist_08_whatever_comes_and_goes_a_source_has_no_more_than_it_may_and_gives_all_back(
            steps in vec((0_usize..3, any::<bool>(), any::<Index>()), 0..200)
        ) {
            const MOST: usize = 3;
            let (sources, now) = sources(MOST, 0);
            let all = ["192.0.2.1", "2001:db8:0:1::1", "2001:db8:0:2::1"];
            let all: [IpAddr; 3] = all.map(|ip| ip.parse().unwrap());
            let mut held: [Vec<SourceSlot>; 3] = Default::default();
            for (source, enters, which) in steps {
                let of_source = &mut held[source];
                if enters {
                    let slot = sources.enter(all[source], now);
                    prop_assert_eq!(slot.is_some(), of_source.len() < MOST);
                    of_source.extend(slot);
                } else if !of_source.is_empty() {
                    of_source.swap_remove(which.index(of_source.len()));
                }
            }
            held.iter_mut().for_each(Vec::clear);
            let table = sources.lock();
            prop_assert!(table.sources.values().all(|source| source.connections == 0));
        }
    }

    #[test]
    fn a_network_of_ipv6_is_one_source_and_what_it_had_is_given_back() {
        let (sources, now) = sources(2, 0);
        let enter = |ip: &str| sources.enter(ip.parse().unwrap(), now);
        let first = enter("2001:db8:0:1::1").unwrap();
        let second = enter("2001:db8:0:1:ffff::2").unwrap();
        assert!(enter("2001:db8:0:1::3").is_none());
        assert!(enter("2001:db8:0:2::1").is_some());
        drop(first);
        let third = enter("2001:db8:0:1::3").unwrap();
        drop((second, third));
        assert_eq!((0..3).filter_map(|_| enter("2001:db8:0:1::4")).count(), 3);
    }

    #[test]
    fn an_address_of_ipv4_is_one_however_it_is_written() {
        let (sources, now) = sources(1, 0);
        let held = sources.enter("192.0.2.1".parse().unwrap(), now).unwrap();
        let mapped = || sources.enter("::ffff:192.0.2.1".parse().unwrap(), now);
        assert!(mapped().is_none());
        assert!(sources.enter("192.0.2.2".parse().unwrap(), now).is_some());
        drop(held);
        assert!(mapped().is_some());
    }

    #[test]
    fn checklist_03_a_source_makes_so_many_at_once_and_so_many_a_second_though_it_keeps_none() {
        let (sources, start) = sources(0, 5);
        let made = |ip: &str, seconds: u64| {
            let (ip, now) = (ip.parse().unwrap(), start + Duration::from_secs(seconds));
            (0..1000).filter_map(|_| sources.enter(ip, now)).count()
        };
        assert_eq!(made("192.0.2.1", 0), 50);
        assert_eq!(made("192.0.2.1", 0), 0);
        assert_eq!(made("192.0.2.2", 0), 50);
        assert_eq!(made("192.0.2.1", 2), 10);
        assert_eq!(made("192.0.2.1", 3600), 50);
    }

    #[test]
    fn sources_that_have_none_and_made_none_lately_are_not_remembered() {
        let (sources, start) = sources(0, 5);
        let few = u32::try_from(FEW).unwrap();
        let enter = |number: u32, now| sources.enter(Ipv4Addr::from_bits(number).into(), now);
        let held = enter(0, start);
        for number in 1..few {
            drop(enter(number, start));
        }
        // The first of these searches, and finds that all were there lately.
        let later = start + Duration::from_millis(100);
        for number in few..2 * few {
            drop(enter(number, later));
        }
        assert_eq!(sources.lock().sources.len(), 2 * FEW);
        let later = start + Duration::from_secs(1);
        drop(enter(2 * few, later));
        assert_eq!(sources.lock().sources.len(), 2);
        drop(held);
    }
}
