//! The files of `web/`, inside the binary, and the pages made from them.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::LazyLock,
};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use bytes::Bytes;

use crate::docs;

struct Page {
    path: &'static str,
    content_type: &'static str,
    content: &'static [u8],
}

macro_rules! page {
    ($path:literal, $file:literal) => {
        Page {
            path: $path,
            content_type: content_type($file),
            content: include_bytes!(concat!("../web/", $file)),
        }
    };
}

/// Every file, by the path it is served at.
const PAGES: &[Page] = &[
    page!("/connect/bob.js", "connect/bob.js"),
    page!("/connect/", "connect/index.html"),
    page!("/connect/page.css", "connect/page.css"),
    page!("/connect/page.js", "connect/page.js"),
    page!("/connect/phases.js", "connect/phases.js"),
    page!("/connect/sue.js", "connect/sue.js"),
    page!("/connect/wire.js", "connect/wire.js"),
    page!("/docs/page.css", "docs/page.css"),
    page!("/demo/board.js", "demo/board.js"),
    page!("/demo/call.js", "demo/call.js"),
    page!("/demo/icon.svg", "demo/icon.svg"),
    page!("/", "demo/index.html"),
    page!("/demo/log.js", "demo/log.js"),
    page!("/demo/media.js", "demo/media.js"),
    page!("/demo/names.js", "demo/names.js"),
    page!("/demo/page.css", "demo/page.css"),
    page!("/demo/page.js", "demo/page.js"),
    page!("/demo/room.css", "demo/room.css"),
    page!("/demo/signalling.js", "demo/signalling.js"),
    page!("/demo/stats.js", "demo/stats.js"),
    page!("/demo/view.js", "demo/view.js"),
    page!("/trunkline.js", "trunkline.js"),
    page!("/trunkline/announcement.js", "trunkline/announcement.js"),
    page!("/trunkline/answer.js", "trunkline/answer.js"),
    page!("/trunkline/backoff.js", "trunkline/backoff.js"),
    page!("/trunkline/broadcasts.js", "trunkline/broadcasts.js"),
    page!("/trunkline/connection.js", "trunkline/connection.js"),
    page!("/trunkline/couple.js", "trunkline/couple.js"),
    page!("/trunkline/desk.js", "trunkline/desk.js"),
    page!("/trunkline/early.js", "trunkline/early.js"),
    page!("/trunkline/errors.js", "trunkline/errors.js"),
    page!("/trunkline/frames.js", "trunkline/frames.js"),
    page!("/trunkline/ice.js", "trunkline/ice.js"),
    page!("/trunkline/inbox.js", "trunkline/inbox.js"),
    page!("/trunkline/mail.js", "trunkline/mail.js"),
    page!("/trunkline/negotiation.js", "trunkline/negotiation.js"),
    page!("/trunkline/outbox.js", "trunkline/outbox.js"),
    page!("/trunkline/page.js", "trunkline/page.js"),
    page!("/trunkline/pair.js", "trunkline/pair.js"),
    page!("/trunkline/requests.js", "trunkline/requests.js"),
    page!("/trunkline/roster.js", "trunkline/roster.js"),
    page!("/trunkline/rtcio.js", "trunkline/rtcio.js"),
    page!("/trunkline/session.js", "trunkline/session.js"),
    page!("/trunkline/signaller.js", "trunkline/signaller.js"),
];

/// Scripts, styles and connections of this origin alone; nothing may put the pages into a frame.
const POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; media-src 'self' blob:; \
                      object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

const fn content_type(file: &str) -> &'static str {
    match file.as_bytes() {
        [.., b'h', b't', b'm', b'l'] => HTML,
        [.., b'c', b's', b's'] => "text/css; charset=utf-8",
        [.., b'.', b'j', b's'] => JAVASCRIPT,
        [.., b's', b'v', b'g'] => "image/svg+xml",
        _ => panic!("a content type is missing for a file of web/"),
    }
}

/// What is served, and its entity tag, made from its content.
struct Served {
    content_type: &'static str,
    content: Bytes,
    tag: HeaderValue,
}

impl Served {
    fn new(content_type: &'static str, content: Bytes) -> Self {
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        let tag = format!("\"{:016x}\"", hasher.finish());
        Self {
            content_type,
            content,
            tag: HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\"")),
        }
    }
}

static BY_PATH: LazyLock<BTreeMap<String, Served>> = LazyLock::new(|| {
    let files = PAGES.iter().map(|page| {
        let content = Bytes::from_static(page.content);
        (
            page.path.to_owned(),
            Served::new(page.content_type, content),
        )
    });
    let docs = docs::pages().map(|(path, html)| (path, Served::new(HTML, Bytes::from(html))));
    files.chain(docs).collect()
});

/// The page at `path`, or that it has not changed since `known`.
pub(crate) fn find(path: &str, known: Option<&HeaderValue>) -> Option<Response<Body>> {
    let page = BY_PATH.get(path)?;
    let headers: [(HeaderName, HeaderValue); 6] = [
        (header::ETAG, page.tag.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static(page.content_type),
        ),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(POLICY),
        ),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
    ];
    let mut response = if known == Some(&page.tag) {
        (StatusCode::NOT_MODIFIED, headers).into_response()
    } else {
        (headers, page.content.clone()).into_response()
    };
    if page.content_type == JAVASCRIPT {
        // Pages of other origins may import them, as modules are always asked for with CORS.
        response.headers_mut().insert(
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_static("*"),
        );
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// What the library's package has beside it.
    const NOT_SERVED: &[&str] = &["README.md", "package.json", "trunkline.d.ts"];

    #[test]
    fn every_file_of_the_web_folder_is_served() {
        let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
        let mut files = 0;
        for folder in ["", "connect", "demo", "docs", "trunkline"] {
            for file in fs::read_dir(web.join(folder)).unwrap() {
                let path = file.unwrap().path();
                let name = path.strip_prefix(&web).unwrap().to_str().unwrap();
                let is_made_a_page = name.starts_with("docs/") && name != "docs/page.css";
                if path.is_dir() || NOT_SERVED.contains(&name) || is_made_a_page {
                    continue;
                }
                let served = PAGES
                    .iter()
                    .any(|page| page.content == fs::read(&path).unwrap());
                assert!(served, "{name} is not in PAGES");
                files += 1;
            }
        }
        assert_eq!(files, PAGES.len());
    }

    #[test]
    fn a_page_that_has_not_changed_is_not_sent_again() {
        let first = find("/", None).unwrap();
        let tag = first.headers()[header::ETAG].clone();
        assert_eq!(first.status(), StatusCode::OK);
        let again = find("/", Some(&tag)).unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert!(find("/demo/none.js", None).is_none());
    }

    #[test]
    fn pages_of_other_origins_may_import_scripts_and_nothing_else() {
        let allowed = |path: &str| {
            let found = find(path, None).unwrap();
            let allowed = found.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
            allowed.map(|origin| origin.to_str().unwrap().to_owned())
        };
        assert_eq!(allowed("/trunkline.js").as_deref(), Some("*"));
        for path in ["/", "/docs", "/docs/page.css"] {
            assert_eq!(allowed(path), None, "{path}");
        }
    }
}
