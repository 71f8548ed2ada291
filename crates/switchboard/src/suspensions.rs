//! Telling other nodes that a peer's connection is lost, and hearing it of theirs. Nothing hangs on it: it is told to native
//! clients alone, and each message names the claim that it is about, so that one that comes late is not believed.

use protocol::{PeerId, RoomId, ServerMessage, native::payload};

use crate::{
    ClusterCommand, NodeId, Switchboard,
    room::{Holder, Member},
};

/// What to say of a member whose connection is lost, if other nodes can have heard of it.
fn suspension(member: &Member) -> Option<protocol::Payload> {
    let is_suspended = matches!(member.holder, Holder::Suspended { .. });
    (is_suspended && !member.unseen).then(|| payload::suspension(member.fence))
}

impl Switchboard {
    /// A peer of this node has lost its connection.
    pub(crate) fn tell_of_suspension(&mut self, room: &RoomId, peer: &PeerId) {
        let Some(state) = self.rooms.get(room).filter(|room| room.has_native()) else {
            return;
        };
        let nodes = state.remote_nodes();
        if let Some(payload) = state.members.get(peer).and_then(suspension)
            && !nodes.is_empty()
        {
            self.effects.cluster(ClusterCommand::Broadcast {
                room: room.clone(),
                nodes,
                from: peer.clone(),
                payload,
            });
        }
    }

    /// Somebody has come who does not know whose connections are lost.
    pub(crate) fn tell_of_suspended(&mut self, room: &RoomId, to: &PeerId, node: &NodeId) {
        let Some(state) = self.rooms.get(room).filter(|room| room.has_native()) else {
            return;
        };
        for (peer, member) in &state.members {
            if let Some(payload) = suspension(member) {
                self.effects.cluster(ClusterCommand::Send {
                    node: node.clone(),
                    room: room.clone(),
                    from: peer.clone(),
                    to: to.clone(),
                    payload,
                    hops: 0,
                });
            }
        }
    }

    /// The node of a peer says that its connection is lost.
    pub(crate) fn hear_of_suspension(&mut self, room: &RoomId, peer: &PeerId, fence: &str) {
        let Some(state) = self.rooms.get_mut(room) else {
            return;
        };
        let Some(member) = state.members.get_mut(peer) else {
            return;
        };
        let is_remote = matches!(member.holder, Holder::Remote(_));
        if is_remote && !member.is_suspended && fence.parse() == Ok(member.fence) {
            member.is_suspended = true;
            let message = ServerMessage::Suspended { peer: peer.clone() };
            state.tell_others(peer, message, &mut self.effects);
        }
    }
}
