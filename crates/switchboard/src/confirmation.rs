//! What to make of a roster that lacks peers: whether they have left, or the roster was lost.

use std::{collections::BTreeSet, time::Instant};

use protocol::{PeerId, RoomId};

use crate::{
    ClusterCommand, NodeId, Switchboard,
    effects::Timer,
    room::{Assert, Holder},
};

impl Switchboard {
    /// Whether a peer that the roster lacks has left. A roster that was made anew may lack it only because its
    /// node has not asserted it yet: that node is asked, after a pause in which it most likely does.
    pub(crate) fn has_left(
        &mut self,
        room: &RoomId,
        peer: &PeerId,
        node: &NodeId,
        same_epoch: bool,
        now: Instant,
    ) -> bool {
        let Some(state) = self.rooms.get_mut(room) else {
            return false;
        };
        let Some(member) = state.members.get_mut(peer) else {
            return false;
        };
        if state.confirmed.contains(node) || (same_epoch && !member.unconfirmed) {
            return true;
        }
        member.unconfirmed = true;
        if state.confirm_at.is_none() {
            let at = now + self.effects.config.assert_interval * 2;
            state.confirm_at = Some(at);
            let timer = Timer::Confirm(room.clone());
            self.effects.timers.insert((at, timer));
        }
        false
    }

    /// Asks the nodes of all peers that the roster still lacks.
    pub(crate) fn ask_to_confirm(&mut self, room: &RoomId) {
        let Some(state) = self.rooms.get_mut(room) else {
            return;
        };
        state.confirm_at = None;
        let nodes: BTreeSet<NodeId> = state
            .members
            .values()
            .filter(|member| member.unconfirmed)
            .filter_map(|member| match &member.holder {
                Holder::Remote(node) => Some(node.clone()),
                Holder::Local(_) | Holder::Suspended { .. } => None,
            })
            .collect();
        for node in nodes {
            let room = room.clone();
            self.effects.cluster(ClusterCommand::Confirm { room, node });
        }
    }

    /// The node has asserted the room, or is gone: the next roster is the truth about its peers.
    pub(crate) fn confirmed(&mut self, room: &RoomId, node: NodeId) {
        let Some(state) = self.rooms.get_mut(room) else {
            return;
        };
        state.confirmed_late.insert(node);
        if matches!(state.assert, Assert::Sent | Assert::SentAgain) {
            state.assert = Assert::SentAgain;
        } else {
            self.assert_now(room);
        }
    }
}
