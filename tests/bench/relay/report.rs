//! Medians over the rounds, ratios to the floor of the same round, and their geometric means.

use std::fmt::Write;

use crate::{
    cell::{Cell, Pace, Sender, Way},
    contestant::Contestant,
    load::{AllocationCost, Measured},
    median::median,
};

/// All rounds but the first.
#[derive(Debug, Default)]
pub(crate) struct Report {
    relayed: Vec<(Contestant, Cell, Measured)>,
    allocations: Vec<(Contestant, AllocationCost)>,
}

impl Report {
    pub(crate) fn add(&mut self, contestant: Contestant, cell: Cell, measured: Measured) {
        self.relayed.push((contestant, cell, measured));
    }

    pub(crate) fn add_allocations(&mut self, contestant: Contestant, cost: AllocationCost) {
        self.allocations.push((contestant, cost));
    }

    /// Tables in Markdown: each cell, their means, and allocations.
    pub(crate) fn tables(&self, cells: &[Cell]) -> String {
        format!(
            "{}\n{}\n{}",
            self.cells(cells),
            self.means(cells),
            self.costs()
        )
    }

    fn cells(&self, cells: &[Cell]) -> String {
        let mut table = String::from(
            "| cell | floor: ns | k/s | loss % | trunkline: ns | k/s | loss % | coturn: ns | k/s | loss % \
             | trunkline × floor | coturn × floor | trunkline × coturn |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        );
        for cell in cells {
            let _ = write!(table, "| {} ", cell.name());
            for contestant in Contestant::ALL {
                let of =
                    |value: fn(&Measured) -> f64| median(self.of(contestant, *cell).map(value));
                let _ = write!(
                    table,
                    "| {:.0} | {:.0} | {:.1} ",
                    of(|it| it.nanos),
                    of(|it| it.rate / 1000.0),
                    of(|it| it.loss * 100.0),
                );
            }
            let _ = writeln!(
                table,
                "| {:.2} | {:.2} | {:.2} |",
                self.ratio(Contestant::Trunkline, Contestant::Floor, *cell, nanos),
                self.ratio(Contestant::Coturn, Contestant::Floor, *cell, nanos),
                self.ratio(Contestant::Trunkline, Contestant::Coturn, *cell, nanos),
            );
        }
        table
    }

    /// Geometric means of the cells' median ratios.
    fn means(&self, cells: &[Cell]) -> String {
        let mut table = String::from(
            "| | trunkline × floor | coturn × floor | trunkline × coturn | datagrams/s: trunkline × floor \
             | coturn × floor | most loss of trunkline at 30k |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        );
        for sender in Sender::ALL {
            let of_sender = |cell: &Cell| cell.sender == sender;
            self.mean(&mut table, &sender.to_string(), cells, of_sender);
            for pace in Pace::ALL {
                for way in [Way::ToPeers, Way::ToClients] {
                    let name = format!("{sender} {pace} {way}");
                    self.mean(&mut table, &name, cells, |cell| {
                        of_sender(cell) && cell.pace == pace && cell.way == way
                    });
                }
            }
            for allocations in [1, 20, 200] {
                let name = format!("{sender} {allocations}");
                self.mean(&mut table, &name, cells, |cell| {
                    of_sender(cell) && cell.allocations == allocations
                });
            }
        }
        table
    }

    fn mean(&self, table: &mut String, name: &str, cells: &[Cell], is_in: impl Fn(&Cell) -> bool) {
        let cells: Vec<Cell> = cells.iter().copied().filter(|cell| is_in(cell)).collect();
        if cells.is_empty() {
            return;
        }
        let mean = |one, other, value: fn(&Measured) -> f64| {
            let logs = cells
                .iter()
                .map(|cell| self.ratio(one, other, *cell, value).ln());
            (logs.sum::<f64>() / cells.len() as f64).exp()
        };
        let (ours, theirs, floor) = (Contestant::Trunkline, Contestant::Coturn, Contestant::Floor);
        let paced = cells.iter().filter(|cell| cell.pace == Pace::Fixed);
        let loss = paced
            .map(|cell| median(self.of(ours, *cell).map(|it| it.loss)))
            .fold(f64::NEG_INFINITY, f64::max);
        let loss = match loss.is_finite() {
            true => format!("{:.1} %", loss * 100.0),
            false => String::new(),
        };
        let _ = writeln!(
            table,
            "| {name} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {loss} |",
            mean(ours, floor, nanos),
            mean(theirs, floor, nanos),
            mean(ours, theirs, nanos),
            mean(ours, floor, |it| it.rate),
            mean(theirs, floor, |it| it.rate),
        );
    }

    fn costs(&self) -> String {
        let mut table = String::from(
            "| | µs an allocation | µs a channel | KB an allocation |\n| --- | ---: | ---: | ---: |\n",
        );
        for contestant in [Contestant::Trunkline, Contestant::Coturn] {
            let of = |value: fn(&AllocationCost) -> f64| {
                let costs = self.allocations.iter();
                median(
                    costs
                        .filter(|(whose, _)| *whose == contestant)
                        .map(|(_, cost)| value(cost)),
                )
            };
            let _ = writeln!(
                table,
                "| {} | {:.0} | {:.0} | {:.1} |",
                contestant.name(),
                of(|it| it.micros),
                of(|it| it.bind_micros),
                of(|it| it.bytes / 1000.0),
            );
        }
        table
    }

    /// The median of one's value, divided by the other's in the same round.
    fn ratio(
        &self,
        one: Contestant,
        other: Contestant,
        cell: Cell,
        value: fn(&Measured) -> f64,
    ) -> f64 {
        let pairs = self.of(one, cell).zip(self.of(other, cell));
        median(pairs.map(|(one, other)| value(one) / value(other)))
    }

    fn of(&self, contestant: Contestant, cell: Cell) -> impl Iterator<Item = &Measured> {
        self.relayed
            .iter()
            .filter(move |(whose, which, _)| *whose == contestant && *which == cell)
            .map(|(_, _, measured)| measured)
    }
}

fn nanos(measured: &Measured) -> f64 {
    measured.nanos
}
