use std::{collections::BTreeMap, time::Instant};

use bytestring::ByteString;
use protocol::{
    PeerId, RoomId,
    native::{Matcher, client::Wanted, server::Reason},
};

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RequestKey {
    pub(super) room: RoomId,
    pub(super) from: PeerId,
    /// The requester's name for it.
    pub(super) id: ByteString,
}

/// What has become of it so far.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) wanted: Wanted,
    pub(super) matcher: Option<Matcher>,
    /// Whoever is asked now.
    pub(super) asked: Option<PeerId>,
    /// Whoever was asked before, and whether it may still say yes.
    pub(super) before: BTreeMap<PeerId, bool>,
    pub(super) until: Instant,
    /// Until when somebody who is meant may come.
    pub(super) grace: Instant,
    /// When it is looked at again.
    pub(super) due: Instant,
    /// What is answered when nobody else is there.
    pub(super) failure: Option<(Reason, PeerId, Option<ByteString>)>,
}

/// Those that are not answered, by their rooms.
#[derive(Debug, Default)]
pub(crate) struct Requests(BTreeMap<RoomId, BTreeMap<(PeerId, ByteString), Request>>);

impl Requests {
    pub(crate) fn len(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }

    pub(super) fn of(&self, room: &RoomId, from: &PeerId) -> usize {
        let all = self.0.get(room).into_iter();
        let own = all.flat_map(|all| all.range((from.clone(), ByteString::new())..));
        own.take_while(|((peer, _), _)| peer == from).count()
    }

    pub(super) fn get_mut(&mut self, key: &RequestKey) -> Option<&mut Request> {
        let all = self.0.get_mut(&key.room)?;
        all.get_mut(&(key.from.clone(), key.id.clone()))
    }

    pub(super) fn take(&mut self, key: &RequestKey) -> Option<Request> {
        let all = self.0.get_mut(&key.room)?;
        let request = all.remove(&(key.from.clone(), key.id.clone()));
        if all.is_empty() {
            self.0.remove(&key.room);
        }
        request
    }

    pub(super) fn put(&mut self, key: &RequestKey, request: Request) {
        let all = self.0.entry(key.room.clone()).or_default();
        all.insert((key.from.clone(), key.id.clone()), request);
    }

    /// Those of the room that this is true of.
    pub(super) fn keys(
        &self,
        room: &RoomId,
        is_one: impl Fn(&PeerId, &Request) -> bool,
    ) -> Vec<RequestKey> {
        let all = self.0.get(room).into_iter().flatten();
        let all = all.filter(|((from, _), request)| is_one(from, request));
        all.map(|((from, id), _)| RequestKey {
            room: room.clone(),
            from: from.clone(),
            id: id.clone(),
        })
        .collect()
    }
}

impl Request {
    pub(super) fn is_open_to(&self, peer: &PeerId) -> bool {
        self.asked.as_ref() == Some(peer) || self.before.get(peer) == Some(&true)
    }

    /// The peer will not say yes any more.
    pub(super) fn rule_out(&mut self, peer: &PeerId, reason: Reason, message: Option<ByteString>) {
        if self.asked.as_ref() == Some(peer) {
            self.asked = None;
        }
        self.before.insert(peer.clone(), false);
        self.failure = Some((reason, peer.clone(), message));
    }
}
