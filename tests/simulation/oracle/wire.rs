use std::collections::{BTreeMap, BTreeSet};

use backplane::{
    Change, NodeId,
    partition::{Channel, Published, Request},
    store::Delivery,
};
use bytestring::ByteString;

use super::clock;
use crate::node::Time;

/// What the store publishes: each change is one, and has the next version; nobody is swept whose lease is valid.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    rooms: BTreeMap<ByteString, Roster>,
    /// Until when each node's lease is valid, as far as is certain.
    leases: BTreeMap<NodeId, Time>,
    pub(crate) violation: Option<String>,
}

#[derive(Debug, Default)]
struct Roster {
    epoch: u64,
    version: u64,
    gone: BTreeSet<ByteString>,
}

impl Wire {
    /// The store has lost something, or shows another time.
    pub(crate) fn forget_leases(&mut self) {
        self.leases.clear();
    }

    /// The store carries a request out, and publishes so many things.
    pub(crate) fn executed(&mut self, request: &Request, published: usize, at: Time) {
        if let Request::Beat { node, ttl, .. } = request
            && published > 0
        {
            self.leases.insert(node.clone(), at + ttl * 1_000);
        }
        if let Request::Sweep { dead, .. } = request
            && published > 0
            && self.leases.get(dead).is_some_and(|expiry| *expiry > at)
            && self.violation.is_none()
        {
            self.violation = Some(format!("{}: {dead} is swept, and is alive", clock(at)));
        }
    }

    pub(crate) fn published(&mut self, channel: &Channel, delivery: &Delivery, at: Time) {
        let (Channel::Room(room), Delivery::Published(Published::Changed { version, change })) =
            (channel, delivery)
        else {
            return;
        };
        let roster = self.rooms.entry(room.clone()).or_default();
        let mut wrong = None;
        if roster.epoch != version.epoch {
            *roster = Roster {
                epoch: version.epoch,
                ..Roster::default()
            };
        } else if roster.version + 1 != version.version {
            wrong = Some("not the next version");
        }
        roster.version = version.version;
        match change {
            Change::Joined(entry) => {
                roster.gone.remove(&entry.member);
            }
            Change::Left { member, .. } => {
                if !roster.gone.insert(member.clone()) {
                    wrong = Some("gone already");
                }
            }
        }
        if let Some(wrong) = wrong
            && self.violation.is_none()
        {
            self.violation = Some(format!(
                "{}: in {room} {wrong}: {version:?} {change:?}",
                clock(at)
            ));
        }
    }
}
