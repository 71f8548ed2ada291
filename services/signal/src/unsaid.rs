//! What must be said to the backplane some time, and is answered by nobody: it is kept when there is no room for it.

use std::collections::BTreeSet;

use protocol::RoomId;
use switchboard::{ClusterCommand, NodeId};

/// At most one of each kind for a room, or for a room and a node.
#[derive(Debug, Default)]
pub(crate) struct Unsaid {
    forgets: BTreeSet<RoomId>,
    confirms: BTreeSet<(RoomId, NodeId)>,
}

impl Unsaid {
    /// The command, if it is one that would be missed.
    pub(crate) fn of(command: &ClusterCommand) -> Option<ClusterCommand> {
        let is_missed = matches!(
            command,
            ClusterCommand::Forget { .. } | ClusterCommand::Confirm { .. }
        );
        is_missed.then(|| command.clone())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.forgets.is_empty() && self.confirms.is_empty()
    }

    pub(crate) fn extend(&mut self, command: Option<ClusterCommand>) {
        match command {
            Some(ClusterCommand::Forget { room }) => {
                self.forgets.insert(room);
            }
            Some(ClusterCommand::Confirm { room, node }) => {
                self.confirms.insert((room, node));
            }
            Some(_) | None => {}
        }
    }

    /// A room that the node enters again is not to be forgotten.
    pub(crate) fn withdraw(&mut self, command: &ClusterCommand) {
        if let ClusterCommand::Join { room, .. } | ClusterCommand::Assert { room, .. } = command {
            self.forgets.remove(room);
        }
    }

    /// The next one, to be said now.
    pub(crate) fn next(&mut self) -> Option<ClusterCommand> {
        if let Some(room) = self.forgets.pop_first() {
            return Some(ClusterCommand::Forget { room });
        }
        let (room, node) = self.confirms.pop_first()?;
        Some(ClusterCommand::Confirm { room, node })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> RoomId {
        RoomId::new(name).unwrap()
    }

    #[test]
    fn what_nobody_answers_is_said_later_unless_it_is_no_longer_true() {
        let mut unsaid = Unsaid::default();
        let forget = |name| ClusterCommand::Forget { room: room(name) };
        let confirm = ClusterCommand::Confirm {
            room: room("r"),
            node: NodeId("n".into()),
        };
        for command in [forget("r"), forget("s"), confirm.clone(), confirm.clone()] {
            unsaid.extend(Unsaid::of(&command));
        }
        unsaid.withdraw(&ClusterCommand::Assert {
            room: room("r"),
            members: Vec::new(),
        });
        assert_eq!(unsaid.next(), Some(forget("s")));
        assert_eq!(unsaid.next(), Some(confirm));
        assert!(unsaid.is_empty());
        assert_eq!(unsaid.next(), None);
    }
}
