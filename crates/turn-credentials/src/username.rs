use std::fmt;

/// Hexadecimal digits of a W3C trace id.
const TRACE_DIGITS: usize = 32;

/// The trace id that W3C calls invalid: it closes an id that would otherwise end with what looks like a trace.
pub(crate) const NO_TRACE: &str = "00000000000000000000000000000000";

/// A username of the form `expiry`, `expiry:id` or `expiry:id/trace`, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Username<'a> {
    text: &'a str,
    expires_at: u64,
    id: &'a str,
    trace: Option<&'a str>,
}

impl<'a> Username<'a> {
    /// Takes `text` apart; whether it is genuine is [`crate::verify`]'s business.
    ///
    /// # Errors
    /// [`NotTimeLimited`] when it does not begin with a decimal number that is its end or is followed by `:`.
    pub fn parse(text: &'a str) -> Result<Self, NotTimeLimited> {
        let (expiry, id) = text.split_once(':').unwrap_or((text, ""));
        // `u64::from_str` would take a plus sign.
        if expiry.is_empty() || !expiry.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotTimeLimited);
        }
        let expires_at = expiry.parse().map_err(|_| NotTimeLimited)?;
        let (id, trace) = split_trace(id);
        Ok(Self {
            text,
            expires_at,
            id,
            trace,
        })
    }

    /// The username as it was written.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// The last second in which it is valid, in Unix time.
    pub fn expires_at(&self) -> u64 {
        self.expires_at
    }

    /// Whether it is no longer valid at `unix` seconds; like coturn, it still is in its last second.
    pub fn is_expired_at(&self, unix: u64) -> bool {
        unix > self.expires_at
    }

    /// Who it was minted for: the id without the trace, so that a newer credential of the same peer is the
    /// same user. Without an id there is nothing that outlives the credential, and it is the whole username.
    pub fn user(&self) -> &'a str {
        if self.id.is_empty() {
            self.text
        } else {
            self.id
        }
    }

    /// The trace of the call it was minted for, 32 lower-case hexadecimal digits that are not all zero.
    pub fn trace(&self) -> Option<&'a str> {
        self.trace
    }
}

/// Ids may contain slashes of their own: only what looks like a trace is one.
fn split_trace(id: &str) -> (&str, Option<&str>) {
    match id.rsplit_once('/') {
        Some((id, NO_TRACE)) => (id, None),
        Some((id, trace)) if is_trace(trace) => (id, Some(trace)),
        Some(_) | None => (id, None),
    }
}

/// Whether `text` is a trace id, or [`NO_TRACE`].
pub(crate) fn is_trace(text: &str) -> bool {
    text.len() == TRACE_DIGITS
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The username carries no expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotTimeLimited;

impl fmt::Display for NotTimeLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("username without expiry")
    }
}

impl std::error::Error for NotTimeLimited {}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[track_caller]
    fn check(text: &str, expires_at: u64, user: &str, trace: Option<&str>) {
        let username = Username::parse(text).unwrap();
        assert_eq!(username.expires_at(), expires_at);
        assert_eq!(username.user(), user);
        assert_eq!(username.trace(), trace);
        assert_eq!(username.as_str(), text);
    }

    #[test]
    fn a_username_has_an_expiry_a_user_and_a_trace() {
        check("1433895918:alice", 1_433_895_918, "alice", None);
        let traced = format!("7:alice/{TRACE}");
        check(&traced, 7, "alice", Some(TRACE));
    }

    #[test]
    fn only_32_lower_case_digits_after_the_last_slash_are_a_trace() {
        check("7:a/b", 7, "a/b", None);
        check(&format!("7:a/b/{TRACE}"), 7, "a/b", Some(TRACE));
        check(&format!("7:a/{TRACE}0"), 7, &format!("a/{TRACE}0"), None);
        let upper = format!("a/{}", TRACE.to_uppercase());
        check(&format!("7:{upper}"), 7, &upper, None);
    }

    #[test]
    fn zeros_are_no_trace_and_no_part_of_the_user() {
        check(&format!("7:a/{NO_TRACE}"), 7, "a", None);
        let user = format!("a/{TRACE}");
        check(&format!("7:{user}/{NO_TRACE}"), 7, &user, None);
    }

    #[test]
    fn the_id_may_contain_colons_and_anything_else() {
        check("7:a:b:Zoë", 7, "a:b:Zoë", None);
    }

    #[test]
    fn without_an_id_the_user_is_the_username() {
        check("7", 7, "7", None);
        check("7:", 7, "7:", None);
        check(
            &format!("7:/{TRACE}"),
            7,
            &format!("7:/{TRACE}"),
            Some(TRACE),
        );
    }

    #[test]
    fn what_has_no_expiry_is_not_time_limited() {
        for text in [
            "",
            ":alice",
            "alice",
            "alice:7",
            "+7:a",
            "-7:a",
            " 7:a",
            "7 :a",
            "0x7:a",
            "99999999999999999999:a",
        ] {
            assert_eq!(Username::parse(text), Err(NotTimeLimited), "{text}");
        }
    }

    #[test]
    fn a_username_is_valid_in_its_last_second_and_not_after() {
        let username = Username::parse("1000:alice").unwrap();
        assert!(!username.is_expired_at(999));
        assert!(!username.is_expired_at(1000));
        assert!(username.is_expired_at(1001));
    }
}
