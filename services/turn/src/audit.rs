//! The audit log: who had a relayed address from when to when, and what went through it.
//!
//! Its lines have the target `audit` and the level DEBUG, since they hold clients' addresses: `--log info,audit=debug`
//! turns it on. A thread writes [`PER_SECOND`] a second, and those of [`SPAN`] at once; what is beyond is counted, and
//! the next line that may be written says how many there were.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use relay::{Close, Moved, Open, TokenBucket};
use tracing::Level;

use crate::{addresses::Addresses, oversight::Oversight};

/// Lines that a thread writes in a second.
const PER_SECOND: u64 = 50;

/// As many lines as this time allows are written at once.
const SPAN: Duration = Duration::from_secs(10);

/// Longest name that is written, in characters before they are escaped.
const MAX_NAME: usize = 128;

/// One thread's part of the log.
#[derive(Debug)]
pub(crate) struct Audit {
    addresses: Addresses,
    oversight: Arc<Oversight>,
    start: Instant,
    bucket: TokenBucket,
    /// Lines left out since the last one that was written.
    left_out: u64,
}

impl Audit {
    pub(crate) fn new(addresses: Addresses, oversight: Arc<Oversight>, now: Instant) -> Self {
        Self {
            addresses,
            oversight,
            start: now,
            bucket: TokenBucket::default(),
            left_out: 0,
        }
    }

    /// An allocation was given a relayed address, with its socket at `bound`.
    pub(crate) fn opened(&mut self, open: &Open, bound: SocketAddr, now: Instant) {
        if !self.may_write(now) {
            return;
        }
        tracing::debug!(
            target: "audit",
            event = "start",
            user = %escaped(open.user.as_str()),
            client = %open.client.address,
            relayed = %relay::told(bound, self.addresses.told_v4(), self.addresses.told_v6()),
            "allocation"
        );
    }

    /// An allocation's client is elsewhere now, RFC 8016.
    pub(crate) fn moved(&mut self, moved: &Moved, now: Instant) {
        if !self.may_write(now) {
            return;
        }
        tracing::debug!(
            target: "audit",
            event = "move",
            user = %escaped(moved.user.as_str()),
            client = %moved.to.address,
            from = %moved.from.address,
            "allocation"
        );
    }

    pub(crate) fn closed(&mut self, close: &Close, now: Instant) {
        if !self.may_write(now) {
            return;
        }
        let traffic = &close.traffic;
        tracing::debug!(
            target: "audit",
            event = "end",
            user = %escaped(close.user.as_str()),
            client = %close.client.address,
            relayed = %close.relayed,
            reason = close.reason.label(),
            bytes_to_peers = traffic.bytes_to_peers,
            bytes_to_client = traffic.bytes_to_client,
            packets_to_peers = traffic.packets_to_peers,
            packets_to_client = traffic.packets_to_client,
            "allocation"
        );
    }

    fn may_write(&mut self, now: Instant) -> bool {
        if !tracing::enabled!(target: "audit", Level::DEBUG) {
            return false;
        }
        let now = now.saturating_duration_since(self.start).as_nanos();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        if self.bucket.has_any(SPAN, now) {
            self.bucket.take(1, PER_SECOND, now);
        } else {
            self.left_out += 1;
            self.oversight.unaudited.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        if self.left_out > 0 {
            let lines = std::mem::take(&mut self.left_out);
            tracing::debug!(target: "audit", event = "suppressed", lines, "too many allocations");
        }
        true
    }
}

/// A name is of a client's choosing: it must not begin another line, nor colour a terminal.
fn escaped(name: &str) -> String {
    let mut text: String = name
        .chars()
        .take(MAX_NAME)
        .flat_map(char::escape_debug)
        .collect();
    if name.chars().nth(MAX_NAME).is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, atomic::AtomicU64};

    use relay::{AllocationId, Client, CloseReason, Family, ListenerId, Traffic, UserId};
    use tracing::{
        Event, Metadata, Subscriber,
        field::{Field, Visit},
        span,
    };

    use super::*;

    /// Counts what is written, and what is said to have been left out.
    #[derive(Debug, Default)]
    struct Log {
        written: AtomicU64,
        left_out: Mutex<Vec<u64>>,
    }

    struct Lines<'a>(&'a Log);

    impl Visit for Lines<'_> {
        fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}

        fn record_u64(&mut self, field: &Field, value: u64) {
            if field.name() == "lines" {
                self.0.left_out.lock().unwrap().push(value);
            }
        }
    }

    impl Subscriber for Log {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

        fn event(&self, event: &Event<'_>) {
            if event.metadata().target() == "audit" {
                self.written.fetch_add(1, Ordering::Relaxed);
                event.record(&mut Lines(self));
            }
        }

        fn enter(&self, _: &span::Id) {}

        fn exit(&self, _: &span::Id) {}
    }

    #[test]
    fn checklist_16_so_many_lines_at_once_and_so_many_a_second_and_what_is_left_out_is_counted_and_said()
     {
        let start = Instant::now();
        let oversight = Arc::new(Oversight::default());
        let mut audit = Audit::new(Addresses::default(), oversight.clone(), start);
        let close = Close {
            allocation: AllocationId::from_bits(1),
            family: Family::V4,
            user: UserId::TimeLimited("carol".into()),
            client: Client {
                listener: ListenerId(0),
                address: ([192, 0, 2, 1], 4000).into(),
            },
            relayed: ([192, 0, 2, 2], 50_000).into(),
            reason: CloseReason::Expired,
            traffic: Traffic::default(),
        };
        let log = Arc::new(Log::default());
        tracing::subscriber::with_default(log.clone(), || {
            for _ in 0..700 {
                audit.closed(&close, start);
            }
            assert_eq!(log.written.load(Ordering::Relaxed), 500);
            assert_eq!(oversight.unaudited.load(Ordering::Relaxed), 200);
            audit.closed(&close, start + Duration::from_millis(20));
        });
        assert_eq!(log.written.load(Ordering::Relaxed), 502);
        assert_eq!(*log.left_out.lock().unwrap(), [200]);
    }

    #[test]
    fn checklist_09_a_name_stays_on_its_line_and_is_short() {
        assert_eq!(escaped("a\n\u{1b}[31mb\"é"), "a\\n\\u{1b}[31mb\\\"é");
        let long = escaped(&"x".repeat(129));
        assert_eq!(long, "x".repeat(128) + "…");
        assert_eq!(escaped(&"x".repeat(128)), "x".repeat(128));
    }
}
