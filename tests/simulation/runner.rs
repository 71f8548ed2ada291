//! Which seeds are run.

use std::{
    env,
    fs::{self, OpenOptions},
    io::Write,
    path::PathBuf,
};

use crate::world::{Outcome, Plan, run};

/// Seeds that are run when nothing else is said.
const SEEDS: u64 = 5_000;

/// The same, with native peers.
const NATIVE_SEEDS: u64 = 800;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Where failing seeds are kept.
fn failures() -> PathBuf {
    let target = env::current_exe().unwrap();
    let target = target.ancestors().find(|path| path.ends_with("target"));
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let target = target.map_or_else(|| here.join("../target"), PathBuf::from);
    target.join("simulation-failures.txt")
}

fn keep(seed: u64, violation: &str) {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(failures());
    writeln!(file.unwrap(), "{seed} # {violation}").unwrap();
}

fn explain(seed: u64) -> Outcome {
    let plan = Plan {
        traced: true,
        directory: number("SIMULATION_DIRECTORY").is_some(),
        natives: number("SIMULATION_NATIVES").is_some(),
        ..Plan::default()
    };
    run(seed, plan)
}

/// Runs seeds; says which fail, and how to see them again.
fn try_all(seeds: impl Iterator<Item = u64>, plan: Plan) {
    let mut failed = Vec::new();
    let mut count = 0;
    let mut happenings = 0;
    for seed in seeds {
        let outcome = run(seed, plan);
        count += 1;
        happenings += outcome.happenings;
        if let Some(violation) = outcome.violation {
            println!("seed {seed} fails: {violation}");
            let beside = match (plan.directory, plan.natives) {
                (true, _) => "SIMULATION_DIRECTORY=1 ",
                (false, true) => "SIMULATION_NATIVES=1 ",
                (false, false) => "",
            };
            println!(
                "  {beside}SIMULATION_SEED={seed} cargo test --release -p trunkline-tests --test simulation one_seed"
            );
            keep(seed, &violation);
            failed.push(seed);
            if failed.len() >= 20 {
                break;
            }
        }
    }
    println!("{count} seeds, {happenings} happenings");
    assert!(failed.is_empty(), "seeds fail: {failed:?}");
}

#[test]
fn nothing_that_goes_wrong_makes_a_node_tell_anything_false() {
    let first = number("SIMULATION_FIRST").unwrap_or(1);
    let count = number("SIMULATION_SEEDS").unwrap_or(SEEDS);
    try_all(first..first + count, Plan::default());
}

#[test]
fn whoever_is_in_a_directory_is_found_and_whoever_is_not_is_nowhere() {
    let first = number("SIMULATION_FIRST").unwrap_or(1);
    let count = number("SIMULATION_SEEDS").unwrap_or(SEEDS / 5);
    let plan = Plan {
        directory: true,
        ..Plan::default()
    };
    try_all(first..first + count, plan);
}

#[test]
fn what_native_peers_say_and_ask_comes_to_something_and_their_ids_are_theirs() {
    let first = number("SIMULATION_FIRST").unwrap_or(1);
    let count = number("SIMULATION_SEEDS").unwrap_or(NATIVE_SEEDS);
    let plan = Plan {
        natives: true,
        ..Plan::default()
    };
    try_all(first..first + count, plan);
}

#[test]
fn seeds_that_have_failed_once_do_not_fail_again() {
    let text =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/simulation/seeds.txt")).unwrap();
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap().trim());
    try_all(
        lines
            .filter(|line| !line.is_empty())
            .map(|line| line.parse().unwrap()),
        Plan::default(),
    );
}

#[test]
fn one_seed_that_is_asked_for_holds() {
    let Some(seed) = number("SIMULATION_SEED") else {
        return;
    };
    let outcome = explain(seed);
    if let Some(violation) = outcome.violation {
        for line in outcome.trace {
            println!("{line}");
        }
        panic!("seed {seed}: {violation}");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 1..40 {
        let once = run(seed, Plan::default());
        let again = explain(seed);
        assert_eq!(
            (once.hash, once.happenings),
            (again.hash, again.happenings),
            "seed {seed}"
        );
    }
    assert_ne!(run(1, Plan::default()).hash, run(2, Plan::default()).hash);
}
