//! What other nodes were asked to confirm.

use std::collections::BTreeSet;

use bytestring::ByteString;

use super::Rooms;
use crate::NodeId;

impl Rooms {
    /// A question to a node; true when it was not asked yet.
    pub(in crate::partition) fn question(&mut self, node: NodeId, room: ByteString) -> bool {
        self.questions.entry(node).or_default().insert(room)
    }

    /// The node has answered; false when it was not asked.
    pub(in crate::partition) fn take_question(&mut self, node: &NodeId, room: &ByteString) -> bool {
        let Some(rooms) = self.questions.get_mut(node) else {
            return false;
        };
        let asked = rooms.remove(room);
        if rooms.is_empty() {
            self.questions.remove(node);
        }
        asked
    }

    /// Nodes that have questions to answer.
    pub(in crate::partition) fn asked(&self) -> impl Iterator<Item = &NodeId> {
        self.questions.keys()
    }

    pub(in crate::partition) fn questions(&self) -> Vec<(NodeId, ByteString)> {
        let each = |(node, rooms): (&NodeId, &BTreeSet<ByteString>)| {
            let node = node.clone();
            let pair = move |room: &ByteString| (node.clone(), room.clone());
            rooms.iter().map(pair).collect::<Vec<_>>()
        };
        self.questions.iter().flat_map(each).collect()
    }

    /// All that a node was asked.
    pub(in crate::partition) fn take_asked(&mut self, node: &NodeId) -> BTreeSet<ByteString> {
        self.questions.remove(node).unwrap_or_default()
    }
}
