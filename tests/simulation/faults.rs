//! What goes wrong.

use crate::{
    node::{MILLISECOND, SECOND, Time},
    random::Random,
};

/// What becomes of the data when the store's server is another one afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    Kept,
    Empty,
    /// But the last writes.
    Older(usize),
}

/// `lasting` is how long; the nodes are numbers of which the world makes nodes that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Both connections end. The node learns of it later, and cannot connect for a while.
    Cut {
        node: usize,
        noticed: Time,
        lasting: Time,
    },
    /// Nothing gets through in either direction, and all of it does afterwards.
    Stall { node: usize, lasting: Time },
    /// Nothing that is published gets to the node, and everything looks healthy.
    Deaf { node: usize },
    /// Some of what is published does not get to the node.
    Lossy {
        node: usize,
        percent: u64,
        lasting: Time,
    },
    /// The process stands still.
    Freeze { node: usize, lasting: Time },
    /// The process ends; another one begins later.
    Kill { node: usize, lasting: Time },
    /// The store's server stands still.
    FreezeStore { lasting: Time },
    /// The store's server ends; another one begins later.
    Outage { data: Data, lasting: Time },
    /// The store loses everything.
    Flush,
}

impl Fault {
    /// How long a fault of the store lasts.
    pub(crate) fn length(self) -> Time {
        match self {
            Self::FreezeStore { lasting } | Self::Outage { lasting, .. } => lasting,
            Self::Flush
            | Self::Cut { .. }
            | Self::Stall { .. }
            | Self::Deaf { .. }
            | Self::Lossy { .. }
            | Self::Freeze { .. }
            | Self::Kill { .. } => 0,
        }
    }
}

/// Which faults a run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mixture {
    /// None.
    None,
    /// Anything, several at a time.
    Anything,
    /// The store alone, one fault at a time.
    Store,
    /// Nodes that stand still for about a lease.
    Zombies,
    /// Lost messages.
    Loss,
    /// The store is flushed.
    Flush,
}

impl Mixture {
    /// What goes wrong in one round.
    pub(crate) fn draw(self, lease: Time, random: &mut Random) -> Vec<Fault> {
        let count = match self {
            Self::None => 0,
            Self::Store | Self::Flush => 1,
            Self::Anything => random.between(1, 4),
            Self::Zombies | Self::Loss => random.between(1, 3),
        };
        (0..count).map(|_| self.one(lease, random)).collect()
    }

    fn one(self, lease: Time, random: &mut Random) -> Fault {
        let node = random.below(16);
        match self {
            Self::Zombies => Fault::Freeze {
                node,
                lasting: random.between(lease * 9 / 10, lease * 15 / 10),
            },
            Self::Loss => lossy(node, random),
            Self::Flush | Self::None => Fault::Flush,
            Self::Store => match random.below(4) {
                0 => Fault::Flush,
                1 => Fault::FreezeStore {
                    lasting: lasting(lease, random),
                },
                _ => outage(lease, random),
            },
            Self::Anything => match random.below(13) {
                0..=2 => Fault::Cut {
                    node,
                    noticed: random.between(0, 3 * SECOND),
                    lasting: lasting(lease, random),
                },
                3 => Fault::Stall {
                    node,
                    lasting: random.between(50 * MILLISECOND, 6 * SECOND),
                },
                4 => Fault::Deaf { node },
                5 | 6 => lossy(node, random),
                7 => Fault::Freeze {
                    node,
                    lasting: lasting(lease, random),
                },
                8 | 9 => Fault::Kill {
                    node,
                    lasting: random.between(SECOND, 5 * SECOND),
                },
                10 => Fault::FreezeStore {
                    lasting: lasting(lease, random),
                },
                11 => outage(lease, random),
                _ => Fault::Flush,
            },
        }
    }
}

fn lossy(node: usize, random: &mut Random) -> Fault {
    Fault::Lossy {
        node,
        percent: *random.pick(&[3, 10, 30, 60]),
        lasting: random.between(SECOND, 6 * SECOND),
    }
}

fn outage(lease: Time, random: &mut Random) -> Fault {
    let data = match random.below(3) {
        0 => Data::Kept,
        1 => Data::Empty,
        _ => Data::Older(random.below(12)),
    };
    Fault::Outage {
        data,
        lasting: lasting(lease, random),
    }
}

/// Short, or about a lease, or longer.
fn lasting(lease: Time, random: &mut Random) -> Time {
    match random.below(4) {
        0 | 1 => random.between(20 * MILLISECOND, 3 * SECOND),
        2 => random.between(lease * 7 / 10, lease * 13 / 10),
        _ => random.between(lease, lease * 2),
    }
}
