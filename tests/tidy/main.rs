//! What is true of the tree itself: who depends on whom, how long files are, what lies where.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Who may depend on whom, complete. `crates/README.md` shows the same table.
const ARROWS: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("switchboard", &["protocol"]),
    ("backplane", &[]),
    ("client", &["protocol"]),
    ("daemon", &[]),
    ("turn-credentials", &[]),
    ("relay", &["turn-credentials"]),
    (
        "signal",
        &[
            "protocol",
            "switchboard",
            "backplane",
            "turn-credentials",
            "daemon",
        ],
    ),
    (
        "turn-server",
        &["relay", "turn-credentials", "backplane", "daemon"],
    ),
    ("trunkline", &["daemon", "signal", "turn-server"]),
    (
        "trunkline-tests",
        &[
            "protocol",
            "switchboard",
            "backplane",
            "client",
            "daemon",
            "signal",
        ],
    ),
];

/// Crates that do no I/O, and read no clock, no environment and no random number.
const PURE: &[&str] = &["protocol", "switchboard", "relay", "turn-credentials"];

/// Libraries that only these packages may name.
const RESERVED: &[(&str, &[&str])] = &[
    ("redis", &["backplane"]),
    ("opentelemetry", &["daemon"]),
    ("opentelemetry_sdk", &["daemon"]),
    ("tracing-opentelemetry", &["daemon"]),
    ("stun", &["relay", "doctor", "load", "trunkline-tests"]),
    ("turn", &["relay", "doctor", "load", "trunkline-tests"]),
    (
        "webrtc-util",
        &["relay", "doctor", "load", "trunkline-tests"],
    ),
];

/// Points of the relay's checklist, `tests/README.md`.
const CHECKLIST: u8 = 16;

/// Longest file of code, in lines.
const MAX_LINES: usize = 400;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Every package of the workspace and what it names as a dependency that is not for its tests alone.
fn packages() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = run(
        "cargo",
        &[
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ],
    );
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap();
            let names = dependencies
                .iter()
                .filter(|dependency| dependency["kind"].is_null())
                .map(|dependency| text(&dependency["name"]))
                .collect();
            (text(&package["name"]), names)
        })
        .collect()
}

/// Files in git, or about to be.
fn files() -> Vec<String> {
    let listing = run(
        "git",
        &["ls-files", "--cached", "--others", "--exclude-standard"],
    );
    let exists = |path: &&str| root().join(path).is_file();
    listing.lines().filter(exists).map(str::to_owned).collect()
}

#[test]
fn arrows_are_those_of_the_architecture() {
    let packages = packages();
    let ours: BTreeSet<&String> = packages.keys().collect();
    let allowed: BTreeMap<&str, BTreeSet<&str>> = ARROWS
        .iter()
        .map(|(from, to)| (*from, to.iter().copied().collect()))
        .collect();
    for (package, dependencies) in &packages {
        let allowed = allowed
            .get(package.as_str())
            .unwrap_or_else(|| panic!("{package} is not in ARROWS"));
        for dependency in dependencies.iter().filter(|name| ours.contains(name)) {
            assert!(
                allowed.contains(dependency.as_str()),
                "{package} must not depend on {dependency}"
            );
        }
    }
}

#[test]
fn the_architecture_page_shows_the_arrows() {
    let page = fs::read_to_string(root().join("crates/README.md")).unwrap();
    for (from, to) in ARROWS {
        let to = match to.is_empty() {
            true => "nothing".to_owned(),
            false => to.join(", "),
        };
        let row = format!("| `{from}` | {to} |");
        assert!(page.contains(&row), "crates/README.md lacks the row\n{row}");
    }
}

#[test]
fn libraries_stay_where_they_belong() {
    for (package, dependencies) in packages() {
        for (library, owners) in RESERVED {
            assert!(
                !dependencies.contains(*library) || owners.contains(&package.as_str()),
                "{package} must not depend on {library}"
            );
        }
    }
}

#[test]
fn pure_crates_have_no_runtime_and_are_banned_from_clocks_and_sockets() {
    for package in PURE {
        let tree = run(
            "cargo",
            &[
                "tree",
                "--offline",
                "-p",
                package,
                "-e",
                "normal",
                "--prefix",
                "none",
            ],
        );
        for impure in ["tokio ", "mio ", "getrandom ", "socket2 "] {
            let found = tree.lines().any(|line| line.starts_with(impure));
            // The `stun` and `turn` crates bring a runtime along; only `relay`'s codec names them, for its types.
            assert!(
                !found || *package == "relay",
                "{package} depends on {impure}"
            );
        }
        let bans = fs::read_to_string(root().join(format!("crates/{package}/.clippy.toml")));
        let bans = bans.unwrap();
        for ban in [
            "Instant::now",
            "SystemTime::now",
            "env::var",
            "TcpStream",
            "RandomState",
        ] {
            assert!(
                bans.contains(ban),
                "crates/{package}/.clippy.toml allows {ban}"
            );
        }
    }
}

