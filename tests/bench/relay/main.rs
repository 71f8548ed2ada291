//! What relaying costs a server: ours, coturn, and the least that can be done for a datagram, side by side.
//!
//! In each round every contestant is started anew, and each cell (a load) is borne by all of them one after the other,
//! so that what else the machine does falls on all of them. tests/README.md has the method and the table.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a terminal"
)]

mod cell;
mod contestant;
mod floor;
mod load;
#[path = "../median.rs"]
mod median;
#[path = "../participants.rs"]
mod participants;
mod report;
mod sending;
#[path = "../server.rs"]
mod server;
mod sink;
#[path = "../usage.rs"]
mod usage;

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

use cell::Cell;
use contestant::{Contestant, Running};
use participants::participants;
use report::Report;

/// What relaying costs a server.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves as the floor: forwards every datagram, less its first four bytes
    Floor {
        /// Where to
        sink: SocketAddr,
    },
}

#[derive(Clone, Debug, clap::Args)]
struct Options {
    /// How often every cell is measured; the first round warms up, and medians of the others are printed
    #[arg(long, default_value_t = 6)]
    rounds: usize,

    /// Seconds of each measurement, after half of that to warm up
    #[arg(long, default_value_t = 0.5)]
    seconds: f64,

    /// Only cells whose name has all of these words in it, such as "smooth 200"
    #[arg(long, default_value = "")]
    cells: String,

    /// Allocations that are made to measure what one costs; 0 for none
    #[arg(long, default_value_t = 1500)]
    allocations: usize,

    /// Only contestants whose name contains one of these
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

impl Options {
    fn measured(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Floor { sink }) => {
            match floor::serve(sink, |address| println!("listening on {address}")) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("{error}");
                    ExitCode::FAILURE
                }
            }
        }
        None => {
            run(&cli.options);
            ExitCode::SUCCESS
        }
    }
}

fn run(options: &Options) {
    let mut contestants = participants(
        Contestant::ALL,
        &options.only,
        Contestant::name,
        Contestant::absent,
    );
    if contestants.is_empty() {
        eprintln!("nobody takes part");
        return;
    }
    let cells: Vec<Cell> = Cell::all()
        .filter(|cell| cell.is_named(&options.cells))
        .collect();
    let mut report = Report::default();
    for round in 0..options.rounds {
        let is_kept = round > 0 || options.rounds == 1;
        for &contestant in contestants.iter().filter(|_| options.allocations > 0) {
            let cost = load::allocations(&contestant.start(0), options.allocations);
            eprintln!("{round} {} {cost:?}", contestant.name());
            if is_kept {
                report.add_allocations(contestant, cost);
            }
        }
        let mut running: Vec<Running> = contestants.iter().map(|it| it.start(200)).collect();
        for (number, cell) in cells.iter().enumerate() {
            // Who comes first gains or loses by it: each in its turn.
            running.rotate_left(1);
            eprint!("{round} {number}/{} {}", cells.len(), cell.name());
            for server in &running {
                let measured = load::relay(server, *cell, options.measured());
                eprint!(", {} {}", server.server.name, measured.line());
                if is_kept {
                    report.add(server.contestant, *cell, measured);
                }
            }
            eprintln!();
        }
        // Else each would have the same turn in the same cell of every round.
        contestants.rotate_left(1);
    }
    println!("{}", report.tables(&cells));
}
