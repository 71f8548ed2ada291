use bytestring::ByteString;
use memchr::memchr;
use serde::de::IgnoredAny;

/// Splits off the part at the start of `rest`: its length in bytes, up to the next `|` or the end.
///
/// A part that is one whole JSON object or array may contain `|` in its strings. JSON that does not end at
/// a `|` or at the end of the frame is taken for bare text.
pub(super) fn part_len(rest: &str) -> usize {
    match memchr(b'|', rest.as_bytes()) {
        Some(pipe) => part_len_with(rest, pipe),
        None => rest.len(),
    }
}

/// As [`part_len`], where the first `|` of `rest` is known.
fn part_len_with(rest: &str, pipe: usize) -> usize {
    if !matches!(rest.as_bytes().first(), Some(b'{' | b'[')) {
        return pipe;
    }
    match json_len(rest) {
        Some(len) if len == rest.len() || rest.as_bytes()[len] == b'|' => len,
        _ => pipe,
    }
}

fn json_len(rest: &str) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
    matches!(values.next(), Some(Ok(_))).then(|| values.byte_offset())
}

/// A frame of which every JSON part can be found by its `|`.
pub(super) struct Escaped {
    pub(super) text: ByteString,
    /// Where its first two parts end, counted from where the rewriting began.
    pub(super) ends: [usize; 2],
}

/// Copies `frame`, with every `|` rewritten that is inside a JSON part from byte `from` on, where a part begins.
pub(super) fn escape(frame: &str, from: usize) -> Escaped {
    let mut escaped: Option<String> = None;
    let mut ends = [None; 2];
    let mut unknown = ends.iter_mut();
    let mut at = from;
    // Nearly always there is nothing to rewrite, and each part is looked at once.
    while let Some(rest) = frame.get(at..)
        && let Some(pipe) = memchr(b'|', rest.as_bytes())
    {
        let part = &rest[..part_len_with(rest, pipe)];
        if part.len() > pipe {
            let out = escaped.get_or_insert_with(|| frame[..at].to_owned());
            out.push_str(&part.replace('|', "\\u007c"));
        } else if let Some(out) = &mut escaped {
            out.push_str(part);
        }
        at += part.len();
        if let Some(end) = unknown.next() {
            *end = Some(escaped.as_ref().map_or(at, String::len));
        }
        if at < frame.len() {
            if let Some(out) = &mut escaped {
                out.push('|');
            }
            at += 1;
        }
    }
    let text = match escaped {
        None => ByteString::from(frame),
        Some(mut out) => {
            out.push_str(frame.get(at..).unwrap_or_default());
            ByteString::from(out)
        }
    };
    let ends = ends.map(|end| end.unwrap_or(text.len()));
    Escaped { text, ends }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(frame: &str, expected: &str) {
        let Escaped { text, ends } = escape(frame, 3);
        assert_eq!(text, expected);
        let parts = &expected[3.min(expected.len())..];
        let second = parts.split_once('|').map(|(_, rest)| rest);
        let [first, second] = [Some(parts), second].map(|rest| match rest {
            Some(rest) => expected.len() - rest.len() + part_len(rest),
            None => expected.len(),
        });
        assert_eq!(ends, [first, second], "{frame}");
    }

    #[test]
    fn a_pipe_inside_a_json_object_becomes_an_escape() {
        check(
            r#"/x|id|{"a":"b|c","d":["|"]}"#,
            r#"/x|id|{"a":"b\u007cc","d":["\u007c"]}"#,
        );
    }

    #[test]
    fn json_parts_are_found_between_bare_ones() {
        check(
            r#"/x|id|{"a":"|"}|text|[1,"|"]|"#,
            r#"/x|id|{"a":"\u007c"}|text|[1,"\u007c"]|"#,
        );
        check(r#"/x|[1]|{"a":"|"}|end"#, r#"/x|[1]|{"a":"\u007c"}|end"#);
    }

    #[test]
    fn what_only_looks_like_json_stays_as_it_is() {
        for frame in [
            "/x|id|{a|b}",
            r#"/x|id|{"a":"|"}tail|b"#,
            "/x|id|[1|2]",
            "/x|id|plain|text||",
            r#"/x|"a|b""#,
            "/x|",
            "/x|[|",
        ] {
            check(frame, frame);
        }
    }

    #[test]
    fn an_escaped_quote_does_not_end_the_string() {
        check(r#"/x|{"a":"\"|\\"}|b"#, r#"/x|{"a":"\"\u007c\\"}|b"#);
    }
}
