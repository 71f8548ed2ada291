use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use protocol::{MAX_PEER_ID_BYTES, MAX_ROOM_ID_BYTES, native as dialect};
use switchboard::{MAX_REQUESTS, REQUEST_PATIENCE};

use super::*;
use crate::{CloseCode, frames, meaning, native, outbox};

fn served() -> BTreeMap<String, String> {
    pages().collect()
}

/// The files of a folder that have this ending, without it.
fn names(folder: &str, ending: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("web")
        .join(folder);
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let names = files.map(name);
    names
        .filter_map(|name| name.strip_suffix(ending).map(str::to_owned))
        .collect()
}

/// What stands between two texts, each time.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    let rest = text.split(before).skip(1);
    rest.filter_map(|rest| rest.split(after).next()).collect()
}

#[test]
fn every_file_of_the_documentation_is_a_page() {
    let close = names("docs/close", ".md").into_iter();
    let all = close.map(|name| format!("close/{name}"));
    let all: BTreeSet<_> = all.chain(names("docs", ".md")).collect();
    let sources: BTreeSet<_> = SOURCES
        .iter()
        .map(|source| source.name.to_owned())
        .collect();
    assert_eq!(all, sources);
    assert_eq!(served().len(), SOURCES.len());
}

#[test]
fn pages_have_paths_without_an_ending_and_a_folder_s_is_the_folder() {
    let served = served();
    for path in ["/docs", "/docs/tutorial", "/docs/close", "/docs/close/3502"] {
        assert!(served.contains_key(path), "{path}");
    }
    assert!(served["/docs/close/3502"].contains("<title>3502: "));
}

#[test]
fn links_between_pages_lead_to_a_page_and_to_a_heading_on_it() {
    let served = served();
    for (path, html) in &served {
        for link in between(html, "href=\"", "\"") {
            let (page, anchor) = link.split_once('#').unwrap_or((link, ""));
            let page = if page.is_empty() { path } else { page };
            if !page.starts_with("/docs") || page.ends_with(".css") {
                let leads_out = page.contains("://") || page.starts_with('/');
                assert!(leads_out, "{path} links to {link}");
                continue;
            }
            let Some(target) = served.get(page) else {
                panic!("{path} links to {link}");
            };
            let heading = format!("id=\"{anchor}\"");
            let is_there = anchor.is_empty() || target.contains(&heading);
            assert!(is_there, "{path} links to {link}");
        }
    }
}

#[test]
fn no_page_has_styles_or_scripts_of_its_own() {
    for (path, html) in served() {
        for forbidden in ["<script", "style=", "<style", " onclick"] {
            let outside = html.split("<pre>").map(|part| part.split("</pre>").last());
            let found = outside.flatten().any(|text| text.contains(forbidden));
            assert!(!found, "{path} has {forbidden}");
        }
    }
}

#[test]
fn equal_headings_have_anchors_of_their_own() {
    let html = page(&Source {
        name: "close/x",
        text: "# A `b` & c\n\n## It is so!\n\n## It is so!\n\n[up](../protocol.md#limits) [up](README.md)\n",
    });
    assert!(
        html.contains("<title>A b &amp; c · Trunkline</title>"),
        "{html}"
    );
    assert_eq!(
        between(&html, "<h2 id=\"", "\""),
        ["it-is-so", "it-is-so-1"]
    );
    assert!(html.contains("href=\"/docs/protocol#limits\""), "{html}");
    assert!(html.contains("href=\"/docs/close\""), "{html}");
}

#[test]
fn every_close_code_has_a_page_and_a_row_and_no_page_is_without_a_code() {
    let codes: BTreeSet<String> = CloseCode::ALL
        .into_iter()
        .map(|code| code.code().to_string())
        .collect();
    assert_eq!(codes.len(), CloseCode::ALL.len());
    let mut pages = names("docs/close", ".md");
    assert!(pages.remove("README"));
    assert_eq!(pages, codes);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (index, start) in [("web/docs/close/README.md", "| ["), ("../README.md", "| [")] {
        let text = fs::read_to_string(root.join(index)).unwrap();
        let rows = text.lines().filter_map(|line| line.strip_prefix(start));
        let rows = rows.filter_map(|row| row.split_once(']'));
        let rows = rows.map(|(code, _)| code.to_owned());
        let rows: BTreeSet<_> = rows.filter(|code| code.parse::<u16>().is_ok()).collect();
        assert_eq!(rows, codes, "{index}");
    }
}

#[test]
fn the_limits_on_the_page_are_those_of_the_node() {
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap();
    let count = |count: usize| u64::try_from(count).unwrap();
    let config = switchboard::Config::default();
    let limits = [
        ("longest frame", count(frames::MAX_MESSAGE_BYTES)),
        ("longest peer id", count(MAX_PEER_ID_BYTES)),
        ("longest room", count(MAX_ROOM_ID_BYTES)),
        ("longest request id", count(dialect::MAX_REQUEST_ID_BYTES)),
        (
            "longest reason of a `decline`",
            count(dialect::MAX_REASON_BYTES),
        ),
        ("longest token", count(dialect::MAX_TOKEN_BYTES)),
        ("largest number", dialect::MAX_NUMBER),
        ("longest time of a request", dialect::MAX_TIMEOUT_MS),
        (
            "time of a request that names none",
            ms(meaning::REQUEST_TIMEOUT),
        ),
        (
            "silence after which another peer is asked",
            ms(REQUEST_PATIENCE),
        ),
        (
            "requests of a peer that are not answered",
            count(MAX_REQUESTS),
        ),
        (
            "messages to a receiver that are not acknowledged",
            native::MAX_UNACKNOWLEDGED,
        ),
        ("time to say `hello`", ms(native::HELLO_PATIENCE)),
        ("time to return", ms(config.suspend_window)),
        (
            "messages that wait for a suspended peer",
            count(config.hold_frames),
        ),
        (
            "bytes that wait for a suspended peer",
            count(config.hold_bytes),
        ),
        (
            "bytes that wait for a client that does not read",
            count(outbox::OUTBOX_BYTES),
        ),
    ];
    let page = include_str!("../../web/docs/protocol.md");
    let table = page.split("\n## Limits\n").nth(1).unwrap();
    let table = table.split("\n## ").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| "));
    let rows = rows.filter_map(|row| row.split_once(" | "));
    let on_page: BTreeMap<&str, u64> = rows
        .filter_map(|(what, bound)| {
            let digits = bound.split(|char: char| !char.is_ascii_digit()).next()?;
            Some((what, digits.parse().ok()?))
        })
        .collect();
    assert_eq!(on_page, BTreeMap::from(limits));
}
