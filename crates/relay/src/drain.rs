use std::{net::SocketAddr, time::Instant};

use crate::{Client, Relay, wire::TransactionId};

/// How a relay comes to an end: no new allocations, and those that there are may be refreshed, perhaps up to an
/// instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drain {
    /// When the last allocations are ended; never, if nobody said. Lifetimes that are granted until then are no
    /// longer.
    pub until: Option<Instant>,
    /// Other relays, RFC 8489 §10, at ports of UDP and TCP: an Allocate is answered 300 with one of them that has the
    /// client's family, and 508 if there is none, or to a client that comes by TLS.
    pub alternates: Vec<SocketAddr>,
}

impl Relay {
    /// Begins to drain, or goes back to serving as if it had never begun, with all allocations that are left.
    pub fn handle_drain(&mut self, drain: Option<Drain>) {
        self.drain = drain;
    }
}

impl Drain {
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// Where the client is to go instead. Clients draw their transactions' numbers at random, and so are spread.
    pub(crate) fn alternate(
        &self,
        client: Client,
        TransactionId(id): TransactionId,
    ) -> Option<SocketAddr> {
        let is_ipv4 = client.address.ip().to_canonical().is_ipv4();
        let alternates = || self.alternates.iter().filter(|a| a.is_ipv4() == is_ipv4);
        let number = usize::from(u16::from_be_bytes([id[10], id[11]]));
        alternates()
            .nth(number.checked_rem(alternates().count())?)
            .copied()
    }
}
