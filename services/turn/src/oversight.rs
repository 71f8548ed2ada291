//! What threads count for operators besides packets, and the gauges that belong to the process as a whole.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};
use relay::{Authentication, ChallengeLimit};

/// One thread's counters, which it alone writes.
#[derive(Debug, Default)]
pub(crate) struct Oversight {
    authentications: [AtomicU64; Authentication::ALL.len()],
    kicked: AtomicU64,
    forgotten: AtomicU64,
    new_peers_refused: AtomicU64,
    pub(crate) unaudited: AtomicU64,
}

/// What is the same for all threads.
#[derive(Debug, Default)]
pub(crate) struct ProcessState {
    /// 1 while the relay drains.
    pub(crate) draining: AtomicU64,
    /// Live secrets.
    pub(crate) secrets: AtomicU64,
    /// Times that other secrets were read.
    pub(crate) rotations: AtomicU64,
    /// 1 while the others have this relay on their list.
    pub(crate) registered: AtomicU64,
}

impl Oversight {
    /// An answer was given to a request, with this proof if it needs one.
    pub(crate) fn answered(&self, authentication: Option<Authentication>) {
        let at = authentication.and_then(|result| {
            Authentication::ALL
                .iter()
                .position(|other| *other == result)
        });
        if let Some(at) = at {
            self.authentications[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Requests that were refused because of too many new peers, since the start.
    pub(crate) fn new_peers(&self, refused: u64) {
        self.new_peers_refused.store(refused, Ordering::Relaxed);
    }

    pub(crate) fn kicks(&self, kicked: usize, forgotten: u64) {
        let kicked = u64::try_from(kicked).unwrap_or(u64::MAX);
        self.kicked.store(kicked, Ordering::Relaxed);
        self.forgotten.store(forgotten, Ordering::Relaxed);
    }
}

/// Sums the threads' counters for `/metrics`.
#[derive(Debug)]
pub(crate) struct Overseen {
    pub(crate) threads: Vec<Arc<Oversight>>,
    pub(crate) process: Arc<ProcessState>,
    pub(crate) challenge_limit: Option<Arc<ChallengeLimit>>,
}

impl Overseen {
    fn sum(&self, count: impl Fn(&Oversight) -> &AtomicU64) -> u64 {
        let counts = self.threads.iter().map(|thread| count(thread));
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Every thread has the same users on its list.
    fn most(&self, count: impl Fn(&Oversight) -> &AtomicU64) -> u64 {
        let counts = self.threads.iter().map(|thread| count(thread));
        let counts = counts.map(|count| count.load(Ordering::Relaxed));
        counts.max().unwrap_or_default()
    }
}

impl Collector for Overseen {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let process = |value: &AtomicU64| value.load(Ordering::Relaxed);
        for (name, help, value) in [
            (
                "draining",
                "1 while no new allocations are taken",
                process(&self.process.draining),
            ),
            (
                "registered",
                "1 while signalling nodes have this relay on their list",
                process(&self.process.registered),
            ),
            (
                "secrets",
                "Secrets with which credentials are verified",
                process(&self.process.secrets),
            ),
            (
                "kicked_users",
                "Users who were put out, until their credentials are over",
                self.most(|thread| &thread.kicked),
            ),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let name = format!("trunkline_turn_{name}");
            let metric = encoder.encode_descriptor(&name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        let challenges = self.challenge_limit.as_deref();
        for (name, help, value) in [
            (
                "new_peers_refused",
                "Requests that were refused since their allocation had gained too many peers lately",
                self.sum(|thread| &thread.new_peers_refused),
            ),
            (
                "networks_forgotten",
                "Networks that were forgotten by the limit of challenges, since there was no place for more",
                challenges.map_or(0, ChallengeLimit::forgotten),
            ),
            (
                "secret_rotations",
                "Times that --turn-secret-file held other secrets than before",
                process(&self.process.rotations),
            ),
            (
                "kicks_forgotten",
                "Users who were let in before their time, since no more could be kept out",
                self.most(|thread| &thread.forgotten),
            ),
            (
                "audit_suppressed",
                "Lines of the audit log that were left out, since there were too many",
                self.sum(|thread| &thread.unaudited),
            ),
        ] {
            let counter = ConstCounter::new(value);
            let name = format!("trunkline_turn_{name}");
            let metric = encoder.encode_descriptor(&name, help, None, counter.metric_type())?;
            counter.encode(metric)?;
        }
        let mut metric = encoder.encode_descriptor(
            "trunkline_turn_authentications",
            "Requests answered, by what was proved of who asks",
            None,
            MetricType::Counter,
        )?;
        for (at, result) in Authentication::ALL.iter().enumerate() {
            let labels = [("result", result.label())];
            let count = self.sum(|thread| &thread.authentications[at]);
            ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