#[test]
fn a_client_s_core_names_no_runtime_clock_or_random_number() {
    let shell = ["crates/client/src/client.rs", "crates/client/src/client/"];
    let core = files().into_iter().filter(|file| {
        file.starts_with("crates/client/src/")
            && !shell.iter().any(|path| file.starts_with(path))
            && !file.contains("tests")
    });
    let mut count = 0;
    for file in core {
        let text = fs::read_to_string(root().join(&file)).unwrap();
        for impure in [
            "tokio",
            "Instant::now",
            "SystemTime",
            "getrandom::fill",
            "std::env",
        ] {
            assert!(!text.contains(impure), "{file} names {impure}");
        }
        count += 1;
    }
    assert!(count > 10, "{count} files");
}

#[test]
fn no_file_of_code_is_too_long() {
    let mut long = Vec::new();
    for file in files() {
        let code = [".rs", ".js", ".mjs", ".css", ".html", ".sh"];
        if !code.iter().any(|ending| file.ends_with(ending)) && file != "tests/run" {
            continue;
        }
        let lines = fs::read_to_string(root().join(&file))
            .unwrap()
            .lines()
            .count();
        if lines > MAX_LINES {
            long.push(format!("{file}: {lines} lines"));
        }
    }
    assert!(long.is_empty(), "more than {MAX_LINES} lines: {long:#?}");
}

#[test]
fn rooms_have_names_that_say_what_is_in_them() {
    for file in files() {
        let stem = Path::new(&file).file_stem().unwrap().to_str().unwrap();
        for vague in ["common", "utils", "util", "types", "helpers", "misc", "mod"] {
            assert!(
                !file.ends_with(".rs") || stem != vague,
                "{file}: name it after its subject"
            );
        }
    }
}

#[test]
fn nothing_else_lies_at_the_top() {
    let allowed = [
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "crates",
        "deploy",
        "docker-compose.yml",
        "services",
        "tests",
    ];
    for file in files() {
        let top = file.split('/').next().unwrap();
        assert!(
            top.starts_with('.') || allowed.contains(&top),
            "{top} does not belong at the top level"
        );
    }
}

#[test]
fn every_package_has_the_workspace_s_lints() {
    for file in files().iter().filter(|file| file.ends_with("/Cargo.toml")) {
        // Built with other flags, and so no member of the workspace: there is nothing for it to inherit.
        if file == "tests/fuzz/Cargo.toml" {
            continue;
        }
        let manifest = fs::read_to_string(root().join(file)).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{file}");
        assert!(manifest.contains("rust-version.workspace = true"), "{file}");
    }
}

#[test]
fn every_point_of_the_relay_s_checklist_has_a_test_and_a_row_on_the_page() {
    let page = fs::read_to_string(root().join("tests/README.md")).unwrap();
    let mut of_point: BTreeMap<u8, BTreeSet<String>> = BTreeMap::new();
    for file in files().iter().filter(|file| file.ends_with(".rs")) {
        let text = fs::read_to_string(root().join(file)).unwrap();
        for name in text.split("fn checklist_").skip(1) {
            let (number, sentence) = name.split_once('_').unwrap_or_default();
            if let Ok(number) = number.parse() {
                let is_sentence = sentence.starts_with(|first: char| first.is_ascii_lowercase());
                assert!(is_sentence, "{file}: checklist_{number:02}_ and a sentence");
                of_point.entry(number).or_default().insert(file.clone());
            }
        }
    }
    assert!(of_point.keys().copied().eq(1..=CHECKLIST), "{of_point:#?}");
    for (number, files) in of_point {
        let start = format!("| {number:02} | ");
        let row = page.lines().find(|line| line.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("tests/README.md has no row {start}"));
        let missing: Vec<_> = files
            .iter()
            .filter(|file| !row.contains(&format!("`{file}`")))
            .collect();
        assert!(missing.is_empty(), "row {number:02} lacks {missing:?}");
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    for file in files().iter().filter(|file| file.ends_with(".md")) {
        let path = root().join(file);
        let text = fs::read_to_string(&path).unwrap();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let target = link.split('#').next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let target = path.parent().unwrap().join(target);
            assert!(target.exists(), "{file} links to {link}");
        }
    }
}
