//! The load: peers in rooms of two that talk, call and wait. Few threads with many connections each, nothing made while
//! it is measured.

mod calls;
mod client;
mod frames;
mod paced;
mod saturated;

use std::{net::SocketAddr, thread, time::Duration};

pub(crate) use calls::calls;
pub(crate) use paced::paced;
pub(crate) use saturated::saturated;

use crate::cpu::Cpu;
use client::Client;

/// Time in which processes have done what they had begun.
const REST: Duration = Duration::from_secs(1);

/// How long to measure, after how long a warm-up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

/// What was done, and what it cost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) units: u64,
    /// Units that did not come to their end in time.
    pub(crate) lost: u64,
    pub(crate) cpu: Cpu,
    pub(crate) seconds: f64,
    /// Microseconds each unit took.
    pub(crate) latencies: Vec<u32>,
}

impl Measured {
    /// Microseconds on a processor for a unit.
    pub(crate) fn micros(&self) -> f64 {
        self.cpu.all as f64 / 1000.0 / self.units as f64
    }

    /// Redis's part of them.
    pub(crate) fn redis_micros(&self) -> f64 {
        self.cpu.redis as f64 / 1000.0 / self.units as f64
    }

    /// Processors in use.
    pub(crate) fn busy(&self) -> f64 {
        self.cpu.all as f64 / 1e9 / self.seconds
    }

    pub(crate) fn rate(&self) -> f64 {
        self.units as f64 / self.seconds
    }

    /// The latency that this share of the units did not exceed.
    pub(crate) fn percentile(&mut self, share: f64) -> f64 {
        self.latencies.sort_unstable();
        let last = self.latencies.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        self.latencies
            .get(at)
            .map_or(0.0, |micros| f64::from(*micros))
    }
}

/// Bytes of resident memory for an idle connection: what so many more of them, in rooms of two, add to those of as many
/// as warm the process up.
pub(crate) fn idle(
    addresses: [SocketAddr; 2],
    connections: usize,
    resident: impl Fn() -> u64,
) -> f64 {
    let mut buffer = vec![0; client::READ_BYTES];
    let mut clients: Vec<Client> = Vec::new();
    let mut join = |range: std::ops::Range<usize>| {
        for pair in range {
            let (first, second, room) = client::names(pair);
            clients.push(Client::join(addresses[0], &first, &room, &mut buffer));
            clients.push(Client::join(addresses[1], &second, &room, &mut buffer));
        }
        thread::sleep(REST);
    };
    let warm_up = connections / 20;
    join(0..warm_up);
    let before = resident();
    join(warm_up..warm_up + connections / 2);
    let after = resident();
    (after as f64 - before as f64) / (connections / 2 * 2) as f64
}
