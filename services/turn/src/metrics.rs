//! What the threads count, summed when it is asked for: no packet waits for a metric.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};
use relay::{Answer, DropReason, ErrorCode};

use crate::quotas::Quotas;

/// Answers are counted by what went wrong.
const ERRORS: [ErrorCode; 16] = [
    ErrorCode::TryAlternate,
    ErrorCode::BadRequest,
    ErrorCode::Unauthenticated,
    ErrorCode::Forbidden,
    ErrorCode::MobilityForbidden,
    ErrorCode::UnknownAttribute,
    ErrorCode::AllocationMismatch,
    ErrorCode::StaleNonce,
    ErrorCode::AddressFamilyNotSupported,
    ErrorCode::WrongCredentials,
    ErrorCode::UnsupportedTransportProtocol,
    ErrorCode::PeerAddressFamilyMismatch,
    ErrorCode::ConnectionAlreadyExists,
    ErrorCode::ConnectionTimeoutOrFailure,
    ErrorCode::AllocationQuotaReached,
    ErrorCode::InsufficientCapacity,
];

/// One thread's counters. Only that thread writes them, others read.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    to_peers: Direction,
    to_clients: Direction,
    /// Sends that the kernel did not take: its buffer is full, or there is no way to the address.
    pub(crate) unsent: Count,
    dropped: [Count; DropReason::ALL.len()],
    succeeded: Count,
    failed: [Count; ERRORS.len()],
    /// Packets of clients that moved to another thread, which there was no room for on the way to theirs.
    pub(crate) not_handed_on: Count,
    pub(crate) opened: Count,
    pub(crate) moved: Count,
    pub(crate) closed: Count,
}

#[derive(Debug, Default)]
struct Direction {
    packets: Count,
    bytes: Count,
}

/// A number that one thread raises.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, by: u64) {
        // Nobody else writes it: there is no other's addition to lose.
        let value = self.0.load(Ordering::Relaxed);
        self.0.store(value.wrapping_add(by), Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(crate) fn relayed_to_peers(&self, packets: u64, bytes: u64) {
        self.to_peers.packets.add(packets);
        self.to_peers.bytes.add(bytes);
    }

    pub(crate) fn relayed_to_clients(&self, packets: u64, bytes: u64) {
        self.to_clients.packets.add(packets);
        self.to_clients.bytes.add(bytes);
    }

    pub(crate) fn dropped(&self, reason: DropReason) {
        if let Some(at) = DropReason::ALL.iter().position(|other| *other == reason) {
            self.dropped[at].add(1);
        }
    }

    pub(crate) fn answered(&self, answer: &Answer) {
        match answer.error {
            None => self.succeeded.add(1),
            Some(error) => {
                if let Some(at) = ERRORS.iter().position(|other| *other == error) {
                    self.failed[at].add(1);
                }
            }
        }
    }
}

/// Sums the threads' counters for `/metrics`.
#[derive(Debug)]
pub(crate) struct Sum {
    pub(crate) threads: Vec<Arc<Counters>>,
    pub(crate) quotas: Arc<Quotas>,
}

impl Sum {
    fn of(&self, count: impl Fn(&Counters) -> &Count) -> u64 {
        self.threads.iter().map(|thread| count(thread).read()).sum()
    }
}

impl Collector for Sum {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let allocations = i64::try_from(self.quotas.total()).unwrap_or(i64::MAX);
        let gauge = ConstGauge::new(allocations);
        let metric = encoder.encode_descriptor(
            "trunkline_turn_allocations",
            "Relayed addresses now, those included that are reserved",
            None,
            gauge.metric_type(),
        )?;
        gauge.encode(metric)?;
        for (name, help, value) in [
            (
                "opened",
                "Relayed addresses made",
                self.of(|thread| &thread.opened),
            ),
            (
                "closed",
                "Relayed addresses ended",
                self.of(|thread| &thread.closed),
            ),
            (
                "moved",
                "Allocations that followed their client to another address",
                self.of(|thread| &thread.moved),
            ),
        ] {
            let counter = ConstCounter::new(value);
            let name = format!("trunkline_turn_allocations_{name}");
            let metric = encoder.encode_descriptor(&name, help, None, counter.metric_type())?;
            counter.encode(metric)?;
        }
        family(
            &mut encoder,
            "relayed_packets",
            "Packets relayed",
            "to",
            &[
                ("peer", self.of(|thread| &thread.to_peers.packets)),
                ("client", self.of(|thread| &thread.to_clients.packets)),
            ],
        )?;
        family(
            &mut encoder,
            "relayed_bytes",
            "Bytes relayed, without encapsulation",
            "to",
            &[
                ("peer", self.of(|thread| &thread.to_peers.bytes)),
                ("client", self.of(|thread| &thread.to_clients.bytes)),
            ],
        )?;
        let mut dropped: Vec<(&str, u64)> = DropReason::ALL
            .iter()
            .enumerate()
            .map(|(at, reason)| (reason.label(), self.of(|thread| &thread.dropped[at])))
            .collect();
        dropped.push(("unsent", self.of(|thread| &thread.unsent)));
        dropped.push(("not-handed-on", self.of(|thread| &thread.not_handed_on)));
        let help = "Packets neither relayed nor answered, by reason";
        family(&mut encoder, "dropped_packets", help, "reason", &dropped)?;
        let mut answers = vec![("success".to_owned(), self.of(|thread| &thread.succeeded))];
        for (at, error) in ERRORS.iter().enumerate() {
            answers.push((
                error.number().to_string(),
                self.of(|thread| &thread.failed[at]),
            ));
        }
        let answers: Vec<(&str, u64)> = answers
            .iter()
            .map(|(result, count)| (result.as_str(), *count))
            .collect();
        let help = "Requests answered, by success or error code";
        family(&mut encoder, "answers", help, "result", &answers)
    }
}

fn family(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    values: &[(&str, u64)],
) -> Result<(), fmt::Error> {
    let name = format!("trunkline_turn_{name}");
    let mut metric: MetricEncoder<'_> =
        encoder.encode_descriptor(&name, help, None, MetricType::Counter)?;
    for (value, count) in values {
        let labels = [(label, *value)];
        ConstCounter::new(*count).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}
