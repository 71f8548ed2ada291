//! Keeping the order of what is said to a peer that moves to another node.
//!
//! What this node sent to the peer's old node goes on from there to the new one. Were the next message sent to the
//! new node at once, it could arrive first. So a [`Flush`] is sent after the old messages, on their way, and what
//! is said meanwhile waits until the flush has arrived.
//!
//! The old node may be dead; then this one waits for a second. Only time counts in which the cluster carries what it
//! is given, for while it does not the flush cannot arrive, however well the old node is. So this node sends itself a
//! *probe*, a flush of which it is both ends, half a second after the other flush, and one more half a second after
//! that. When both have come back at once, what could arrive has arrived. When one was late, all nodes get time to
//! find the cluster again, and to repeat what was lost, before the second begins anew. So they do when the flush itself
//! had to wait until the cluster had seen the move.
//!
//! A peer that moves again meanwhile may have left what was said first on its way behind it. Each node that it has
//! left gets a flush of its own, one after the other.

use std::{
    collections::VecDeque,
    mem,
    time::{Duration, Instant},
};

use protocol::{PeerId, RoomId, ServerMessage};

use crate::{
    ClusterCommand, DropReason, Fence, Flush, NodeId, Switchboard,
    effects::{Effects, Timer},
    room::{Holder, Member, Told},
    routing::MAX_HOPS,
    waiting::{Behind, Waiting},
};

/// Before each of the two probes.
const PAUSE: Duration = Duration::from_millis(500);
/// A probe that takes longer was late.
const PROMPT: Duration = Duration::from_millis(500);
/// Until another node has made its link to the cluster anew, and has asked for what it missed.
const RECOVERY: Duration = Duration::from_secs(4);
/// Flushes that wait at a node for one peer, or in one room, at most.
const MAX_FLUSHES: usize = 64;
/// Nodes that a peer has left while it was handed over, at most.
const MAX_LEFT: usize = 8;

/// How long a room is kept that a peer of this node has left for another node: what others said before they knew must go
/// after it.
const KEPT: Duration = Duration::from_secs(5);

/// What waits for a peer that has moved.
#[derive(Debug)]
pub(crate) struct Handover {
    pub(crate) held: Waiting,
    /// When something is to be done if the flush has not arrived.
    until: Instant,
    /// The probe that is under way: its number, and since when it, or one before it, is.
    probe: Option<(Fence, Instant)>,
    /// Whether a probe has come back at once.
    prompt: bool,
    /// Whether a flush is under way. Not before the cluster has seen that the peer moved: a flush that does not say with
    /// which claim would end at the old node.
    flushing: bool,
    /// Nodes that the peer has left, and that have not been flushed.
    left: VecDeque<NodeId>,
}

impl Handover {
    fn new(now: Instant) -> Self {
        Self {
            held: Waiting::default(),
            until: now + PAUSE,
            probe: None,
            prompt: false,
            flushing: false,
            left: VecDeque::new(),
        }
    }
}

impl Member {
    /// The peer has moved from the node `before` to another. What is said from now on is held, if something was said to
    /// it there, or is held already.
    pub(crate) fn wait_for_handover(
        &mut self,
        (room, peer): (&RoomId, &PeerId),
        before: NodeId,
        this: &NodeId,
        now: Instant,
        effects: &mut Effects,
    ) {
        let addressed = mem::take(&mut self.addressed);
        if self.handover.is_none() {
            if !addressed {
                return;
            }
            self.hold(Handover::new(now), room, peer, effects);
        }
        if let Some(handover) = &mut self.handover {
            match handover.left.len() < MAX_LEFT {
                true => handover.left.push_back(before),
                false => effects.counters.handovers_overrun += 1,
            }
        }
        self.flush((room, peer), this, effects);
    }

    /// Sends the next flush, unless one is under way or none can be sent yet.
    fn flush(&mut self, (room, peer): (&RoomId, &PeerId), this: &NodeId, effects: &mut Effects) {
        if let Some(handover) = &mut self.handover
            && !handover.flushing
            && !self.unseen
            && let Some(node) = handover.left.pop_front()
        {
            handover.flushing = true;
            effects.flush(node, room, peer, this, self.fence);
        }
    }

    /// Puts in place what is held, and its timer on.
    fn hold(&mut self, handover: Handover, room: &RoomId, peer: &PeerId, effects: &mut Effects) {
        let timer = Timer::Handover(room.clone(), peer.clone());
        effects.timers.insert((handover.until, timer));
        self.handover = Some(Box::new(handover));
    }

    /// Takes what is held, and its timer off.
    fn release(
        &mut self,
        room: &RoomId,
        peer: &PeerId,
        effects: &mut Effects,
    ) -> Option<Box<Handover>> {
        let handover = self.handover.take()?;
        let timer = Timer::Handover(room.clone(), peer.clone());
        effects.timers.remove(&(handover.until, timer));
        Some(handover)
    }

