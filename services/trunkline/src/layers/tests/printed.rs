//! What `trunkline config` prints, and that it is what a file may say.

use super::*;

const COMMANDS: [&str; 3] = ["dev", "signal", "turn"];

/// Without comments, by key.
fn settings(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once(" = "));
    let value = |value: &str| value.split(" # ").next().unwrap().to_owned();
    pairs
        .map(|(key, rest)| (key.to_owned(), value(rest)))
        .collect()
}

#[test]
fn what_config_prints_says_where_each_value_comes_from() {
    let file = Written::new("\n[signal]\nlease = '9s'");
    let path = file.path();
    let text = printed(&format!("config signal --config {path} --region eu"));
    for line in [
        format!("lease = \"9s\" # {path}:3"),
        "region = \"eu\" # --region".to_owned(),
        "suspend-window = \"8s\" # default".to_owned(),
        "redis = \"\" # default: none".to_owned(),
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is not in {text}");
    }
    assert!(text.contains("# How often a silent connection is pinged"));
    assert!(!text.contains("drain-window"), "{text}");
}

#[test]
fn config_without_a_command_is_about_dev() {
    for line in ["config", "config --open", "--log debug config"] {
        assert!(
            printed(line).starts_with("# What `trunkline dev`"),
            "{line}"
        );
    }
    let text = printed("config --open");
    assert!(settings(&text)["listen"].starts_with("[\"0.0.0.0:8080\""));
}

#[test]
fn what_config_prints_is_a_file_from_which_the_same_comes() {
    let more = [
        "--open --ice-server stun:a,stun:b --turn-public-name x",
        "--region eu --turn-url turn:a --turn-secret hunter2 --insecure-open-turn",
        "--turn-relay-ip 192.0.2.1,2001:db8::1 --turn-icmp --turn-threads 3 --redis redis://u:hunter2@a",
    ];
    for (command, more) in COMMANDS.into_iter().zip(more) {
        let first = printed(&format!("config {command} {more}"));
        let file = Written::new(&first);
        let again = printed(&format!("config {command} --config {}", file.path()));
        assert!(settings(&first).len() > 10, "{first}");
        let [first, mut again] = [first, again].map(|text| settings(&text));
        again.retain(|key, _| first.contains_key(key));
        assert_eq!(first, again, "{command}");
    }
}

/// Every option with its default, as the definition has it.
fn defaults(command: &str) -> BTreeMap<String, Vec<String>> {
    let definition = cli::definition();
    let settings = options::settings(&definition, command).into_iter();
    let strings = |values: Vec<&str>| values.into_iter().map(str::to_owned).collect();
    settings
        .map(|setting| (setting.key().to_owned(), strings(setting.default())))
        .collect()
}

/// Takes the # from before every option.
fn uncommented(example: &str) -> String {
    let lines = example.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn an_example_with_every_option_uncommented_is_a_file_of_all_defaults() {
    let definition = cli::definition();
    for command in COMMANDS {
        let of_one = printed(&format!("config --example {command}"));
        assert_eq!(of_one, printed(&format!("config {command} --example")));
        for example in [of_one, printed("config --example")] {
            let written = Written::new(&uncommented(&example));
            let file =
                File::read(&written.0, &definition).map_err(|complaints| complaints.join("\n"));
            let file = file.unwrap();
            for (key, default) in defaults(command) {
                let entry = file.find(command, &key);
                let entry = entry.unwrap_or_else(|| panic!("{key} of {command} is missing"));
                assert_eq!(entry.values, default, "{key} of {command}");
            }
            run(&format!("{command} --config {}", written.path()));
        }
    }
}

#[test]
fn the_reference_is_checked_in_as_it_is_made_and_has_every_option() {
    let page = printed("config --reference");
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../signal/web/docs/configuration.md"
    );
    let checked_in = fs::read_to_string(path).unwrap();
    assert!(
        page == checked_in,
        "options have changed: cargo run --release -- config --reference > services/signal/web/docs/configuration.md"
    );
    for command in COMMANDS {
        for (key, default) in defaults(command) {
            let (_, part) = page.split_once(&format!("\n### {key}\n")).unwrap();
            let part = part.split("\n#").next().unwrap();
            let variable = format!("`TRUNKLINE_{}`", key.to_uppercase().replace('-', "_"));
            assert!(part.contains(&format!("| `--{key}")), "{key}: {part}");
            assert!(part.contains(&variable), "{key}: {part}");
            assert!(part.contains(&format!("`{command}`")), "{key}: {part}");
            let missing = default.iter().find(|value| !part.contains(value.as_str()));
            assert_eq!(missing, None, "{key}: {part}");
        }
    }
}

#[test]
fn the_file_that_the_reference_shows_is_one() {
    let page = printed("config --reference");
    let file = page.split("```toml\n").nth(1).unwrap();
    let file = Written::new(file.split("```").next().unwrap());
    for command in COMMANDS {
        run(&format!("{command} --config {}", file.path()));
    }
}
