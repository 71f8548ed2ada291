use std::collections::BTreeMap;

use crate::node::Time;

/// Where clients are in a room, one stay after the other. A stay goes on when a client returns in its window, at
/// whichever node: what is said to it must follow it there.
#[derive(Debug, Default)]
pub(crate) struct Stays(BTreeMap<usize, Stay>);

#[derive(Debug, Default)]
struct Stay {
    number: u64,
    since: Time,
    /// Where it was, in order.
    nodes: Vec<usize>,
}

impl Stays {
    /// The client has come to a node, for the first time or in its window.
    pub(crate) fn come(&mut self, client: usize, node: usize) {
        let stay = self.0.entry(client).or_default();
        if stay.nodes.last() != Some(&node) {
            stay.nodes.push(node);
        }
    }

    /// What is meant for this stay may be lost from here on.
    pub(crate) fn end(&mut self, client: usize, at: Time) {
        let stay = self.0.entry(client).or_default();
        *stay = Stay {
            number: stay.number + 1,
            since: at,
            nodes: Vec::new(),
        };
    }

    pub(crate) fn number(&self, client: usize) -> u64 {
        self.0.get(&client).map_or(0, |stay| stay.number)
    }

    pub(crate) fn since(&self, client: usize) -> Time {
        self.0.get(&client).map_or(0, |stay| stay.since)
    }

    /// Where the client is and was in its stay.
    pub(crate) fn nodes(&self, client: usize) -> &[usize] {
        self.0.get(&client).map_or(&[], |stay| &stay.nodes)
    }
}
