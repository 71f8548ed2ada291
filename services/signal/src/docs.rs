//! The documentation: the Markdown files of `web/docs`, made into pages once.

use std::collections::BTreeMap;

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html::push_html};

/// A file of the documentation, by its path without `.md`.
struct Source {
    name: &'static str,
    text: &'static str,
}

macro_rules! source {
    ($name:literal) => {
        Source {
            name: $name,
            text: include_str!(concat!("../web/docs/", $name, ".md")),
        }
    };
}

/// Every file.
const SOURCES: &[Source] = &[
    source!("README"),
    source!("close/1001"),
    source!("close/1002"),
    source!("close/1003"),
    source!("close/1007"),
    source!("close/1009"),
    source!("close/3008"),
    source!("close/3500"),
    source!("close/3502"),
    source!("close/3503"),
    source!("close/README"),
    source!("configuration"),
    source!("protocol"),
    source!("tutorial"),
];

/// What is around a page's text.
const TEMPLATE: &str = include_str!("../web/docs/page.html");

/// Headings of the second level from which on a page says what is on it.
const LEAST_CONTENTS: usize = 3;

/// Every page with the path that it is served at.
pub(crate) fn pages() -> impl Iterator<Item = (String, String)> {
    SOURCES
        .iter()
        .map(|source| (path(source.name), page(source)))
}

/// Where a file is served.
fn path(name: &str) -> String {
    let name = name.strip_suffix("README").unwrap_or(name);
    format!("/docs/{name}").trim_end_matches('/').to_owned()
}

fn page(source: &Source) -> String {
    let folder = source
        .name
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder);
    let mut text = Text::new(folder);
    for event in Parser::new_ext(source.text, Options::ENABLE_TABLES) {
        text.take(event);
    }
    let contents = text.contents();
    let mut body = String::new();
    push_html(&mut body, text.events.into_iter());
    let filled = [
        ("{title}", escaped(&text.title)),
        ("{contents}", contents),
        ("{body}", body),
    ];
    // The body comes last: what it says in braces is its own.
    filled
        .into_iter()
        .fold(TEMPLATE.to_owned(), |page, (name, value)| {
            page.replacen(name, &value, 1)
        })
}

/// A page's text on its way from Markdown to HTML.
struct Text<'a> {
    folder: &'a str,
    title: String,
    events: Vec<Event<'a>>,
    /// Where the heading began that is being read, and its words so far.
    heading: Option<(usize, HeadingLevel, String)>,
    /// Anchors and words of the second level's headings.
    parts: Vec<(String, String)>,
    /// How often each anchor was wanted.
    anchors: BTreeMap<String, usize>,
}

impl<'a> Text<'a> {
    fn new(folder: &'a str) -> Self {
        Self {
            folder,
            title: String::new(),
            events: Vec::new(),
            heading: None,
            parts: Vec::new(),
            anchors: BTreeMap::new(),
        }
    }

    fn take(&mut self, mut event: Event<'a>) {
        if let Some((_, _, words)) = &mut self.heading
            && let Event::Text(text) | Event::Code(text) = &event
        {
            words.push_str(text);
        }
        if let Event::Start(Tag::Heading { level, .. }) = &event {
            self.heading = Some((self.events.len(), *level, String::new()));
        }
        if let Event::End(TagEnd::Heading(_)) = &event {
            self.end_heading();
        }
        if let Event::Start(Tag::Link { dest_url, .. }) = &mut event {
            *dest_url = CowStr::from(target(self.folder, dest_url));
        }
        // What is wider than a phone is moved sideways by itself, not with the page.
        if let Event::Start(Tag::Table(_)) = &event {
            self.html(r#"<div class="wide" tabindex="0">"#.into());
        }
        let ends_table = matches!(&event, Event::End(TagEnd::Table));
        self.events.push(event);
        if ends_table {
            self.html("</div>\n".into());
        }
    }

    fn html(&mut self, html: String) {
        self.events.push(Event::Html(CowStr::from(html)));
    }

    fn end_heading(&mut self) {
        let Some((at, level, words)) = self.heading.take() else {
            return;
        };
        let anchor = self.anchor(&words);
        if let Some(Event::Start(Tag::Heading { id, .. })) = self.events.get_mut(at) {
            *id = Some(CowStr::from(anchor.clone()));
        }
        if level == HeadingLevel::H1 {
            self.title = words;
            return;
        }
        let link = format!(
            r##" <a class="anchor" href="#{anchor}" aria-label="Link to this part">#</a>"##
        );
        self.events.push(Event::InlineHtml(CowStr::from(link)));
        if level == HeadingLevel::H2 {
            self.parts.push((anchor, words));
        }
    }

    /// The anchor that GitHub gives to a heading.
    fn anchor(&mut self, words: &str) -> String {
        let kept = |char: &char| char.is_alphanumeric() || "-_ ".contains(*char);
        let words = words.to_lowercase();
        let anchor: String = words.chars().filter(kept).collect();
        let anchor = anchor.replace(' ', "-");
        let before = self.anchors.entry(anchor.clone()).or_default();
        *before += 1;
        match *before {
            1 => anchor,
            count => format!("{anchor}-{}", count - 1),
        }
    }

    fn contents(&self) -> String {
        if self.parts.len() < LEAST_CONTENTS {
            return String::new();
        }
        let items = self.parts.iter().map(|(anchor, words)| {
            let words = escaped(words);
            format!("<li><a href=\"#{anchor}\">{words}</a></li>\n")
        });
        let items: String = items.collect();
        format!(
            "<nav class=\"contents\" aria-label=\"On this page\">\n<ol>\n{items}</ol>\n</nav>\n"
        )
    }
}

/// Where a link of a file leads to when it is served: links between files are written as the repository has them.
fn target(folder: &str, link: &str) -> String {
    let (file, anchor) = match link.split_once('#') {
        Some((file, anchor)) => (file, format!("#{anchor}")),
        None => (link, String::new()),
    };
    let Some(file) = file.strip_suffix(".md") else {
        return link.to_owned();
    };
    let mut names: Vec<&str> = folder.split('/').filter(|name| !name.is_empty()).collect();
    for name in file.split('/') {
        match name {
            ".." => drop(names.pop()),
            "." => {}
            name => names.push(name),
        }
    }
    path(&names.join("/")) + &anchor
}

fn escaped(text: &str) -> String {
    let mut html = String::new();
    push_html(&mut html, std::iter::once(Event::Text(text.into())));
    html
}

#[cfg(test)]
mod tests;
