//! Requests: a peer of the room is found that will talk, or it is said why there is none.
//!
//! The node of whoever asks keeps the request. It asks one peer that is meant after the other; what that one is told, and
//! what it says to it, are messages like any other, which wait for it and follow it. A peer that lost its connection or has
//! moved is told again when it is back. Peers that know nothing of requests are taken to have said yes.
//!
//! ```text
//! request ─► candidate? ──none──► no-match, or what the last one has said
//!               │ ▲
//!           told│ │declined, left, or silent for a while
//!               ▼ │
//!             asked ──yes──► accepted
//!               └──until the time is over──► suspended, unreachable, timeout
//! ```

mod table;

use std::{
    collections::BTreeMap,
    hash::BuildHasher,
    time::{Duration, Instant},
};

use bytestring::ByteString;
use protocol::{
    Form, Outcome, Payload, PeerId, RoomId, ServerMessage,
    native::{
        Json, Matcher,
        client::Wanted,
        payload::{self, Reply},
        server::Reason,
    },
};

use self::table::Request;
pub(crate) use self::table::{RequestKey, Requests};
use crate::{
    ConnectionId, Switchboard,
    connection::Seat,
    effects::Timer,
    room::{Holder, Told},
};

/// How long a peer that does not answer is the only one that is asked, where there are others.
pub const REQUEST_PATIENCE: Duration = Duration::from_secs(2);

/// How long somebody who is meant may take to be heard of: that one has joined at another node is known there first.
pub const REQUEST_GRACE: Duration = Duration::from_millis(250);

/// Requests of one peer that are not answered; more are refused.
pub const MAX_REQUESTS: usize = 64;

impl Switchboard {
    /// A peer of this node asks.
    pub(crate) fn request(
        &mut self,
        seat: &Seat,
        id: &ByteString,
        wanted: &Wanted,
        timeout: Duration,
        now: Instant,
    ) {
        let key = RequestKey {
            room: seat.room.clone(),
            from: seat.peer.clone(),
            id: id.clone(),
        };
        if let Some(request) = self.requests.get_mut(&key) {
            // Asked again after its connection was lost: so may the other one's have been.
            let asked = request.asked.clone();
            if let Some(asked) = asked {
                self.tell_request(&key, &asked, now);
            }
            return;
        }
        if self.requests.of(&seat.room, &seat.peer) >= MAX_REQUESTS {
            self.answer(&key, Outcome::failed(Reason::Overloaded));
            return;
        }
        let until = now + timeout;
        self.effects
            .timers
            .insert((until, Timer::Request(key.clone())));
        let request = Request {
            wanted: wanted.clone(),
            matcher: match wanted {
                Wanted::Match(data) => Some(Matcher::new(data)),
                Wanted::Peer(_) => None,
            },
            asked: None,
            before: BTreeMap::new(),
            until,
            grace: until.min(now + REQUEST_GRACE),
            due: until,
            failure: None,
        };
        self.ask_next(&key, request, now);
    }

    /// Asks the next peer that is meant, or says that there is none.
    fn ask_next(&mut self, key: &RequestKey, mut request: Request, now: Instant) {
        while let Some(peer) = self.candidate(key, &request) {
            if let Some(attributes) = self.announcement(&key.room, &peer)
                && attributes.form() == Form::RtcIo
            {
                self.finish(key, &request, Outcome::Accepted { peer, attributes });
                return;
            }
            match self.tell_request(key, &peer, now) {
                None | Some(Told::Full) => request.rule_out(&peer, Reason::Overloaded, None),
                Some(Told::Here | Told::Waits | Told::At(_)) => {
                    request.asked = Some(peer);
                    let due = request.until.min(now + REQUEST_PATIENCE);
                    self.schedule(key, request, due);
                    return;
                }
            }
        }
        if request.before.values().any(|may_say_yes| *may_say_yes) {
            let until = request.until;
            self.schedule(key, request, until);
            return;
        }
        if request.failure.is_none() && now < request.grace {
            let grace = request.grace;
            self.schedule(key, request, grace);
            return;
        }
        let outcome = match request.failure.take() {
            Some((reason, peer, message)) => Outcome::Failed {
                reason,
                peer: Some(peer),
                message,
            },
            None => Outcome::failed(self.absence()),
        };
        self.finish(key, &request, outcome);
    }

