//! What an operator sees of the allocations.

use std::{net::SocketAddr, time::Duration, time::Instant};

use crate::{AllocationId, Authentication, Client, Relay, Traffic, UserId};

/// An allocation, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which.
    pub allocation: AllocationId,
    /// Whose.
    pub user: UserId,
    /// Where the user is.
    pub client: Client,
    /// Its relayed addresses that are not over, one or two, as the client was told.
    pub relayed: Vec<SocketAddr>,
    /// In what time the last of them ends unless it is refreshed.
    pub ends_in: Duration,
    /// What they have relayed so far.
    pub traffic: Traffic,
}

/// Which allocations are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Page<'a> {
    /// From this [`AllocationId::index`] on.
    pub from: usize,
    /// At most so many.
    pub limit: usize,
    /// This user's alone.
    pub user: Option<&'a str>,
}

impl Relay {
    /// Allocations in the order of their [`AllocationId::index`]; none that is over. When as many as the limit come
    /// back, there may be more after the last.
    pub fn list(&self, page: Page<'_>, now: Instant) -> Vec<Listed> {
        let is_wanted = |user: &UserId| page.user.is_none_or(|wanted| user.as_str() == wanted);
        self.allocations
            .open_from(page.from)
            .filter(|(_, allocation)| allocation.is_open(now) && is_wanted(&allocation.user))
            .take(page.limit)
            .map(|(id, allocation)| {
                let relayed = || allocation.relayed().filter(|relayed| relayed.until > now);
                let ends_in = relayed().map(|relayed| relayed.until - now).max();
                Listed {
                    allocation: id,
                    user: allocation.user.clone(),
                    client: allocation.client,
                    relayed: relayed().map(|relayed| relayed.address).collect(),
                    ends_in: ends_in.unwrap_or_default(),
                    traffic: relayed().map(|relayed| relayed.traffic).sum(),
                }
            })
            .collect()
    }

    /// How it went with the proof of the last request; `None` after one that needs none.
    pub fn authentication(&self) -> Option<Authentication> {
        self.authentication
    }
}
