use crate::node::Time;

/// The oracle's own book of the nodes' leases: when a node counted as dead for the others.
///
/// While the store is away, and for a lease after it is back, no lease lapses: nobody may be swept then.
#[derive(Debug)]
pub(crate) struct Leases {
    lease: Time,
    nodes: Vec<Lease>,
    away: Option<Time>,
}

#[derive(Debug, Default)]
struct Lease {
    /// When it ends, if the node does not beat before.
    expiry: Option<Time>,
    /// Whether the store has it.
    held: bool,
    lapses: Vec<(Time, Time)>,
}

impl Leases {
    pub(crate) fn new(lease: Time) -> Self {
        Self {
            lease,
            nodes: Vec::new(),
            away: None,
        }
    }

    pub(crate) fn add_node(&mut self) {
        self.nodes.push(Lease::default());
    }

    /// The store has carried out a beat.
    pub(crate) fn beat(&mut self, node: usize, at: Time) {
        let lease = &mut self.nodes[node];
        if let Some(expiry) = lease.expiry
            && expiry <= at
        {
            lease.lapses.push((expiry, at));
        }
        lease.expiry = Some(at + self.lease);
        lease.held = true;
    }

    /// The store has lost all leases: everybody who had one has a lease's time to come back.
    pub(crate) fn flushed(&mut self, at: Time) {
        for lease in &mut self.nodes {
            if let Some(expiry) = &mut lease.expiry
                && *expiry > at
                && lease.held
            {
                *expiry = at + self.lease;
            }
            lease.held = false;
        }
    }

    /// The store does nothing.
    pub(crate) fn store_away(&mut self, at: Time) {
        self.away.get_or_insert(at);
    }

    /// The store works again: everybody has a lease's time to come back.
    pub(crate) fn store_back(&mut self, at: Time) {
        let Some(away) = self.away.take() else {
            return;
        };
        for lease in &mut self.nodes {
            if let Some(expiry) = &mut lease.expiry
                && *expiry > away
            {
                *expiry = (*expiry).max(at + self.lease);
            }
        }
    }

    /// Lapses of a node's lease that may be noticed at this time, by when they began.
    pub(crate) fn lapses(&self, node: usize, at: Time, slack: Time) -> impl Iterator<Item = Time> {
        let lease = &self.nodes[node];
        let open = lease.expiry.map(|expiry| (expiry, Time::MAX));
        let now = self.away.unwrap_or(at);
        let lapses = lease.lapses.iter().copied().chain(open);
        lapses
            .filter(move |(from, until)| *from <= now && at <= until.saturating_add(slack))
            .map(|(from, _)| from)
    }

    /// Whether the node counted as dead at some time between.
    pub(crate) fn lapsed(&self, node: usize, from: Time, until: Time) -> bool {
        let lease = &self.nodes[node];
        let open = lease.expiry.map(|expiry| (expiry, Time::MAX));
        let mut lapses = lease.lapses.iter().copied().chain(open);
        lapses.any(|(begin, end)| begin <= until && from <= end)
    }
}
