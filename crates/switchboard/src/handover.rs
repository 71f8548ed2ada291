//! Keeping the order of what is said to a peer that moves to another node.
//!
//! What this node sent to the peer's old node goes on from there to the new one. Were the next message sent to the
//! new node at once, it could arrive first. So a [`Flush`] is sent after the old messages, on their way, and what
//! is said meanwhile waits until the flush has arrived; or for a second, for the old node may be dead.

use std::{
    mem,
    time::{Duration, Instant},
};

use protocol::{PeerId, RoomId, ServerMessage};

use crate::{
    ClusterCommand, DropReason, Fence, Flush, NodeId, Switchboard,
    effects::{Effects, Timer},
    room::{Holder, Member, Waiting},
    routing::MAX_HOPS,
};

/// Longest wait for a flush to arrive.
const PATIENCE: Duration = Duration::from_secs(1);
/// Flushes that wait at a node for one peer at most.
const MAX_FLUSHES: usize = 64;

/// What waits for a peer that has moved.
#[derive(Debug)]
pub(crate) struct Handover {
    pub(crate) held: Waiting,
    until: Instant,
}

impl Member {
    /// Holds what is said from now on, if something was said to the peer at the node where it was. True when the
    /// flush must be sent; with one under way already, that will do.
    pub(crate) fn wait_for_handover(
        &mut self,
        room: &RoomId,
        peer: &PeerId,
        now: Instant,
        effects: &mut Effects,
    ) -> bool {
        if !mem::take(&mut self.addressed) || self.handover.is_some() {
            return false;
        }
        let until = now + PATIENCE;
        let held = Waiting::default();
        self.handover = Some(Box::new(Handover { held, until }));
        let timer = Timer::Handover(room.clone(), peer.clone());
        effects.timers.insert((until, timer));
        true
    }

    /// The peer is gone: what waits for it is dropped.
    pub(crate) fn end_handover(&mut self, room: &RoomId, peer: &PeerId, effects: &mut Effects) {
        if let Some(handover) = self.handover.take() {
            let timer = Timer::Handover(room.clone(), peer.clone());
            effects.timers.remove(&(handover.until, timer));
            for _ in handover.held.release(effects) {
                effects.dropped(DropReason::NoSuchPeer);
            }
        }
    }

    pub(crate) fn take_flushes(&mut self) -> Vec<Flush> {
        mem::take(&mut self.flushes)
    }
}

impl Effects {
    pub(crate) fn flush(
        &mut self,
        node: NodeId,
        room: &RoomId,
        peer: &PeerId,
        origin: &NodeId,
        fence: Fence,
    ) {
        let flush = Flush {
            room: room.clone(),
            peer: peer.clone(),
            fence,
            origin: origin.clone(),
            hops: 0,
        };
        self.cluster(ClusterCommand::Pass { node, flush });
    }
}

impl Switchboard {
    /// A flush goes where its peer is. Where this node does not know yet that the peer has moved, it waits until
    /// it does, since until then it keeps what is for the peer.
    pub(crate) fn pass_on(&mut self, mut flush: Flush) {
        let member = self
            .rooms
            .get_mut(&flush.room)
            .and_then(|room| room.members.get_mut(&flush.peer));
        if let Some(member) = member {
            if member.fence < flush.fence {
                if member.flushes.len() < MAX_FLUSHES {
                    member.flushes.push(flush);
                }
                return;
            }
            if let Holder::Remote(node) = &member.holder
                && *node != flush.origin
                && flush.hops < MAX_HOPS
            {
                flush.hops += 1;
                let node = node.clone();
                self.effects.cluster(ClusterCommand::Pass { node, flush });
                return;
            }
        }
        let Flush {
            room, peer, origin, ..
        } = flush;
        if origin == self.node {
            self.handed_over(&room, &peer);
        } else {
            self.effects.cluster(ClusterCommand::HandedOver {
                node: origin,
                room,
                peer,
            });
        }
    }

    /// What was said before has arrived, or will not: what waits is said now.
    pub(crate) fn handed_over(&mut self, room: &RoomId, peer: &PeerId) {
        let effects = &mut self.effects;
        let Some(member) = self
            .rooms
            .get_mut(room)
            .and_then(|room| room.members.get_mut(peer))
        else {
            return;
        };
        let Some(handover) = member.handover.take() else {
            return;
        };
        let timer = Timer::Handover(room.clone(), peer.clone());
        effects.timers.remove(&(handover.until, timer));
        for message in handover.held.release(effects) {
            let node = member.tell(message.clone(), effects);
            if let (Some(node), ServerMessage::Message { from, payload }) = (node, message) {
                member.addressed = true;
                effects.cluster(ClusterCommand::Send {
                    node,
                    room: room.clone(),
                    from,
                    to: peer.clone(),
                    payload,
                    hops: 0,
                });
            }
        }
    }
}
