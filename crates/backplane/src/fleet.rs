//! The relays of a cluster: which there are, and whom they must put out.
//!
//! A relay *registers* what it is, and says so again every second; a node asks for the list when it tells a client of
//! its ICE servers. Neither waits for the other.
//!
//! # The contract
//!
//! What every implementation keeps, and the conformance suite checks:
//!
//! - A relay that was registered is on everybody's list within a second, as it said last; one that is dropped, or
//!   dies, is off it within five.
//! - A kick reaches every relay, also one that is attached later, as long as it lasts.
//! - Where the relays cannot be asked for, the last list stays in force, for [`STALE`] at most; kicks are kept until
//!   they can be told, as many as there is room for.
//!
//! What is kept is bounded: [`MAX_RELAYS`], [`MAX_KICKS`], and [`Relay::is_within_bounds`].

#[cfg(test)]
pub(crate) mod conformance;
mod memory;

use std::{fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::{Health, Overloaded};

pub use memory::Memory;

/// Relays that are on the list at most; who comes later is not, until there is room.
pub const MAX_RELAYS: usize = 1024;

/// Users that are put out at a time at most; of more, the one whose time is over first is forgotten.
pub const MAX_KICKS: usize = 4096;

/// How long a list is good when no newer one can be had.
pub const STALE: Duration = Duration::from_secs(600);

/// Most URLs of a relay, and secrets that it has.
const MAX_NAMES: usize = 16;

/// Longest URL, region, id or user, in bytes.
const MAX_NAME_BYTES: usize = 512;

/// Kicks that wait for a relay at most, in batches.
const KICK_QUEUE: usize = 64;

/// A relay, as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relay {
    /// Its own, and new at every start.
    pub id: String,
    /// Where it is.
    pub region: String,
    /// How clients reach it, the preferred first: `turn:HOST:PORT?transport=udp` and the like.
    pub urls: Vec<String>,
    /// Ids of the secrets that it verifies credentials with.
    pub secrets: Vec<String>,
    /// Allocations that it has.
    pub load: u32,
    /// Allocations that it may have.
    pub capacity: u32,
    /// Whether it takes no more.
    pub draining: bool,
}

impl Relay {
    /// Whether it may be told to others: at most 16 URLs and secrets, of at most 512 bytes each.
    pub fn is_within_bounds(&self) -> bool {
        let names = self.urls.iter().chain(&self.secrets);
        self.urls.len() <= MAX_NAMES
            && self.secrets.len() <= MAX_NAMES
            && names
                .chain([&self.id, &self.region])
                .all(|name| name.len() <= MAX_NAME_BYTES)
    }

    /// Whether the others should know the difference at once.
    pub(crate) fn differs_in_more_than_load(&self, other: &Self) -> bool {
        let other = Self {
            load: self.load,
            ..other.clone()
        };
        *self != other
    }
}

/// A user that every relay puts out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kick {
    /// The name in its usernames.
    pub user: Arc<str>,
    /// The last second of Unix time in which its credentials are refused.
    pub until: u64,
}

/// A way to the relays of the cluster. Whoever drops it is no longer on the list.
pub trait Fleet: fmt::Debug + Send + Sync {
    /// Says what this relay is from now on. Nothing happens with one that is not within its bounds.
    fn register(&self, relay: Relay);

    /// The relays that are alive, as far as is known here.
    fn relays(&self) -> Arc<[Relay]>;

    /// Has every relay put a user out for so many seconds.
    ///
    /// # Errors
    /// [`Overloaded`] when there is no room for the command, or the name has more than 512 bytes.
    fn kick(&self, user: &str, seconds: u64) -> Result<(), Overloaded>;

    /// Whether the others can be reached now.
    fn health(&self) -> Health;

    /// Whether the others have this relay on their list, as far as is known.
    fn is_registered(&self) -> bool;

    /// Descriptions of relays that this version cannot read, so far.
    fn unreadable(&self) -> u64;
}

/// The users that a relay must put out, as they become known.
#[derive(Debug)]
pub struct Kicks(mpsc::Receiver<Arc<[Kick]>>);

impl Kicks {
    /// The next ones; some may come again. `None` when the [`Fleet`] was dropped, and the others know it or cannot be
    /// told.
    pub async fn next(&mut self) -> Option<Arc<[Kick]>> {
        self.0.recv().await
    }
}

pub(crate) fn kicks() -> (mpsc::Sender<Arc<[Kick]>>, Kicks) {
    let (sender, receiver) = mpsc::channel(KICK_QUEUE);
    (sender, Kicks(receiver))
}

pub(crate) fn is_name(user: &str) -> bool {
    user.len() <= MAX_NAME_BYTES
}
