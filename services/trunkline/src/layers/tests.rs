mod printed;
mod secrets;

use std::{
    fs,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::*;

/// A file for one test.
struct Written(PathBuf);

impl Written {
    fn new(text: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("trunkline-layers-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn task(words: &[&str]) -> Result<Task, Wrong> {
    let words = ["trunkline"].iter().chain(words).map(OsString::from);
    read(words, [])
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

fn run(line: &str) -> (Run, LogArgs) {
    match task(&words(line)) {
        Ok(Task::Run(run, logs)) => (*run, logs),
        Ok(Task::Print(text)) => panic!("{line} prints {text}"),
        Err(wrong) => panic!("{line}: {}", said(&wrong)),
    }
}

fn printed(line: &str) -> String {
    match task(&words(line)) {
        Ok(Task::Print(text)) => text,
        Ok(Task::Run(..)) => panic!("{line} runs"),
        Err(wrong) => panic!("{line}: {}", said(&wrong)),
    }
}

fn wrong(line: &str) -> String {
    said(&task(&words(line)).err().unwrap())
}

fn said(wrong: &Wrong) -> String {
    match wrong {
        Wrong::CommandLine(error) => error.to_string(),
        Wrong::Settings(complaints) => complaints.join("\n"),
    }
}

fn listens(line: &str) -> Vec<String> {
    let signal = match run(line).0 {
        Run::Dev(dev) => dev.signal,
        Run::Signal(args) => args.signal,
        Run::Turn(_) => panic!("no signalling node: {line}"),
    };
    signal.listen.iter().map(ToString::to_string).collect()
}

#[test]
fn without_a_command_dev_runs_for_this_machine_alone() {
    for line in ["", "dev", "--ping-interval 5s"] {
        assert!(matches!(run(line).0, Run::Dev(_)));
        let listens = listens(line);
        assert_eq!(listens[0], "127.0.0.1:8080");
        assert!(!listens.iter().any(|address| address.starts_with("0.")));
    }
}

#[test]
fn a_node_and_an_open_dev_listen_on_every_address() {
    for line in ["signal", "dev --open", "--open", "--open=true"] {
        assert_eq!(listens(line)[0], "0.0.0.0:8080");
    }
    assert_eq!(listens("--open=false")[0], "127.0.0.1:8080");
}

#[test]
fn what_is_named_is_taken_as_it_is() {
    assert_eq!(listens("--listen [::1]:9"), ["[::1]:9"]);
    assert_eq!(listens("--open --listen 127.0.0.1:9"), ["127.0.0.1:9"]);
    let file = Written::new("open = true\nlisten = ['[::1]:9', '[::]:9']");
    let line = format!("--config {}", file.path());
    assert_eq!(listens(&line), ["[::1]:9", "[::]:9"]);
}

#[test]
fn a_file_can_open_dev_and_a_flag_can_close_it_again() {
    let file = Written::new("[dev]\nopen = true");
    let line = format!("--config {}", file.path());
    assert_eq!(listens(&line)[0], "0.0.0.0:8080");
    assert_eq!(
        listens(&format!("--open=false {line}"))[0],
        "127.0.0.1:8080"
    );
}

#[test]
fn a_command_may_follow_options_of_the_whole_program() {
    for line in ["--log debug signal", "signal --log debug"] {
        let (command, logs) = run(line);
        assert!(matches!(command, Run::Signal(_)));
        assert_eq!(logs.log, "debug");
    }
}

#[test]
fn an_unknown_command_or_option_is_an_error() {
    for (line, word) in [
        ("sgnal", "sgnal"),
        ("dev --lisen x", "--lisen"),
        ("-x", "-x"),
        ("config sgnal", "sgnal"),
        ("config --lisen x", "--lisen"),
        ("config --example --reference", "--reference"),
    ] {
        let text = wrong(line);
        assert!(text.contains(&format!("'{word}")), "{line}: {text}");
    }
}

#[test]
fn in_dev_one_user_is_a_machine_with_all_its_tabs() {
    let Run::Dev(dev) = run("").0 else {
        panic!("dev");
    };
    assert_eq!(dev.turn.turn_user_quota, 256);
    let Run::Turn(args) = run("turn").0 else {
        panic!("turn");
    };
    assert_eq!(args.turn.turn_user_quota, 12);
}

#[test]
fn the_command_line_is_consistent() {
    cli::definition().debug_assert();
}

#[test]
fn a_flag_comes_before_the_file_and_the_file_before_the_default() {
    let file = Written::new("turn-relay-ip = ['192.0.2.1', '2001:db8::1']\nturn-threads = 3");
    let line = format!("turn --config {} --turn-threads 4", file.path());
    let Run::Turn(args) = run(&line).0 else {
        panic!("turn");
    };
    assert_eq!(args.turn.turn_threads, 4);
    assert_eq!(args.turn.turn_relay_ip.len(), 2);
    assert_eq!(args.turn.turn_realm, "trunkline");
    let Run::Turn(args) = run(&format!("{line} --turn-relay-ip 192.0.2.9")).0 else {
        panic!("turn");
    };
    assert_eq!(
        args.turn.turn_relay_ip,
        ["192.0.2.9".parse::<std::net::IpAddr>().unwrap()]
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    for path in ["/nowhere/trunkline.toml", "/"] {
        let text = wrong(&format!("signal --config {path}"));
        assert!(text.starts_with(&format!("--config {path}: ")), "{text}");
    }
    let binary = Written::new("");
    fs::write(&binary.0, [0xff, 0xfe]).unwrap();
    assert!(wrong(&format!("--config {}", binary.path())).contains("UTF-8"));
}
