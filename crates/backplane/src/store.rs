//! The store of a partition, by the book of [`Request`], in memory: what Redis's scripts are compared with, and what
//! simulated clusters run on.
//!
//! Time is a parameter, in microseconds. What is published comes back with the reply, in order; who subscribes to
//! what is the caller's business.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use bytestring::ByteString;

use crate::{
    Change, Entry, NodeId,
    partition::{Channel, Published, Reply, Request, RosterVersion},
};

mod step;
#[cfg(test)]
mod tests;

use step::Step;

/// Births times this, plus the life, make epochs.
const LIVES: u64 = 1 << 21;
/// Most lapsed nodes that a beat is told of; `lua/beat.lua` has the same number.
const LAPSED: usize = 16;
/// Members that one sweep takes out at most; a store serves nobody else meanwhile.
pub(crate) const SWEPT_AT_ONCE: u64 = 500;
/// Writes that a failover can lose at most.
const LOG: usize = 64;

/// Something on a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Of the store itself.
    Published(Published),
    /// Of a node.
    Payload(Bytes),
}

/// What is wrong with a store, on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// A sweep does not look whether the node is alive by now.
    SweepsTheLiving,
    /// A departure is published twice, the second time as a change of its own.
    LeavesTwice,
    /// What comes on a link after which the node has made another is done all the same, and however late.
    HearsDeadLinks,
}

/// See the module's documentation.
#[derive(Clone, Debug, Default)]
pub struct Store {
    data: Data,
    /// The data before the last writes, and those writes.
    before: Data,
    log: VecDeque<(Request, u64)>,
    defect: Option<Defect>,
}

#[derive(Clone, Debug, Default)]
struct Data {
    /// Until when each node is alive.
    leases: BTreeMap<NodeId, u64>,
    /// In which rooms each node has, or had, a member.
    rooms: BTreeMap<NodeId, BTreeSet<ByteString>>,
    rosters: BTreeMap<ByteString, Roster>,
    /// The number of each node's last link.
    links: BTreeMap<NodeId, u64>,
    life: u64,
    /// When this life began.
    began: u64,
}

#[derive(Clone, Debug, Default)]
struct Roster {
    birth: u64,
    version: u64,
    members: BTreeMap<ByteString, Entry>,
}

impl Store {
    /// A store with something wrong with it.
    pub fn with_defect(defect: Option<Defect>) -> Self {
        Self {
            defect,
            ..Self::default()
        }
    }

    /// Carries a request out, at `now` by the store's clock.
    pub fn execute(&mut self, request: Request, now: u64) -> (Reply, Vec<(Channel, Delivery)>) {
        if is_write(&request) {
            self.log.push_back((request.clone(), now));
            if self.log.len() > LOG
                && let Some((oldest, at)) = self.log.pop_front()
            {
                Step::new(&mut self.before, at, self.defect).execute(oldest);
            }
        }
        let mut step = Step::new(&mut self.data, now, self.defect);
        let reply = step.execute(request);
        (reply, step.deliveries)
    }

    /// Loses everything.
    pub fn flush(&mut self) {
        self.data = Data::default();
        self.before = Data::default();
        self.log.clear();
    }

    /// Goes on as a replica that has not seen the last writes.
    pub fn fail_over(&mut self, lost: usize) {
        self.log.truncate(self.log.len().saturating_sub(lost));
        for (request, at) in self.log.drain(..) {
            Step::new(&mut self.before, at, self.defect).execute(request);
        }
        self.data = self.before.clone();
    }

    /// Every room's members and the nodes that hold them.
    pub fn rosters(&self) -> BTreeMap<ByteString, BTreeMap<ByteString, NodeId>> {
        let nodes = |roster: &Roster| {
            let members = roster.members.values();
            members
                .map(|entry| (entry.member.clone(), entry.node.clone()))
                .collect()
        };
        self.data
            .rosters
            .iter()
            .map(|(room, roster)| (room.clone(), nodes(roster)))
            .collect()
    }
}

fn is_write(request: &Request) -> bool {
    !matches!(
        request,
        Request::Versions { .. } | Request::Leases { .. } | Request::Publish { .. }
    )
}
