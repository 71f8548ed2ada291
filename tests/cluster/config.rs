//! The file of `--config`, the environment, and what `trunkline config` says of them.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use trunkline_tests::{PATIENCE, binary};

/// A file that goes with the test.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("trunkline-config-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// What a process said that has ended.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs it to its end, with no variables but these. What it says fits into a pipe.
fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Said {
    let mut child = Command::new(binary())
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let end = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() && Instant::now() < end {
        thread::sleep(Duration::from_millis(2));
    }
    // One that serves, where it should have complained, would go on.
    let _ = child.kill();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said {
        code: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// The line of an option in what `trunkline config signal` prints.
fn line(key: &str, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let said = run(&[&["config", "signal"], arguments].concat(), variables);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let start = format!("{key} = ");
    let line = said.out.lines().find(|line| line.starts_with(&start));
    line.unwrap().to_owned()
}

#[test]
fn flags_come_before_variables_before_the_file_before_defaults() {
    let file = File::new(
        "layers",
        "suspend-window = '3s'\nturn-url = ['turn:a', 'turn:b']",
    );
    let path = file.path();
    let named = ["--config", path];
    let flag = ["--config", path, "--suspend-window", "1s"];
    let variable = [("TRUNKLINE_SUSPEND_WINDOW", "2s")];
    let by_variable = [("TRUNKLINE_CONFIG", path)];
    for (arguments, variables, expected) in [
        (&[][..], &[][..], "\"8s\" # default".to_owned()),
        (&named, &[], format!("\"3s\" # {path}:1")),
        (&[], &by_variable, format!("\"3s\" # {path}:1")),
        (
            &named,
            &variable,
            "\"2s\" # TRUNKLINE_SUSPEND_WINDOW".to_owned(),
        ),
        (&flag, &variable, "\"1s\" # --suspend-window".to_owned()),
    ] {
        let line = line("suspend-window", arguments, variables);
        assert_eq!(line, format!("suspend-window = {expected}"));
    }
    // A list takes the place of another whole.
    let variable = [("TRUNKLINE_TURN_URL", "turn:c")];
    let line = line("turn-url", &named, &variable);
    assert_eq!(line, "turn-url = [\"turn:c\"] # TRUNKLINE_TURN_URL");
}

#[test]
fn a_wrong_file_is_named_with_line_and_key_and_exits_with_64_whichever_command_reads_it() {
    let text = "region = \"eu\"\n\n[signal]\nsuspend-window = \"11m\"\nlisen = [\"[::]:1\"]\nredis = true\n";
    let file = File::new("wrong", text);
    let path = file.path();
    let expected = format!(
        "trunkline: {path}:4: suspend-window: must be from 0s to 10m\n\
         trunkline: {path}:5: lisen: unknown key; did you mean listen?\n\
         trunkline: {path}:6: redis: must be a string, in quotes\n"
    );
    for command in [
        &["dev"][..],
        &["signal"],
        &["turn"],
        &[],
        &["config", "signal"],
    ] {
        let said = run(&[command, &["--config", path]].concat(), &[]);
        assert_eq!(said.code, Some(64), "{command:?}");
        assert_eq!(
            (said.out.as_str(), &said.err),
            ("", &expected),
            "{command:?}"
        );
    }
}

#[test]
fn a_file_that_is_missing_or_cannot_be_read_is_named_and_exits_with_64() {
    let secret = File::new("unreadable", "region = 'eu'");
    fs::set_permissions(&secret.0, fs::Permissions::from_mode(0o0)).unwrap();
    // Root reads everything.
    let is_root = fs::read(&secret.0).is_ok();
    for path in [
        "/nowhere/trunkline.toml",
        "/",
        "/proc/self/mem",
        secret.path(),
    ] {
        if is_root && path == secret.path() {
            continue;
        }
        let said = run(&["signal", "--config", path], &[]);
        assert_eq!(said.code, Some(64));
        let start = format!("trunkline: --config {path}: ");
        assert!(said.err.starts_with(&start), "{}", said.err);
    }
    let broken = File::new("broken", "region = 'eu'\nturn-secret = hunter2 x");
    let said = run(&["signal", "--config", broken.path()], &[]);
    assert_eq!(said.code, Some(64));
    let start = format!("trunkline: {}:2: ", broken.path());
    assert!(said.err.starts_with(&start), "{}", said.err);
    assert!(!said.err.contains("hunter2"), "{}", said.err);
}

#[test]
fn a_variable_that_stands_for_nothing_is_named_and_those_of_an_orchestrator_are_not() {
    let injected = [
        ("TRUNKLINE_SIGNAL_SERVICE_HOST", "10.0.0.1"),
        ("TRUNKLINE_SIGNAL_SERVICE_PORT", "8080"),
        ("TRUNKLINE_PORT", "tcp://10.0.0.1:8080"),
        ("TRUNKLINE_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("TRUNKLINE_PORT_8080_TCP_PROTO", "tcp"),
        // Of another command.
        ("TRUNKLINE_DRAIN_WINDOW", "5s"),
    ];
    assert_eq!(run(&["config", "signal"], &injected).code, Some(0));
    let wrong = [("TRUNKLINE_SUSPEND_WINDOWS", "5s"), ("TRUNKLINE_PORT", "x")];
    for command in [&["signal"][..], &["turn"], &[], &["config"]] {
        let said = run(command, &wrong);
        assert_eq!(said.code, Some(64), "{command:?}");
        assert_eq!(
            said.err,
            "trunkline: TRUNKLINE_SUSPEND_WINDOWS: unknown variable; did you mean TRUNKLINE_SUSPEND_WINDOW?\n"
        );
    }
    assert_eq!(run(&["--help"], &wrong).code, Some(0));
}

#[test]
fn a_wrong_variable_names_its_option_and_exits_with_64() {
    let said = run(&["signal"], &[("TRUNKLINE_SUSPEND_WINDOW", "8")]);
    assert_eq!(said.code, Some(64));
    assert!(said.err.contains("--suspend-window"), "{}", said.err);
}

#[test]
fn no_secret_is_printed_wherever_it_comes_from_and_whether_or_not_it_is_right() {
    let file = File::new(
        "secrets",
        "turn-secret = ['hunter2']\nturn-user = ['bob:hunter2']\nredis = 'redis://u:hunter2@127.0.0.1:1'\n\
         ice-server = ['turn:u:hunter2@a.example']",
    );
    let of_file = ["--config", file.path()];
    let variables = [
        ("TRUNKLINE_TURN_SECRET", "hunter2"),
        ("TRUNKLINE_TURN_USER", "bob:hunter2"),
        ("TRUNKLINE_REDIS", "redis://u:hunter2@127.0.0.1:1"),
        ("TRUNKLINE_ICE_SERVER", "turn:u:hunter2@a.example"),
    ];
    for command in ["dev", "signal", "turn"] {
        let config = ["config", command];
        for said in [
            run(&[&config[..], &of_file].concat(), &[]),
            run(&config, &variables),
            run(&["config", "--example", command], &variables),
            run(&[command, "--help"], &variables),
        ] {
            assert_eq!(said.code, Some(0), "{}", said.err);
            assert!(said.out.contains("redis"), "{}", said.out);
            let all = said.out + &said.err;
            assert!(!all.contains("hunter2"), "{all}");
        }
    }
    for (variable, value) in [
        ("TRUNKLINE_TURN_USER", "hunter2"),
        ("TRUNKLINE_REDIS", "http://hunter2"),
        ("TRUNKLINE_ICE_SERVER", "turn:hunter2@a"),
    ] {
        let said = run(&["dev"], &[(variable, value)]);
        assert_eq!(said.code, Some(64), "{variable}");
        assert!(!said.err.contains("hunter2"), "{}", said.err);
    }
}

#[test]
fn what_it_prints_is_a_file_from_which_the_same_comes_and_so_is_the_example() {
    let variables = [
        ("TRUNKLINE_REGION", "eu"),
        ("TRUNKLINE_TURN_ICMP", "true"),
        ("TRUNKLINE_TURN_RELAY_IP", "192.0.2.1,2001:db8::1"),
    ];
    let first = run(&["config", "turn"], &variables);
    let file = File::new("printed", &first.out);
    let again = run(&["config", "turn", "--config", file.path()], &[]);
    assert_eq!(again.code, Some(0), "{}", again.err);
    let values = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .filter_map(|line| Some(line.split_once(" # ")?.0.to_owned()))
            .collect()
    };
    assert!(
        first
            .out
            .contains("turn-relay-ip = [\"192.0.2.1\", \"2001:db8::1\"]")
    );
    assert_eq!(values(&first.out), values(&again.out));
    let example = File::new("example", &run(&["config", "--example"], &[]).out);
    for command in ["dev", "signal", "turn"] {
        let said = run(&["config", command, "--config", example.path()], &[]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert_eq!(said.out, run(&["config", command], &[]).out);
    }
}
