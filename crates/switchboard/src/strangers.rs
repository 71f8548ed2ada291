//! What peers say that this node has not heard of: their announcement was lost on the way, or is late. A client
//! must not get a message before it was told of the sender, so it waits until the room has been compared.

use protocol::{Payload, PeerId, RoomId};

use crate::{
    DropReason, Switchboard,
    room::{Holder, Stranger},
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
    ) {
        let Some(state) = self.rooms.get_mut(room) else {
            self.effects.dropped(DropReason::NoSuchPeer);
            return;
        };
        let here = state
            .members
            .get(&to)
            .is_some_and(|member| !matches!(member.holder, Holder::Remote(_)));
        if here && (!state.members.contains_key(&from) || !state.strangers.is_empty()) {
            let to = Some(to);
            self.hold_stranger(room, Stranger { from, to, payload });
        } else {
            self.hear_one(room, from, &to, payload, hops);
        }
    }

    /// What a peer of another node says to the room.
    pub(crate) fn hear(&mut self, room: &RoomId, from: PeerId, payload: Payload) {
        let Some(state) = self.rooms.get_mut(room) else {
            return;
        };
        if !state.members.contains_key(&from) || !state.strangers.is_empty() {
            let to = None;
            self.hold_stranger(room, Stranger { from, to, payload });
        } else {
            self.hear_all(room, from, payload);
        }
    }

    fn hold_stranger(&mut self, room: &RoomId, stranger: Stranger) {
        if let Some(state) = self.rooms.get_mut(room) {
            state.strangers.push(stranger, &mut self.effects);
            self.assert_now(room);
        }
    }

    /// The room has been compared: what its peers said is delivered, known to this node by now or not.
    pub(crate) fn hear_strangers(&mut self, room: &RoomId) {
        let Some(state) = self.rooms.get_mut(room) else {
            return;
        };
        for Stranger { from, to, payload } in state.strangers.release(&mut self.effects) {
            match to {
                Some(to) => self.hear_one(room, from, &to, payload, 0),
                None => self.hear_all(room, from, payload),
            }
        }
    }

    /// The room is about to be forgotten.
    pub(crate) fn drop_strangers(&mut self, room: &RoomId) {
        if let Some(state) = self.rooms.get_mut(room) {
            for _ in state.strangers.release(&mut self.effects) {
                self.effects.dropped(DropReason::NoSuchPeer);
            }
        }
    }
}