    /// The peer is gone: what waits for it is dropped.
    pub(crate) fn end_handover(&mut self, room: &RoomId, peer: &PeerId, effects: &mut Effects) {
        if let Some(handover) = self.release(room, peer, effects) {
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
    /// it does, since until then it keeps what is for the peer; as it does until senders are known.
    pub(crate) fn pass_on(&mut self, mut flush: Flush, now: Instant) {
        if flush.origin == self.node && flush.hops == 0 {
            self.probe_returned(&flush, now);
            return;
        }
        if let Some(room) = self.rooms.get_mut(&flush.room) {
            if !room.strangers.is_empty() {
                match room.behind.len() < MAX_FLUSHES {
                    true => room.behind.push(Behind::Flush(flush)),
                    false => self.effects.counters.handovers_overrun += 1,
                }
                return;
            }
            if let Some(member) = room.members.get_mut(&flush.peer) {
                if member.fence < flush.fence {
                    match member.flushes.len() < MAX_FLUSHES {
                        true => member.flushes.push(flush),
                        false => self.effects.counters.handovers_overrun += 1,
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
        }
        let Flush {
            room, peer, origin, ..
        } = flush;
        if origin == self.node {
            self.handed_over(&room, &peer, now);
        } else {
            self.effects.cluster(ClusterCommand::HandedOver {
                node: origin,
                room,
                peer,
            });
        }
    }

    /// The flush has not arrived for a while: it is found out whether it could have.
    pub(crate) fn probe(&mut self, room: &RoomId, peer: &PeerId, now: Instant) {
        let effects = &mut self.effects;
        let member = self.rooms.get_mut(room);
        let Some(member) = member.and_then(|room| room.members.get_mut(peer)) else {
            return;
        };
        let Some(mut handover) = member.release(room, peer, effects) else {
            return;
        };
        if !handover.flushing {
            // It has taken the cluster long to see the move: others may find it again later than this node has.
            handover.until = now + if member.unseen { PAUSE } else { RECOVERY };
            member.hold(*handover, room, peer, effects);
            member.flush((room, peer), &self.node, effects);
            return;
        }
        self.probes += 1;
        // In place of one that is late, or for which the cluster had no room: late it is.
        let since = handover.probe.map_or(now, |(_, since)| since);
        handover.probe = Some((self.probes, since));
        handover.until = now + RECOVERY;
        member.hold(*handover, room, peer, effects);
        effects.flush(self.node.clone(), room, peer, &self.node, self.probes);
    }

    fn probe_returned(&mut self, flush: &Flush, now: Instant) {
        let (room, peer) = (&flush.room, &flush.peer);
        let effects = &mut self.effects;
        let member = self.rooms.get_mut(room);
        let Some(member) = member.and_then(|room| room.members.get_mut(peer)) else {
            return;
        };
        let Some(handover) = &member.handover else {
            return;
        };
        let Some((_, since)) = handover.probe.filter(|(probe, _)| *probe == flush.fence) else {
            return;
        };
        let prompt = since + PROMPT >= now;
        if prompt && handover.prompt {
            self.handed_over(room, peer, now);
            return;
        }
        if let Some(mut handover) = member.release(room, peer, effects) {
            handover.probe = None;
            handover.prompt = prompt;
            handover.until = now + if prompt { PAUSE } else { RECOVERY };
            member.hold(*handover, room, peer, effects);
        }
    }

    /// What was said before has arrived where the flush has, or will not. What waits is said now, unless the peer has left that node
    /// meanwhile.
    pub(crate) fn handed_over(&mut self, room: &RoomId, peer: &PeerId, now: Instant) {
        let effects = &mut self.effects;
        let Some(state) = self.rooms.get_mut(room) else {
            return;
        };
        if !state.strangers.is_empty() {
            match state.behind.len() < MAX_FLUSHES {
                true => state.behind.push(Behind::HandedOver(peer.clone())),
                false => effects.counters.handovers_overrun += 1,
            }
            return;
        }
        let Some(member) = state.members.get_mut(peer) else {
            return;
        };
        let Some(mut handover) = member.release(room, peer, effects) else {
            return;
        };
        let is_last = handover.left.is_empty();
        handover.until = now + PAUSE;
        handover.probe = None;
        handover.prompt = false;
        handover.flushing = false;
        member.hold(*handover, room, peer, effects);
        if is_last {
            self.let_go(room, peer);
        } else {
            member.flush((room, peer), &self.node, effects);
        }
    }

    /// A peer that this node had in the room has moved to another: the room is kept for a while, also when the others leave.
    pub(crate) fn keep_room(&mut self, room: &RoomId, now: Instant) {
        if let Some(state) = self.rooms.get_mut(room) {
            let until = now + KEPT;
            if let Some(before) = state.kept_until.replace(until) {
                let timer = Timer::Forget(room.clone());
                self.effects.timers.remove(&(before, timer));
            }
            let timer = Timer::Forget(room.clone());
            self.effects.timers.insert((until, timer));
        }
    }

    /// What waits is said, whether all that was said before has arrived or not.
    pub(crate) fn let_go(&mut self, room: &RoomId, peer: &PeerId) {
        let effects = &mut self.effects;
        let member = self.rooms.get_mut(room);
        let Some(member) = member.and_then(|room| room.members.get_mut(peer)) else {
            return;
        };
        let Some(handover) = member.release(room, peer, effects) else {
            return;
        };
        // It may wait for the peer where that is: a next move is followed too.
        member.addressed |= matches!(member.holder, Holder::Remote(_));
        for message in handover.held.release(effects) {
            let node = member.tell(message.clone(), effects);
            if let (Told::At(node), ServerMessage::Message { from, payload }) = (node, message) {
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
