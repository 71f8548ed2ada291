use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};
use relay::Transport;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The client closed it, or the network did.
    Client,
    /// What came was neither STUN nor ChannelData, or no TLS.
    NotTurn,
    /// No allocation was made in time, or none after the last had ended.
    Unauthenticated,
    /// A message was not finished in time, or what was written was not read, and an answer did not fit.
    Slow,
    /// The proxy that it came from said nothing of its client.
    NoProxyHeader,
    /// The peer whose data it carried closed its own.
    Peer,
    /// The allocation for which it carried data has ended.
    Allocation,
    /// The client that the proxy named has as many connections as it may, or has made too many lately.
    Source,
    /// Another connection was announced by the proxy in the name of the same client.
    Replaced,
}

/// Why a connection was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Its source has as many as it may, or has made too many lately.
    Source,
    /// No descriptors are left for connections, or no room for associations of DTLS.
    Full,
    /// It speaks a version of DTLS that was given up.
    Version,
    /// Too many handshakes of DTLS at once; the client tries again by itself.
    Busy,
}

const TRANSPORTS: [Transport; 3] = [Transport::Tcp, Transport::Tls, Transport::Dtls];

const ENDED: [(Ended, &str); 9] = [
    (Ended::Client, "client"),
    (Ended::NotTurn, "not-turn"),
    (Ended::Unauthenticated, "unauthenticated"),
    (Ended::Slow, "slow"),
    (Ended::NoProxyHeader, "no-proxy-header"),
    (Ended::Peer, "peer"),
    (Ended::Allocation, "allocation"),
    (Ended::Source, "source"),
    (Ended::Replaced, "replaced"),
];

const REFUSED: [(Refused, &str); 4] = [
    (Refused::Source, "source"),
    (Refused::Full, "full"),
    (Refused::Version, "version"),
    (Refused::Busy, "busy"),
];

/// Connections, and associations of DTLS, counted over all threads: none is counted for a packet of theirs.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    opened: [AtomicU64; TRANSPORTS.len()],
    ended: [AtomicU64; ENDED.len()],
    refused: [AtomicU64; REFUSED.len()],
    challenged: AtomicU64,
    strays: AtomicU64,
}

impl Counts {
    pub(crate) fn opened(&self, transport: Transport) {
        count(&self.opened, &TRANSPORTS, transport);
    }

    pub(crate) fn ended(&self, ended: Ended) {
        count(&self.ended, &ENDED.map(|(ended, _)| ended), ended);
    }

    pub(crate) fn refused(&self, refused: Refused) {
        count(&self.refused, &REFUSED.map(|(refused, _)| refused), refused);
    }

    /// A client over DTLS was asked for a cookie.
    pub(crate) fn challenged(&self) {
        self.challenged.fetch_add(1, Ordering::Relaxed);
    }

    /// A datagram came to a listener of DTLS that belongs to no association.
    pub(crate) fn stray(&self) {
        self.strays.fetch_add(1, Ordering::Relaxed);
    }
}

fn count<T: PartialEq>(counts: &[AtomicU64], all: &[T], one: T) {
    if let Some(at) = all.iter().position(|other| *other == one) {
        counts[at].fetch_add(1, Ordering::Relaxed);
    }
}

fn read(counts: &[AtomicU64]) -> impl Iterator<Item = u64> {
    counts.iter().map(|count| count.load(Ordering::Relaxed))
}

/// Enters the counts in `/metrics`.
#[derive(Debug)]
pub(crate) struct Exported(pub(crate) std::sync::Arc<Counts>);

impl Collector for Exported {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counts = &self.0;
        let (opened, ended): (u64, u64) = (read(&counts.opened).sum(), read(&counts.ended).sum());
        let now = i64::try_from(opened.saturating_sub(ended)).unwrap_or(i64::MAX);
        let gauge = ConstGauge::new(now);
        let metric = encoder.encode_descriptor(
            "trunkline_turn_connections",
            "Connections of clients over TCP and TLS, and associations of DTLS, now",
            None,
            gauge.metric_type(),
        )?;
        gauge.encode(metric)?;
        for (name, help, label, words, counts) in [
            (
                "opened",
                "Connections taken, by transport",
                "transport",
                TRANSPORTS.map(Transport::label).to_vec(),
                &counts.opened[..],
            ),
            (
                "closed",
                "Connections ended, by reason",
                "reason",
                ENDED.map(|(_, word)| word).to_vec(),
                &counts.ended[..],
            ),
            (
                "refused",
                "Connections closed as they came, by reason",
                "reason",
                REFUSED.map(|(_, word)| word).to_vec(),
                &counts.refused[..],
            ),
        ] {
            let name = format!("trunkline_turn_connections_{name}");
            let mut metric = encoder.encode_descriptor(&name, help, None, MetricType::Counter)?;
            for (word, value) in words.into_iter().zip(read(counts)) {
                let labels = [(label, word)];
                ConstCounter::new(value).encode(metric.encode_family(&labels)?)?;
            }
        }
        for (name, help, count) in [
            (
                "trunkline_turn_dtls_challenges",
                "Clients over DTLS asked to show that datagrams reach them",
                &counts.challenged,
            ),
            (
                "trunkline_turn_dtls_strays",
                "Datagrams at listeners of DTLS that belong to no association",
                &counts.strays,
            ),
        ] {
            let counter = ConstCounter::new(count.load(Ordering::Relaxed));
            let metric = encoder.encode_descriptor(name, help, None, counter.metric_type())?;
            counter.encode(metric)?;
        }
        Ok(())
    }
}