    /// Of those who are meant and were not asked, one whose connection is not lost, if there is one; else by chance, so that
    /// not everybody asks the same.
    fn candidate(&mut self, key: &RequestKey, request: &Request) -> Option<PeerId> {
        let hasher = self.rooms.hasher().clone();
        let members = &mut self.rooms.get_mut(&key.room)?.members;
        let is_meant = |peer: &PeerId| *peer != key.from && !request.before.contains_key(peer);
        if let Wanted::Peer(peer) = &request.wanted {
            return (is_meant(peer) && members.contains_key(peer)).then(|| peer.clone());
        }
        let matcher = request.matcher.as_ref()?;
        let meant = members.iter_mut().filter_map(|(peer, member)| {
            let is_one = is_meant(peer) && matcher.finds(member.searchable());
            is_one.then(|| (peer, member.waits()))
        });
        let chance = |peer: &PeerId| hasher.hash_one((&key.id, peer.as_str()));
        let first = meant.min_by_key(|(peer, waits)| (*waits, chance(peer)));
        first.map(|(peer, _)| peer.clone())
    }

    /// Why nobody is found: whoever is at another node may not be known of.
    pub(crate) fn absence(&self) -> Reason {
        match self.is_reachable {
            true => Reason::NoMatch,
            false => Reason::Unreachable,
        }
    }

    fn tell_request(&mut self, key: &RequestKey, peer: &PeerId, now: Instant) -> Option<Told> {
        let own = self.announcement(&key.room, &key.from)?;
        let data = payload::data(&own).unwrap_or_else(Json::nothing);
        let payload = payload::request(&key.id, &data);
        self.say(&key.room, &key.from, peer, &payload, now)
    }

    fn announcement(&self, room: &RoomId, peer: &PeerId) -> Option<Payload> {
        Some(self.member(room, peer)?.attributes.clone())
    }

    /// Whoever was asked says yes or no.
    pub(crate) fn replied(
        &mut self,
        room: &RoomId,
        from: &PeerId,
        to: &PeerId,
        payload: &Payload,
        now: Instant,
    ) {
        let Some(Reply { id, message }) = payload::reply(payload) else {
            return;
        };
        let (id, message) = (ByteString::from(id), message.map(ByteString::from));
        let key = RequestKey {
            room: room.clone(),
            from: to.clone(),
            id,
        };
        let is_yes = payload.form() == Form::Accept;
        let Some(mut request) = self.requests.take(&key) else {
            // Of a node where the requester was before: it knows what it has asked.
            let attributes = self.announcement(room, from);
            let outcome = match (is_yes, attributes) {
                (true, Some(attributes)) => Outcome::Accepted {
                    peer: from.clone(),
                    attributes,
                },
                (true, None) => return,
                (false, _) => Outcome::Failed {
                    reason: Reason::Declined,
                    peer: Some(from.clone()),
                    message,
                },
            };
            self.answer(&key, outcome);
            return;
        };
        let attributes = self.announcement(room, from);
        match attributes.filter(|_| request.is_open_to(from)) {
            Some(attributes) if is_yes => {
                let peer = from.clone();
                self.finish(&key, &request, Outcome::Accepted { peer, attributes });
            }
            Some(_) => {
                let was_asked = request.asked.as_ref() == Some(from);
                request.rule_out(from, Reason::Declined, message);
                match was_asked || request.asked.is_none() {
                    true => self.ask_next(&key, request, now),
                    false => self.requests.put(&key, request),
                }
            }
            None => self.requests.put(&key, request),
        }
    }

    /// A peer is not in the room any more.
    pub(crate) fn requests_end(&mut self, room: &RoomId, peer: &PeerId, now: Instant) {
        self.drop_requests(room, peer);
        for key in self
            .requests
            .keys(room, |_, request| request.is_open_to(peer))
        {
            if let Some(mut request) = self.requests.take(&key) {
                request.rule_out(peer, Reason::Gone, None);
                match request.asked {
                    Some(_) => self.requests.put(&key, request),
                    None => self.ask_next(&key, request, now),
                }
            }
        }
    }

