//! Medians over the rounds, and ratios to the floor of the same round.

use std::fmt::Write;

use crate::{contestant::Contestant, load::Measured, median::median};

/// What one contestant did in one round.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    paced: Phase,
    saturated: Phase,
    calls: Phase,
    idle_bytes: f64,
}

#[derive(Clone, Copy, Debug)]
struct Phase {
    micros: f64,
    redis_micros: f64,
    p50: f64,
    p99: f64,
    rate: f64,
    busy: f64,
    lost: u64,
}

impl From<Measured> for Phase {
    fn from(mut measured: Measured) -> Self {
        Self {
            micros: measured.micros(),
            redis_micros: measured.redis_micros(),
            p50: measured.percentile(0.5),
            p99: measured.percentile(0.99),
            rate: measured.rate(),
            busy: measured.busy(),
            lost: measured.lost,
        }
    }
}

impl Round {
    pub(crate) fn new(
        paced: Measured,
        saturated: Measured,
        calls: Measured,
        idle_bytes: f64,
    ) -> Self {
        Self {
            paced: paced.into(),
            saturated: saturated.into(),
            calls: calls.into(),
            idle_bytes,
        }
    }

    /// What is said while the benchmark runs.
    pub(crate) fn line(&self) -> String {
        format!(
            "{:.1} µs a message (p50 {:.0} p99 {:.0}), saturated {:.1} µs ({:.0}/s, {:.2} CPUs), \
             {:.0} µs a call, {:.1} KB a connection",
            self.paced.micros,
            self.paced.p50,
            self.paced.p99,
            self.saturated.micros,
            self.saturated.rate,
            self.saturated.busy,
            self.calls.micros,
            self.idle_bytes / 1000.0,
        )
    }
}

/// All rounds.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rounds: Vec<(Contestant, Round)>,
}

impl Report {
    pub(crate) fn add(&mut self, contestant: Contestant, round: Round) {
        self.rounds.push((contestant, round));
    }

    /// A table in Markdown.
    pub(crate) fn table(&self) -> String {
        let mut table = String::from(
            "| | µs a message | × floor | × rtc-switchboard | p50 / p99 µs | saturated: µs a message | × floor \
             | × rtc-switchboard | messages/s | CPUs | p50 / p99 ms | µs a call | × floor | × rtc-switchboard \
             | p50 ms | KB a connection | lost |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: \
             | ---: | ---: | ---: |\n",
        );
        for contestant in Contestant::ALL {
            let rounds: Vec<&Round> = self.of(contestant).collect();
            if !rounds.is_empty() {
                self.rows(&mut table, contestant, &rounds);
            }
        }
        table
    }

    fn rows(&self, table: &mut String, contestant: Contestant, rounds: &[&Round]) {
        let of = |value: &dyn Fn(&Round) -> f64| median(rounds.iter().map(|round| value(round)));
        let ratio = |to: Contestant, value: &dyn Fn(&Round) -> f64| {
            let others = self.of(to);
            let ratios = rounds
                .iter()
                .zip(others)
                .map(|(round, other)| value(round) / value(other));
            match median(ratios) {
                // It did not take part.
                ratio if ratio.is_nan() => String::new(),
                ratio => format!("{ratio:.2}"),
            }
        };
        let ratios = |value: &dyn Fn(&Round) -> f64| {
            let floor = ratio(Contestant::Floor, value);
            format!("{floor} | {}", ratio(Contestant::Switchboard, value))
        };
        let lost: u64 = rounds
            .iter()
            .map(|round| round.paced.lost + round.calls.lost)
            .sum();
        // Writing into a string cannot fail.
        let _ = writeln!(
            table,
            "| {} | {:.1} | {} | {:.0} / {:.0} | {:.1} | {} | {:.0} | {:.2} | {:.1} / {:.1} | {:.0} | {} \
             | {:.1} | {:.1} | {lost} |",
            contestant.name(),
            of(&|round| round.paced.micros),
            ratios(&|round| round.paced.micros),
            of(&|round| round.paced.p50),
            of(&|round| round.paced.p99),
            of(&|round| round.saturated.micros),
            ratios(&|round| round.saturated.micros),
            of(&|round| round.saturated.rate),
            of(&|round| round.saturated.busy),
            of(&|round| round.saturated.p50 / 1000.0),
            of(&|round| round.saturated.p99 / 1000.0),
            of(&|round| round.calls.micros),
            ratios(&|round| round.calls.micros),
            of(&|round| round.calls.p50 / 1000.0),
            of(&|round| round.idle_bytes / 1000.0),
        );
        if contestant == Contestant::Cluster {
            let _ = writeln!(
                table,
                "| of which Redis | {:.1} | | | | {:.1} | | | | | | {:.0} | | | | | |",
                of(&|round| round.paced.redis_micros),
                of(&|round| round.saturated.redis_micros),
                of(&|round| round.calls.redis_micros),
            );
        }
    }

    fn of(&self, contestant: Contestant) -> impl Iterator<Item = &Round> {
        self.rounds
            .iter()
            .filter(move |(whose, _)| *whose == contestant)
            .map(|(_, round)| round)
    }
}
