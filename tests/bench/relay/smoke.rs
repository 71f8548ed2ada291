//! The relay's benchmark itself still works: one short round, in which what was sent arrives.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::process::Command;

#[test]
fn every_contestant_that_is_installed_bears_a_short_round_of_each_kind_of_load() {
    let bench = Command::new(env!("CARGO_BIN_EXE_relay-bench"))
        .args(["--rounds", "1", "--seconds", "0.1", "--allocations", "40"])
        .args(["--cells", "30k 160B 20"])
        .output()
        .unwrap();
    let (tables, progress) = (
        String::from_utf8(bench.stdout).unwrap(),
        String::from_utf8(bench.stderr).unwrap(),
    );
    assert!(bench.status.success(), "{progress}");
    for sender in ["smooth", "bursts", "coalesced"] {
        for way in ["to-peers", "to-clients"] {
            let name = format!("| {sender} 30k {way} 160B 20 |");
            let row = tables.lines().find(|line| line.starts_with(&name));
            let row = row.unwrap_or_else(|| panic!("{name} is missing: {tables}{progress}"));
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            // Nanoseconds for a datagram, of the floor and of ours.
            for nanos in [cells[2], cells[5]] {
                let nanos: f64 = nanos.parse().unwrap();
                assert!(nanos > 0.0 && nanos.is_finite(), "{row}");
            }
        }
    }
    let costs = tables
        .lines()
        .rfind(|line| line.starts_with("| trunkline |"));
    assert!(costs.is_some_and(|row| !row.contains("NaN")), "{tables}");
}