    /// Whoever asked is not at this node any more, and asks again where it is.
    pub(crate) fn drop_requests(&mut self, room: &RoomId, from: &PeerId) {
        for key in self.requests.keys(room, |peer, _| peer == from) {
            if let Some(request) = self.requests.take(&key) {
                let timer = Timer::Request(key);
                self.effects.timers.remove(&(request.due, timer));
            }
        }
    }

    /// Whoever asked is in the room no more, and its client still here.
    pub(crate) fn refuse_requests(
        &mut self,
        connection: ConnectionId,
        room: &RoomId,
        from: &PeerId,
    ) {
        for RequestKey { id, .. } in self.requests.keys(room, |peer, _| peer == from) {
            let outcome = Outcome::failed(Reason::NoMatch);
            self.effects
                .deliver(connection, ServerMessage::Answer { id, outcome });
        }
        self.drop_requests(room, from);
    }

    /// A peer is here that was not, or tells of other data: it may be meant.
    pub(crate) fn ask_newcomer(&mut self, room: &RoomId, now: Instant) {
        for key in self
            .requests
            .keys(room, |_, request| request.asked.is_none())
        {
            if let Some(request) = self.requests.take(&key) {
                self.ask_next(&key, request, now);
            }
        }
    }

    /// A peer has a new connection: what it was asked over the old one may be lost.
    pub(crate) fn ask_again(&mut self, room: &RoomId, peer: &PeerId, now: Instant) {
        for key in self
            .requests
            .keys(room, |_, request| request.is_open_to(peer))
        {
            self.tell_request(&key, peer, now);
        }
    }

    /// The peer that is asked has been silent for long, or the time is over.
    pub(crate) fn review_request(&mut self, key: &RequestKey, now: Instant) {
        let Some(mut request) = self.requests.take(key) else {
            return;
        };
        if now < request.until {
            if let Some(asked) = request.asked.take() {
                request.before.insert(asked.clone(), true);
                if self.candidate(key, &request).is_none() {
                    request.before.remove(&asked);
                    request.asked = Some(asked);
                    let until = request.until;
                    self.schedule(key, request, until);
                    return;
                }
            }
            self.ask_next(key, request, now);
            return;
        }
        let mut open = request
            .before
            .iter()
            .filter(|(_, may_say_yes)| **may_say_yes);
        let peer = request.asked.clone();
        let peer = peer.or_else(|| open.next().map(|(peer, _)| peer.clone()));
        let reason = match &peer {
            Some(peer) => self.silence(&key.room, peer),
            // It was not even asked for long enough for somebody to be heard of.
            None => self.absence(),
        };
        let message = None;
        let failed = Outcome::Failed {
            reason,
            peer,
            message,
        };
        self.finish(key, &request, failed);
    }

    /// Why a peer has said nothing.
    fn silence(&self, room: &RoomId, peer: &PeerId) -> Reason {
        match self.member(room, peer) {
            Some(member) if member.waits() => Reason::Suspended,
            Some(member) if matches!(member.holder, Holder::Remote(_)) && !self.is_reachable => {
                Reason::Unreachable
            }
            Some(_) | None => Reason::Timeout,
        }
    }

    fn schedule(&mut self, key: &RequestKey, mut request: Request, due: Instant) {
        let timer = Timer::Request(key.clone());
        self.effects.timers.remove(&(request.due, timer.clone()));
        self.effects.timers.insert((due, timer));
        request.due = due;
        self.requests.put(key, request);
    }

    fn finish(&mut self, key: &RequestKey, request: &Request, outcome: Outcome) {
        let timer = Timer::Request(key.clone());
        self.effects.timers.remove(&(request.due, timer));
        self.answer(key, outcome);
    }

    fn answer(&mut self, key: &RequestKey, outcome: Outcome) {
        let room = self.rooms.get_mut(&key.room);
        if let Some(member) = room.and_then(|room| room.members.get_mut(&key.from)) {
            let id = key.id.clone();
            member.tell(ServerMessage::Answer { id, outcome }, &mut self.effects);
        }
    }
}
