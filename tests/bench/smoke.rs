//! The benchmark itself still works: one short round, in which nothing is lost.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::process::Command;

#[test]
fn every_contestant_that_is_installed_bears_a_short_round() {
    let bench = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["--rounds", "1", "--seconds", "0.3", "--pairs", "5"])
        .args(["--rate", "200", "--calls", "20", "--idle", "40"])
        .output()
        .unwrap();
    let (table, progress) = (
        String::from_utf8(bench.stdout).unwrap(),
        String::from_utf8(bench.stderr).unwrap(),
    );
    assert!(bench.status.success(), "{progress}");
    let row = |name: &str| {
        let row = table.lines().find(|line| line.starts_with(name));
        row.unwrap_or_else(|| panic!("{name} is missing: {table}{progress}"))
    };
    for name in ["| floor |", "| node |", "| two nodes + Redis |"] {
        let row = row(name);
        assert!(row.ends_with("| 0 |"), "something was lost: {row}");
        assert!(!row.contains("NaN"), "something was not measured: {row}");
    }
    let of_redis: Vec<&str> = row("| of which Redis |").split('|').collect();
    let micros: f64 = of_redis[2].trim().parse().unwrap();
    assert!(micros > 0.0, "{of_redis:?}");
}
