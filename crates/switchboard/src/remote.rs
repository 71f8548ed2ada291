//! Peers of other nodes: how they come, move and leave.

use std::{mem, time::Instant};

use protocol::{LeaveReason, PeerId, RoomId, ServerMessage};

use crate::{
    ClusterCommand, Fence, NodeId, RosterEntry, Switchboard,
    claims::put_out,
    connection::Seat,
    membership::mute,
    room::{Holder, Member, Previous},
};

impl Switchboard {
    /// A peer is at another node now, wherever it was.
    pub(crate) fn remote_joined(&mut self, room: &RoomId, entry: RosterEntry, now: Instant) {
        let effects = &mut self.effects;
        let Some(state) = self.rooms.get_mut(room) else {
            return;
        };
        let RosterEntry {
            peer,
            node,
            fence,
            attributes,
        } = entry;
        let holder = Holder::Remote(node.clone());
        let Some(member) = state.members.get_mut(&peer) else {
            let member = Member::new(holder, fence, attributes.clone());
            state.members.insert(peer.clone(), member);
            let news = ServerMessage::Joined {
                peer: peer.clone(),
                attributes,
            };
            state.tell_others(&peer, news, effects);
            self.tell_of_suspended(room, &peer, &node);
            self.ask_newcomer(room, now);
            return;
        };
        if fence < member.fence || (member.unseen && matches!(member.holder, Holder::Local(_))) {
            // The cluster has yet to see the claim of this node's connection, which is the last then.
            return;
        }
        member.unconfirmed = false;
        if fence == member.fence && matches!(&member.holder, Holder::Remote(at) if *at == node) {
            // Entered again, after the cluster had lost its roster.
            return;
        }
        let is_impostor = member.is_impostor_of(&attributes);
        member.fence = fence;
        member.unseen = false;
        member.announce(attributes.clone());
        let was_suspended = mem::take(&mut member.is_suspended);
        let mut impostor = None;
        let was_here = !matches!(member.holder, Holder::Remote(_));
        let moves = !matches!(&member.holder, Holder::Remote(before) if *before == node);
        let news = match member.move_to(holder, room, &peer, effects) {
            Previous::Remote(before) => {
                if before != node {
                    let this = &self.node;
                    member.wait_for_handover((room, &peer), before, this, now, effects);
                }
                let peer = peer.clone();
                match was_suspended {
                    true => ServerMessage::Resumed { peer, attributes },
                    false => ServerMessage::Updated { peer, attributes },
                }
            }
            Previous::Local(connection) => {
                let (room, peer) = (room.clone(), peer.clone());
                let (connections, seat) = (&mut self.connections, Seat { room, peer });
                match is_impostor {
                    true => put_out(connections, connection, &seat, effects),
                    false => mute(connections, connection, &seat, true, effects),
                }
                impostor = is_impostor.then_some(connection);
                let peer = seat.peer;
                ServerMessage::Updated { peer, attributes }
            }
            Previous::Suspended(missed) => {
                member.addressed |= !missed.is_empty();
                for message in missed {
                    if let ServerMessage::Message { from, payload } = message {
                        effects.cluster(ClusterCommand::Send {
                            node: node.clone(),
                            room: room.clone(),
                            from,
                            to: peer.clone(),
                            payload,
                            hops: 0,
                        });
                    }
                }
                ServerMessage::Resumed {
                    peer: peer.clone(),
                    attributes,
                }
            }
        };
        let flushes = member.take_flushes();
        state.tell_others(&peer, news, effects);
        for flush in flushes {
            self.pass_on(flush, now);
        }
        if moves {
            // Where it is now, it is not known who is away here.
            self.tell_of_suspended(room, &peer, &node);
        }
        self.ask_again(room, &peer, now);
        self.ask_newcomer(room, now);
        if let Some(connection) = impostor {
            self.refuse_requests(connection, room, &peer);
        }
        if was_here {
            self.drop_requests(room, &peer);
            self.keep_room(room, now);
        }
    }

    /// A peer of another node has left, unless a later claim on its id is known.
    pub(crate) fn remote_left(
        &mut self,
        room: &RoomId,
        peer: &PeerId,
        node: &NodeId,
        (fence, reason): (Fence, LeaveReason),
        now: Instant,
    ) {
        let Some(state) = self.rooms.get_mut(room) else {
            return;
        };
        let current = state.members.get(peer).is_some_and(|member| {
            member.fence <= fence && matches!(&member.holder, Holder::Remote(at) if at == node)
        });
        let mut flushes = Vec::new();
        if current {
            if let Some(mut member) = state.members.remove(peer) {
                member.end_handover(room, peer, &mut self.effects);
                flushes = member.take_flushes();
            }
            let news = ServerMessage::Left {
                peer: peer.clone(),
                reason,
            };
            state.tell_others(peer, news, &mut self.effects);
        }
        for flush in flushes {
            self.pass_on(flush, now);
        }
        if current {
            self.requests_end(room, peer, now);
        }
    }
}
