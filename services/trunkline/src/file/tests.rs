use super::*;
use crate::cli;

fn parse(text: &str) -> Result<File, Vec<String>> {
    File::parse("t.toml".to_owned(), text, &cli::definition())
}

fn complaints(text: &str) -> Vec<String> {
    parse(text).err().unwrap_or_default()
}

fn values<'f>(file: &'f File, command: &str, key: &str) -> Option<&'f [String]> {
    Some(&file.find(command, key)?.values)
}

#[test]
fn a_key_is_for_every_command_and_one_in_a_table_for_that_command_alone() {
    let file = parse("region = 'eu'\nlease = '9s'\n[signal]\nregion = 'us'\n").unwrap();
    assert_eq!(values(&file, "signal", "region").unwrap(), ["us"]);
    assert_eq!(values(&file, "turn", "region").unwrap(), ["eu"]);
    assert_eq!(values(&file, "dev", "lease").unwrap(), ["9s"]);
    assert!(file.find("dev", "listen").is_none());
    assert_eq!(file.find("signal", "region").unwrap().line, 4);
}

#[test]
fn values_are_written_as_toml_has_them() {
    let text = "turn_icmp = true\nturn-threads = 0x10\nturn-max-pps = \"7\"\nlisten = ['[::1]:1', '[::1]:2']\n\
                admin-listen = '[::1]:3'\nsuspend-window = '5s'";
    let file = parse(text).unwrap();
    for (key, expected) in [
        ("turn-icmp", &["true"][..]),
        ("turn-threads", &["16"]),
        ("turn-max-pps", &["7"]),
        ("listen", &["[::1]:1", "[::1]:2"]),
        ("admin-listen", &["[::1]:3"]),
        ("suspend-window", &["5s"]),
    ] {
        assert_eq!(values(&file, "dev", key).unwrap(), expected, "{key}");
    }
}

#[test]
fn nothing_is_written_as_an_empty_string_or_array_where_there_is_no_default() {
    let text = "redis = 'redis://a'\n[turn]\nredis = ''\nturn-relay-ip = []";
    let file = parse(text).unwrap();
    assert_eq!(values(&file, "turn", "redis").unwrap(), [""; 0]);
    assert_eq!(values(&file, "turn", "turn-relay-ip").unwrap(), [""; 0]);
    assert_eq!(values(&file, "signal", "redis").unwrap(), ["redis://a"]);
    for text in ["suspend-window = ''", "listen = []", "turn-secret = ['']"] {
        let key = text.split(' ').next().unwrap();
        let complaints = complaints(text);
        assert_eq!(complaints.len(), 1, "{text}");
        assert!(complaints[0].contains(key), "{complaints:?}");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_line_and_key_all_at_once() {
    let text = "suspend-windw = '9s'\nsuspend-window = '11m'\nturn_user_quota = 'x'\nlisten = ['[::]:1',\n'nowhere']\n\
                log = 'inof'\nlog-format = 'xml'\nsginal = 1\n[turn]\nping-interval = '5s'\nconfig = 'x'\ncolour = 1";
    assert_eq!(
        complaints(text),
        [
            "t.toml:1: suspend-windw: unknown key; did you mean suspend-window?",
            "t.toml:2: suspend-window: must be from 0s to 10m",
            "t.toml:3: turn_user_quota: must be a whole number, 0 or more",
            "t.toml:5: listen: write an IP address and a port, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080",
            "t.toml:6: log: `inof` is not a level; write error, warn, info, debug, trace or off, or MODULE=LEVEL",
            "t.toml:7: log-format: must be one of text, json",
            "t.toml:8: sginal: unknown key; did you mean signal?",
            "t.toml:10: ping-interval: is no option of [turn], but of [dev] and [signal]",
            "t.toml:11: config: a file names no other file",
            "t.toml:12: colour: unknown key; `trunkline config --example` shows those that there are",
        ]
    );
}

#[test]
fn a_value_of_another_type_is_wrong() {
    let string = "must be a string, in quotes";
    let array = "must be an array of strings";
    let truth = "must be true or false, without quotes";
    for (text, what) in [
        ("open = 'true'", truth),
        ("open = 1", truth),
        ("open = [true]", truth),
        ("region = true", string),
        ("ping-interval = 5.0", string),
        ("redis = {a = 1}", string),
        ("redis = ['redis://a']", string),
        ("log = 1979-05-27", string),
        ("turn-user-quota = 1.5", "must be a whole number"),
        ("turn-user-quota = -1", "must be a whole number, 0 or more"),
        ("turn-url = true", array),
        ("turn-url = [true]", array),
        ("turn-url = [['turn:a']]", array),
        ("[turn-url]", array),
        ("signal = 1", "is a table of options: write [signal]"),
        ("[[signal]]", "is a table of options: write [signal]"),
    ] {
        let complaints = complaints(text);
        assert_eq!(complaints.len(), 1, "{text}: {complaints:?}");
        assert!(complaints[0].starts_with("t.toml:1: "), "{complaints:?}");
        assert!(complaints[0].ends_with(what), "{complaints:?}");
    }
}

#[test]
fn a_key_in_both_spellings_stands_there_twice() {
    let complaints = complaints("turn-icmp = true\n\nturn_icmp = false");
    assert_eq!(
        complaints,
        ["t.toml:3: turn_icmp: stands in line 1 already"]
    );
}

#[test]
fn what_is_no_toml_is_named_with_its_line_and_without_its_text() {
    let complaints = complaints("region = 'eu'\nturn-secret = hunter2 x\n");
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].starts_with("t.toml:2: "), "{complaints:?}");
    assert!(!complaints[0].contains("hunter2"), "{complaints:?}");
}

#[test]
fn no_complaint_shows_a_secret() {
    for text in [
        "turn-user = 'hunter2'",
        "redis = 'http://u:hunter2@a'",
        "redis = 'redis://u:hunter2@a/x'",
        "ice-server = 'turn:hunter2@a'",
        "ice-server = 'turn:u:hunter2%ZZ@a'",
        "ice-server = 'stun:u:hunter2@a'",
        "ice-server = 'http:hunter2'",
    ] {
        let complaints = complaints(text);
        assert_eq!(complaints.len(), 1, "{text}");
        assert!(!complaints[0].contains("hunter2"), "{complaints:?}");
    }
}
