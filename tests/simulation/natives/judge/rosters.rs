//! Who is told to be in a room.

use std::collections::BTreeMap;

use protocol::{PeerId, ServerMessage};

use super::{ECHO, Judge, is_hindered};
use crate::{
    natives::{
        lines::Line,
        peer::{Peer, key_of},
    },
    node::Time,
    oracle::Oracle,
};

impl Judge {
    /// What a node tells a connection of others: nobody joins whom it knows, and of whom it does not know nothing is told.
    pub(super) fn told_of_others(&mut self, connection: u64, message: &ServerMessage) {
        let Some(state) = self.connections.get_mut(&connection) else {
            return;
        };
        let is_right = match message {
            ServerMessage::Members {
                is_whole, peers, ..
            } => {
                let told = peers.iter().map(|member| key_of(&member.peer));
                match &mut state.known {
                    Some(known) if !is_whole => {
                        told.fold(true, |all, key| all & known.contains(&key))
                    }
                    known => {
                        *known = Some(told.collect());
                        *is_whole
                    }
                }
            }
            ServerMessage::Joined { peer, .. } => {
                let key = key_of(peer);
                state.known.as_mut().is_some_and(|known| known.insert(key))
            }
            ServerMessage::Updated { peer, .. }
            | ServerMessage::Resumed { peer, .. }
            | ServerMessage::Suspended { peer } => {
                let key = key_of(peer);
                state
                    .known
                    .as_ref()
                    .is_some_and(|known| known.contains(&key))
            }
            ServerMessage::Left { peer, .. } => {
                let key = key_of(peer);
                state.known.as_mut().is_some_and(|known| known.remove(&key))
            }
            ServerMessage::IdInUse { .. } | ServerMessage::Superseded => {
                state.known = None;
                true
            }
            ServerMessage::RoomInfo { .. } => false,
            ServerMessage::Message { .. } | ServerMessage::Answer { .. } => true,
        };
        if !is_right {
            let (peer, known) = (state.peer, format!("{:?}", state.known));
            self.wrong(|| format!("native {peer} is told {message:?}, and knows {known}"));
        }
    }

    /// A peer is told that another one is there.
    pub(in crate::natives) fn told_there(&mut self, life: u64, peer: &PeerId, at: Time) {
        self.there.insert((life, key_of(peer)), at);
    }

    /// The application of a peer is told that another one has left.
    pub(in crate::natives) fn told_left(
        &mut self,
        oracle: &Oracle,
        (observer, lines): (&Peer, &BTreeMap<u64, Line>),
        peer: &PeerId,
        at: Time,
    ) {
        let key = key_of(peer);
        let told = self.there.remove(&(observer.life, key));
        let node = observer.line.and_then(|line| lines.get(&line));
        let node = node.map(|line| line.node);
        let since = told.unwrap_or(0).saturating_sub(ECHO);
        let is_gone = self.holds[key]
            .iter()
            .any(|hold| self.ends(oracle, key, hold, at).any(|end| since <= end));
        let is_unanswered = self.departures[key]
            .iter()
            .any(|(_, end)| since <= *end && *end <= at);
        // What hindered nodes know of their own peers, and of those that came from them.
        let holds = self.holds[key].iter();
        let is_hidden = holds
            .flat_map(|hold| hold.stays(since, at))
            .any(|(node, from, until)| {
                is_hindered(
                    oracle,
                    node,
                    from.max(since),
                    until.max(at.min(until + ECHO)),
                )
            });
        let is_alone = self.is_roster && node.is_some_and(|node| is_hindered(oracle, node, at, at));
        if !is_gone && !is_unanswered && !is_hidden && !is_alone {
            self.wrong(|| {
                format!(
                    "v{} is told that v{key} has left, without a cause",
                    observer.key
                )
            });
        }
    }
}
