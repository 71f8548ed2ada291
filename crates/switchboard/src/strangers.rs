//! What comes too early: from peers that this node has not heard of, whose announcement was lost on the way or is
//! late, and for peers of this node whose own join is not answered yet. A client must not get a message before it
//! was told of the sender, nor miss one from somebody who was told of it.

use std::{mem, time::Instant};

use protocol::{Form, Payload, PeerId, RoomId};

use crate::{
    DropReason, Switchboard,
    room::{Assert, Holder},
    waiting::{Behind, Stranger},
};

impl Switchboard {
    /// What a peer of another node says to one of this node.
    pub(crate) fn receive(
        &mut self,
        room: &RoomId,
        from: PeerId,
        to: PeerId,
        payload: Payload,
        hops: u8,
        now: Instant,
    ) {
        let Some(state) = self.rooms.get_mut(room) else {
            self.effects.dropped(DropReason::NoSuchPeer);
            return;
        };
        let here = state
            .members
            .get(&to)
            .is_some_and(|member| !matches!(member.holder, Holder::Remote(_)));
        // In a directory nobody is told of anybody; and what was not delivered may be told in the name of who has left.
        let known = room.is_entry()
            || payload.form() == Form::Undelivered
            || state.members.contains_key(&from);
        let early = match here {
            true => !known,
            false => state.joining > 0,
        };
        if early || (here && !state.strangers.is_empty()) {
            let to = Some(to);
            let stranger = Stranger {
                from,
                to,
                payload,
                hops,
            };
            self.hold_stranger(room, stranger, known);
        } else {
            self.hear_one(room, from, &to, payload, hops, now);
        }
    }

    /// What a peer of another node says to the room.
    pub(crate) fn hear(&mut self, room: &RoomId, from: PeerId, payload: Payload) {
        let Some(state) = self.rooms.get_mut(room) else {
            return;
        };
        let known = state.members.contains_key(&from);
        if !known || state.joining > 0 || !state.strangers.is_empty() {
            let to = None;
            let stranger = Stranger {
                from,
                to,
                payload,
                hops: 0,
            };
            self.hold_stranger(room, stranger, known);
        } else {
            self.hear_all(room, from, payload);
        }
    }

    fn hold_stranger(&mut self, room: &RoomId, stranger: Stranger, known: bool) {
        if let Some(state) = self.rooms.get_mut(room) {
            state.strangers.push(stranger, &mut self.effects);
            if !known {
                self.assert_now(room);
            }
        }
    }

    /// When no join is under way and the room has been compared, what was said is delivered, whether its sender is
    /// known by now or not.
    pub(crate) fn hear_strangers(&mut self, room: &RoomId, now: Instant) {
        let Some(state) = self.rooms.get_mut(room) else {
            return;
        };
        if state.joining > 0 || !matches!(state.assert, Assert::No | Assert::At(_)) {
            return;
        }
        let behind = mem::take(&mut state.behind);
        for stranger in state.strangers.release(&mut self.effects) {
            let Stranger {
                from,
                to,
                payload,
                hops,
            } = stranger;
            match to {
                Some(to) => self.hear_one(room, from, &to, payload, hops, now),
                None => self.hear_all(room, from, payload),
            }
        }
        for behind in behind {
            self.go_on(room, behind, now);
        }
    }

    fn go_on(&mut self, room: &RoomId, behind: Behind, now: Instant) {
        match behind {
            Behind::Flush(flush) => self.pass_on(flush, now),
            Behind::HandedOver(peer) => self.handed_over(room, &peer, now),
        }
    }

    /// The room is about to be forgotten.
    pub(crate) fn drop_strangers(&mut self, room: &RoomId, now: Instant) {
        if let Some(state) = self.rooms.get_mut(room) {
            let behind = mem::take(&mut state.behind);
            for _ in state.strangers.release(&mut self.effects) {
                self.effects.dropped(DropReason::NoSuchPeer);
            }
            for behind in behind {
                self.go_on(room, behind, now);
            }
        }
    }
}
