//! Who is in the room, and what has changed since it was told last.

use std::collections::{BTreeMap, BTreeSet};

use bytestring::ByteString;
use protocol::{PeerId, native::server::Member};

use crate::Event;

#[derive(Debug, Default)]
pub(crate) struct Roster {
    members: BTreeMap<PeerId, Member>,
}

impl Roster {
    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    pub(crate) fn has(&self, peer: &PeerId) -> bool {
        self.members.contains_key(peer)
    }

    pub(crate) fn is_suspended(&self, peer: &PeerId) -> bool {
        self.members
            .get(peer)
            .is_some_and(|member| member.suspended)
    }

    /// Whether it speaks a dialect in which nothing is acknowledged.
    pub(crate) fn is_foreign(&self, peer: &PeerId) -> bool {
        let member = self.members.get(peer);
        member.is_some_and(|member| member.dialect.is_some())
    }

    /// Everybody who is there, as a node says when one enters. Gives what is different from what was known, those who
    /// left first.
    pub(crate) fn replace(&mut self, peers: Vec<Member>) -> Vec<Event> {
        let present: BTreeSet<&PeerId> = peers.iter().map(|member| &member.peer).collect();
        let known = self.members.keys();
        let gone: Vec<PeerId> = known
            .filter(|peer| !present.contains(peer))
            .cloned()
            .collect();
        let mut changes: Vec<Event> = gone
            .iter()
            .filter_map(|peer| self.left(peer, ByteString::from_static("left")))
            .collect();
        for member in peers {
            changes.extend(self.put(member));
        }
        changes
    }

    /// A peer is there, as this says.
    pub(crate) fn put(&mut self, member: Member) -> Vec<Event> {
        let before = self.members.insert(member.peer.clone(), member.clone());
        let Some(before) = before else {
            let joined = Event::Joined(member.clone());
            return match member.suspended {
                true => vec![joined, Event::Suspended(member)],
                false => vec![joined],
            };
        };
        let mut changes = Vec::new();
        if before.suspended != member.suspended {
            changes.push(match member.suspended {
                true => Event::Suspended(member.clone()),
                false => Event::Resumed(member.clone()),
            });
        }
        if before.data != member.data {
            changes.push(Event::Updated(member));
        }
        changes
    }

    pub(crate) fn suspended(&mut self, peer: &PeerId) -> Vec<Event> {
        match self.members.get(peer) {
            Some(member) => self.put(Member {
                suspended: true,
                ..member.clone()
            }),
            None => Vec::new(),
        }
    }

    pub(crate) fn left(&mut self, peer: &PeerId, reason: ByteString) -> Option<Event> {
        let member = self.members.remove(peer)?;
        Some(Event::Left { member, reason })
    }

    pub(crate) fn clear(&mut self) {
        self.members.clear();
    }
}
