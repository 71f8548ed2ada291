//! Who is in the room, and what has changed since it was told last.

use std::collections::{BTreeMap, BTreeSet};

use bytestring::ByteString;
use protocol::{
    PeerId,
    native::{Digest, Tag, server::Member},
};

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

    /// What a node need not tell again; none where nobody is known.
    pub(crate) fn known(&self) -> Option<Digest> {
        let mut digest = Digest::default();
        for member in self.members.values() {
            digest.toggle(Tag::read(&member.tag)?);
        }
        (!self.members.is_empty()).then_some(digest)
    }

    /// Who is there, as a node says when one enters: everybody, or those of the parts that are named and those who are
    /// suspended. Gives what is different from what was known, those who left first.
    pub(crate) fn replace(&mut self, parts: Option<&[u8]>, peers: Vec<Member>) -> Vec<Event> {
        let present: BTreeSet<&PeerId> = peers.iter().map(|member| &member.peer).collect();
        let is_told = |member: &Member| match (parts, Tag::read(&member.tag)) {
            (Some(parts), Some(tag)) => parts.contains(&tag.part()),
            (None, _) | (_, None) => true,
        };
        let missing = self.members.values();
        let missing = missing.filter(|member| !present.contains(&member.peer));
        let (gone, kept): (Vec<Member>, Vec<Member>) = missing.cloned().partition(is_told);
        let mut changes: Vec<Event> = gone
            .iter()
            .filter_map(|member| self.left(&member.peer, ByteString::from_static("left")))
            .collect();
        for member in kept.into_iter().filter(|member| member.suspended) {
            changes.extend(self.put(Member {
                suspended: false,
                ..member
            }));
        }
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
