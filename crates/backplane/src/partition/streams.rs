//! The streams between this node and others.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    time::{Duration, Instant},
};

use super::{
    Config,
    frame::Position,
    stream::{Incoming, Message, Outgoing},
};
use crate::NodeId;

/// Both ends of the streams between this node and others.
#[derive(Debug, Default)]
pub(super) struct Streams {
    pub(super) outgoing: BTreeMap<NodeId, Outgoing>,
    pub(super) incoming: BTreeMap<NodeId, Source>,
    epochs: u64,
    /// Bytes kept for all nodes together.
    kept: usize,
}

/// Another node, as far as it has been heard.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) stream: Incoming,
    /// When it was heard last.
    heard: Instant,
    /// The last of its links of which something has come.
    link: u64,
}

impl Streams {
    pub(super) fn push(
        &mut self,
        node: &NodeId,
        message: Message,
        config: &Config,
        now: Instant,
    ) -> Option<Position> {
        let stream = match self.outgoing.entry(node.clone()) {
            Entry::Occupied(stream) => stream.into_mut(),
            Entry::Vacant(place) => {
                self.epochs += 1;
                place.insert(Outgoing::new(self.epochs))
            }
        };
        let before = stream.bytes();
        let left = config.rings_bytes.saturating_sub(self.kept);
        let at = stream.push(message, config.ring_bytes.min(before + left), now);
        self.kept += stream.bytes() - before;
        at
    }

    pub(super) fn acknowledge(&mut self, from: &str, epoch: u64, number: u64) {
        if let Some(stream) = self.outgoing.get_mut(&NodeId(from.into())) {
            let before = stream.bytes();
            stream.acknowledge(epoch, number);
            self.kept -= before - stream.bytes();
        }
    }

    /// The stream from a node; begun where it is the first that is heard of it.
    pub(super) fn incoming(&mut self, from: &str, at: Position, now: Instant) -> &mut Incoming {
        &mut self.source(from, at, now).stream
    }

    fn source(&mut self, from: &str, at: Position, now: Instant) -> &mut Source {
        let node = NodeId(from.into());
        let source = self.incoming.entry(node).or_insert_with(|| Source {
            stream: Incoming::new(at),
            heard: now,
            link: 0,
        });
        source.heard = now;
        source
    }

    /// A message has come from a node on one of its links: its stream, as [`Self::incoming`]. False when something has
    /// come on a later link: the store, or the network before it, has kept this one for long.
    pub(super) fn hear(
        &mut self,
        from: &str,
        link: u64,
        at: Position,
        now: Instant,
    ) -> (&mut Incoming, bool) {
        let source = self.source(from, at, now);
        let is_late = link < source.link;
        source.link = source.link.max(link);
        (&mut source.stream, !is_late)
    }

    pub(super) fn known(&mut self, from: &str) -> Option<&mut Incoming> {
        let source = self.incoming.get_mut(&NodeId(from.into()))?;
        Some(&mut source.stream)
    }

    /// Nodes that have not acknowledged for so long, or have not been heard of for very long.
    pub(super) fn silent(&self, late: Duration, now: Instant) -> BTreeSet<NodeId> {
        let sent = self
            .outgoing
            .iter()
            .filter(|(_, stream)| stream.oldest().is_some_and(|at| at + late <= now))
            .map(|(node, _)| node);
        let heard = self
            .incoming
            .iter()
            .filter(|(_, source)| source.heard + late * 20 <= now)
            .map(|(node, _)| node);
        sent.chain(heard).cloned().collect()
    }

    /// Drops what a node that is gone has not acknowledged; returns how many messages those are. It may only have
    /// been cut off, and go on with its stream: what has arrived of that is known until it has been silent for very
    /// long.
    pub(super) fn forget(&mut self, node: &NodeId, late: Duration, now: Instant) -> u64 {
        if let Some(source) = self.incoming.get_mut(node) {
            source.stream.rest();
            if source.heard + late * 20 <= now {
                self.incoming.remove(node);
            }
        }
        let Some(stream) = self.outgoing.remove(node) else {
            return 0;
        };
        self.kept -= stream.bytes();
        u64::try_from(stream.unacknowledged()).unwrap_or(u64::MAX)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let sources = self.incoming.values();
        sources.filter_map(|source| source.stream.repeat_at()).min()
    }
}
