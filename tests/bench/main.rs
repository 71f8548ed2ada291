//! What signalling costs a server: one node, two nodes and Redis, rtc-switchboard 3.2.0, and a floor to compare with.
//!
//! In each round every contestant is started anew and bears the same load, so that what else the machine does falls on
//! all of them. tests/README.md has the method and the table.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a terminal"
)]

mod contestant;
mod cpu;
mod floor;
mod load;
mod median;
mod participants;
mod report;
mod server;
mod usage;

use std::{process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

use contestant::{Contestant, Running};
use load::Span;
use participants::participants;
use report::{Report, Round};

/// What signalling costs a server.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves as the floor: what the others are compared with
    Floor,
}

#[derive(Clone, Debug, clap::Args)]
struct Options {
    /// How often every contestant is measured; medians are printed
    #[arg(long, default_value_t = 5)]
    rounds: usize,

    /// Seconds of each measurement, after a fifth of that to warm up
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,

    /// Rooms of two peers that talk
    #[arg(long, default_value_t = 200)]
    pairs: usize,

    /// Messages a second
    #[arg(long, default_value_t = 2000)]
    rate: u32,

    /// Messages of each pair under way when the server is saturated: more than one let it read and write several at once
    #[arg(long, default_value_t = 1)]
    window: usize,

    /// Threads that saturate the server
    #[arg(long, default_value_t = 1)]
    threads: usize,

    /// Calls a second that are set up
    #[arg(long, default_value_t = 40)]
    calls: u32,

    /// Idle connections, in rooms of two
    #[arg(long, default_value_t = 4000)]
    idle: usize,

    /// Only contestants whose name contains one of these
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

impl Options {
    fn span(&self) -> Span {
        Span {
            warm_up: Duration::from_secs_f64(self.seconds / 5.0),
            measured: Duration::from_secs_f64(self.seconds),
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Floor) => match floor::serve(|address| println!("listening on {address}")) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        },
        None => {
            run(&cli.options);
            ExitCode::SUCCESS
        }
    }
}

fn run(options: &Options) {
    let contestants = participants(
        Contestant::ALL,
        &options.only,
        Contestant::name,
        Contestant::absent,
    );
    let mut report = Report::default();
    for round in 1..=options.rounds {
        for &contestant in &contestants {
            eprint!(
                "round {round} of {}, {}:",
                options.rounds,
                contestant.name()
            );
            let measured = measure(contestant, options);
            eprintln!(" {}", measured.line());
            report.add(contestant, measured);
        }
    }
    println!("{}", report.table());
}

fn measure(contestant: Contestant, options: &Options) -> Round {
    let span = options.span();
    let start = || -> Running { contestant.start() };
    // Each in a process that has done nothing else.
    let server = start();
    let cpu = || server.cpu();
    let (addresses, pairs) = (server.addresses, options.pairs);
    let paced = load::paced(addresses, pairs, options.rate, span, cpu);
    let saturated = load::saturated(addresses, pairs, options.window, options.threads, span, cpu);
    drop(server);
    let server = start();
    // What a virtual machine has not compiled yet is not what a call costs.
    let longer = Span {
        warm_up: span.measured,
        ..span
    };
    let calls = load::calls(server.addresses, options.calls, longer, || server.cpu());
    drop(server);
    let server = start();
    let idle_bytes = load::idle(server.addresses, options.idle, || server.resident_bytes());
    Round::new(paced, saturated, calls, idle_bytes)
}
