//! Whole clusters on virtual time: nodes as they are, a simulated store and network, clients, troubles, and an
//! oracle that knows what may be told to whom. Everything follows from a seed.
//!
//! - `SIMULATION_SEEDS=1000000 cargo test --release --test simulation` runs more seeds;
//! - `SIMULATION_SEED=42` runs one, and prints all that happened if it fails; `SIMULATION_DIRECTORY=1` with a directory
//!   beside the rooms, `SIMULATION_NATIVES=1` with native peers;
//! - `SIMULATION_FIRST=50001` begins there;
//! - `seeds.txt` has seeds that have failed once; they are always run.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests")]

mod clients;
mod directory;
mod faults;
mod natives;
mod network;
mod node;
mod oracle;
mod planted;
mod random;
mod runner;
mod world;
