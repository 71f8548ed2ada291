use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use tokio::sync::mpsc;

use super::{Fleet, Kick, Kicks, MAX_KICKS, MAX_RELAYS, Relay, is_name, kicks};
use crate::{Health, Overloaded};

/// A fleet inside one process: what a relay without Redis has.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    hub: Arc<Mutex<Hub>>,
}

#[derive(Debug, Default)]
struct Hub {
    relays: BTreeMap<String, Relay>,
    kicks: BTreeMap<Arc<str>, u64>,
    listeners: Vec<mpsc::Sender<Arc<[Kick]>>>,
}

#[derive(Debug)]
struct Attached {
    hub: Arc<Mutex<Hub>>,
    own: Mutex<Option<String>>,
    kicks: mpsc::Sender<Arc<[Kick]>>,
}

impl Memory {
    /// Attaches a relay, or somebody who wants to know of them.
    pub fn attach(&self) -> (Arc<dyn Fleet>, Kicks) {
        let (sender, receiver) = kicks();
        let mut hub = lock(&self.hub);
        hub.forget_what_is_over();
        let known = hub.kicks.iter().map(|(user, until)| Kick {
            user: user.clone(),
            until: *until,
        });
        let known: Arc<[Kick]> = known.collect();
        if !known.is_empty() {
            // The queue is empty.
            let _ = sender.try_send(known);
        }
        hub.listeners.push(sender.clone());
        drop(hub);
        let attached = Attached {
            hub: self.hub.clone(),
            own: Mutex::default(),
            kicks: sender,
        };
        (Arc::new(attached), receiver)
    }
}

impl Fleet for Attached {
    fn register(&self, relay: Relay) {
        let mut hub = lock(&self.hub);
        let is_known = hub.relays.contains_key(&relay.id);
        if !relay.is_within_bounds() || (!is_known && hub.relays.len() >= MAX_RELAYS) {
            return;
        }
        *lock(&self.own) = Some(relay.id.clone());
        hub.relays.insert(relay.id.clone(), relay);
    }

    fn relays(&self) -> Arc<[Relay]> {
        lock(&self.hub).relays.values().cloned().collect()
    }

    fn kick(&self, user: &str, seconds: u64) -> Result<(), Overloaded> {
        if !is_name(user) {
            return Err(Overloaded);
        }
        let mut hub = lock(&self.hub);
        hub.forget_what_is_over();
        let user: Arc<str> = Arc::from(user);
        let until = unix().saturating_add(seconds);
        let kept = hub.kicks.entry(user.clone()).or_default();
        *kept = until.max(*kept);
        let kick: Arc<[Kick]> = Arc::from([Kick { user, until: *kept }]);
        if hub.kicks.len() > MAX_KICKS
            && let Some(first) = hub.kicks.iter().min_by_key(|(_, until)| **until)
        {
            let first = first.0.clone();
            hub.kicks.remove(&first);
        }
        let told = hub
            .listeners
            .iter()
            .map(|listener| listener.try_send(kick.clone()));
        // Those that are gone, or whose receiver is.
        let full = told
            .filter(|told| matches!(told, Err(mpsc::error::TrySendError::Full(_))))
            .count();
        if full > 0 { Err(Overloaded) } else { Ok(()) }
    }

    fn health(&self) -> Health {
        Health::Healthy
    }

    fn is_registered(&self) -> bool {
        lock(&self.own).is_some()
    }

    fn unreadable(&self) -> u64 {
        0
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let mut hub = lock(&self.hub);
        if let Some(own) = lock(&self.own).take() {
            hub.relays.remove(&own);
        }
        let own = &self.kicks;
        hub.listeners
            .retain(|listener| !listener.same_channel(own) && !listener.is_closed());
    }
}

impl Hub {
    fn forget_what_is_over(&mut self) {
        let now = unix();
        self.kicks.retain(|_, until| *until >= now);
        self.listeners.retain(|listener| !listener.is_closed());
    }
}

fn unix() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{super::conformance::relay, *};

    #[test]
    fn who_comes_when_all_places_are_taken_is_not_listed_until_there_is_one() {
        let memory = Memory::default();
        let attach = |number: usize| {
            let (fleet, _) = memory.attach();
            fleet.register(relay(&number.to_string()));
            fleet
        };
        let mut held: Vec<_> = (0..MAX_RELAYS).map(attach).collect();
        let late = attach(MAX_RELAYS);
        assert!(!late.is_registered());
        assert_eq!(late.relays().len(), MAX_RELAYS);
        held.pop();
        late.register(relay("late"));
        assert!(late.is_registered());
    }

    #[tokio::test]
    async fn of_too_many_kicks_the_one_that_is_over_first_is_forgotten() {
        let memory = Memory::default();
        let (asker, _) = memory.attach();
        asker.kick("first", 60).unwrap();
        for number in 0..MAX_KICKS {
            asker.kick(&number.to_string(), 3600).unwrap();
        }
        let (_newcomer, mut kicks) = memory.attach();
        let known = kicks.next().await.unwrap();
        assert_eq!(known.len(), MAX_KICKS);
        assert!(known.iter().all(|kick| &*kick.user != "first"));
    }
}
