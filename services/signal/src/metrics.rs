//! All metrics of a signalling node. None has a label per room, peer or address.

use std::{fmt, sync::Weak};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::ConstGauge,
    },
    registry::Registry,
};

use protocol::Outcome;

use crate::node::Node;

/// Counters that connections and the node raise.
#[derive(Clone, Debug, Default)]
pub(crate) struct SignalMetrics {
    pub(crate) opened: Counter,
    pub(crate) closed: Family<Reason, Counter>,
    pub(crate) received: Counter,
    pub(crate) sent: Counter,
    pub(crate) dropped: Family<Reason, Counter>,
    pub(crate) overloaded: Counter,
    pub(crate) paused: Counter,
    pub(crate) unreadable: Counter,
    pub(crate) answers: Family<Reason, Counter>,
}

/// Why something was dropped or closed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Reason {
    pub(crate) reason: &'static str,
}

impl SignalMetrics {
    /// Enters the counters, and gauges that read `node` when they are asked for.
    pub(crate) fn register(&self, node: Weak<Node>, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("trunkline");
        registry.register(
            "connections_opened",
            "WebSockets accepted",
            self.opened.clone(),
        );
        registry.register(
            "connections_closed",
            "WebSockets ended, by reason",
            self.closed.clone(),
        );
        registry.register(
            "messages_received",
            "Text frames received from clients",
            self.received.clone(),
        );
        registry.register(
            "messages_sent",
            "Text frames queued for clients",
            self.sent.clone(),
        );
        registry.register(
            "messages_dropped",
            "Messages that reached nobody, by reason",
            self.dropped.clone(),
        );
        registry.register(
            "backplane_overloaded",
            "Commands that the backplane had no room for",
            self.overloaded.clone(),
        );
        registry.register(
            "reads_paused",
            "Times a connection was not read because the backplane had to catch up",
            self.paused.clone(),
        );
        registry.register(
            "backplane_unreadable",
            "Payloads of other nodes that this version cannot read",
            self.unreadable.clone(),
        );
        registry.register(
            "answers",
            "Requests answered, by what has come of them",
            self.answers.clone(),
        );
        registry.register_collector(Box::new(Gauges { node }));
    }

    pub(crate) fn drop_for(&self, reason: &'static str) {
        self.dropped.get_or_create(&Reason { reason }).inc();
    }

    pub(crate) fn answer_with(&self, outcome: &Outcome) {
        let reason = match outcome {
            Outcome::Accepted { .. } => "accepted",
            Outcome::Failed { reason, .. } => reason.label(),
        };
        self.answers.get_or_create(&Reason { reason }).inc();
    }

    pub(crate) fn close_for(&self, reason: &'static str) {
        self.closed.get_or_create(&Reason { reason }).inc();
    }
}

#[derive(Debug)]
struct Gauges {
    node: Weak<Node>,
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(node) = self.node.upgrade() else {
            return Ok(());
        };
        let stats = node.stats();
        for (name, help, value) in [
            ("connections", "WebSockets open", node.sockets()),
            (
                "rooms",
                "Rooms with a peer of this node, and ids of directories that were looked up",
                stats.rooms,
            ),
            (
                "lookups",
                "Ids of directories that were looked up and are remembered",
                stats.lookups,
            ),
            ("members", "Peers of this node in rooms", stats.members),
            (
                "members_suspended",
                "Peers of this node whose connection is lost",
                stats.suspended,
            ),
            (
                "requests",
                "Requests of this node's peers that are not answered yet",
                stats.requests,
            ),
            (
                "held_bytes",
                "Bytes held for suspended peers",
                stats.held_bytes,
            ),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        for (name, help, value) in overruns(&node).into_iter().chain(backplane_counters(&node)) {
            let counter = ConstCounter::new(value);
            let metric = encoder.encode_descriptor(name, help, None, counter.metric_type())?;
            counter.encode(metric)?;
        }
        Ok(())
    }
}

/// What did not fit into the switchboard: names, what they mean, values.
fn overruns(node: &Node) -> [(&'static str, &'static str, u64); 2] {
    let counters = node.overruns();
    [
        (
            "roster_changes_overrun",
            "Changes that overtook a room's roster and did not fit; the room was compared instead",
            counters.changes_overrun,
        ),
        (
            "handovers_overrun",
            "Peers on the move for which something more would have had to be waited for than may",
            counters.handovers_overrun,
        ),
    ]
}

/// What has happened between this node and others: names, what they mean, values.
fn backplane_counters(node: &Node) -> [(&'static str, &'static str, u64); 15] {
    let counters = node.counters();
    [
        (
            "backplane_events_lost",
            "Events of other nodes lost because this node's queue was full",
            node.events_lost(),
        ),
        (
            "backplane_beats",
            "Beats that came back to this node",
            counters.beats,
        ),
        (
            "backplane_lapses",
            "Times that this node counted as dead",
            counters.lapses,
        ),
        (
            "backplane_sweeps",
            "Requests to take a dead node's peers out",
            counters.sweeps,
        ),
        (
            "backplane_gaps",
            "Rooms of which something may have been missed, and that were compared",
            counters.gaps,
        ),
        (
            "backplane_repeats_wanted",
            "Requests to other nodes to send again what was missing",
            counters.repeats_wanted,
        ),
        (
            "backplane_repeated",
            "Messages sent to other nodes again",
            counters.repeated,
        ),
        (
            "backplane_duplicates",
            "Messages of other nodes that came again",
            counters.duplicates,
        ),
        (
            "backplane_refused",
            "Messages to other nodes that were refused since too much was unacknowledged",
            counters.refused,
        ),
        (
            "backplane_messages_lost",
            "Messages between nodes that can never arrive, or whose receiver is gone",
            counters.lost,
        ),
        (
            "backplane_early_dropped",
            "Messages of other nodes that came before one that was missing, and did not fit; asked for again",
            counters.early_dropped,
        ),
        ("backplane_links", "Links made to Redis", counters.links),
        (
            "backplane_links_overrun",
            "Links given up because more waited on them than may",
            counters.links_overrun,
        ),
        (
            "backplane_rooms_unremembered",
            "Rooms left that could not be remembered for a Redis that takes over",
            counters.unremembered,
        ),
        (
            "backplane_frames_unreadable",
            "Frames of other nodes that this version cannot read",
            counters.unreadable,
        ),
    ]
}
