//! The relays of a cluster, in Redis.
//!
//! ```text
//!  register ─► description ─┐                ┌─► relays(), the last list
//!  kick ─────► queue ───────┤ Driver, a beat ├─► Kicks
//!                           └───── Redis ────┘
//! ```
//!
//! Every second the driver says what its relay is, if it has one, and reads the list. What is published hastens that,
//! and nothing depends on it.

mod driver;
mod list;
mod store;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use std::time::Instant;

use tokio::sync::{mpsc, watch};

use super::topology::Topology;
use crate::{
    Health, Overloaded,
    fleet::{Fleet, Kicks, Relay, is_name, kicks},
};
use driver::Driver;
use list::List;

/// Kicks that wait for Redis at most.
const KICK_QUEUE: usize = 256;

/// What driver and handle both know.
#[derive(Debug, Default)]
struct Shared {
    list: Mutex<List>,
    health: Mutex<Option<Health>>,
    is_registered: AtomicBool,
    unreadable: AtomicU64,
}

impl Shared {
    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how it goes; says it, once for each change.
    fn set_health(&self, health: Health) {
        let mut noted = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        if *noted == Some(health) {
            return;
        }
        *noted = Some(health);
        match health {
            Health::Starting => {}
            Health::Healthy => tracing::info!("the fleet of relays is reached in Redis"),
            Health::Degraded => {
                tracing::warn!(
                    "the fleet of relays is not reached now; what was known last is used"
                );
            }
        }
    }
}

#[derive(Debug)]
struct Attached {
    shared: Arc<Shared>,
    own: watch::Sender<Option<Relay>>,
    kicks: mpsc::Sender<(String, u64)>,
}

pub(super) fn attach(prefix: &str, topology: Topology) -> (Arc<dyn Fleet>, Kicks) {
    let shared = Arc::new(Shared::default());
    let (own, described) = watch::channel(None);
    let (sender, received) = mpsc::channel(KICK_QUEUE);
    let (told, heard) = kicks();
    let driver = Driver::new(prefix, topology, shared.clone(), described, received, told);
    tokio::spawn(driver.run());
    let attached = Attached {
        shared,
        own,
        kicks: sender,
    };
    (Arc::new(attached), heard)
}

impl Fleet for Attached {
    fn register(&self, relay: Relay) {
        if !relay.is_within_bounds() {
            tracing::warn!("this relay's description is too long to be told to others");
            return;
        }
        self.own.send_if_modified(|own| {
            let is_new = own.as_ref() != Some(&relay);
            // A load alone waits for the next beat.
            let is_urgent = own
                .as_ref()
                .is_none_or(|own| own.differs_in_more_than_load(&relay));
            if is_new {
                *own = Some(relay);
            }
            is_urgent
        });
    }

    fn relays(&self) -> Arc<[Relay]> {
        self.shared.list().relays(Instant::now())
    }

    fn kick(&self, user: &str, seconds: u64) -> Result<(), Overloaded> {
        if !is_name(user) {
            return Err(Overloaded);
        }
        let kick = (user.to_owned(), seconds);
        self.kicks.try_send(kick).map_err(|_| Overloaded)
    }

    fn health(&self) -> Health {
        let noted = self.shared.health.lock();
        let noted = noted.unwrap_or_else(PoisonError::into_inner);
        noted.unwrap_or(Health::Starting)
    }

    fn is_registered(&self) -> bool {
        self.shared.is_registered.load(Ordering::Relaxed)
    }

    fn unreadable(&self) -> u64 {
        self.shared.unreadable.load(Ordering::Relaxed)
    }
}
