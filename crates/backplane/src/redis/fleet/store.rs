//! What is asked of Redis, and what it answers.

use redis::{Cmd, Value, cmd};

use super::{
    super::{
        error::LinkError,
        keys::Keys,
        link::refusal,
        published::MARK,
        scripts::{Digests, Script},
    },
    driver::failed,
};
use crate::fleet::{Kick, MAX_KICKS, MAX_RELAYS, Relay};

/// How long a relay is listed that is not heard of: with a beat of a second, one that dies is off every list within
/// four seconds.
const LEASE_MS: u64 = 3000;

/// Version of a relay's description; others are counted and skipped, so that a rolling upgrade runs mixed.
const VERSION: u8 = 1;

/// Says what a relay is; `announced` tells the others to look.
pub(super) fn beat(keys: &Keys, digests: &Digests, relay: &Relay, announced: bool) -> Cmd {
    let mut description = vec![VERSION];
    description.extend(postcard::to_allocvec(relay).unwrap_or_default());
    let names = [keys.relays(), keys.descriptions()];
    let mut command = call(digests, Script::RelayBeat, names);
    command.arg(&relay.id).arg(LEASE_MS).arg(description);
    command.arg(u8::from(announced)).arg(MAX_RELAYS);
    command.arg(keys.fleet_channel());
    command
}

/// Takes a relay off the list.
pub(super) fn leave(keys: &Keys, digests: &Digests, id: &str) -> Cmd {
    let names = [keys.relays(), keys.descriptions()];
    let mut command = call(digests, Script::RelayLeave, names);
    command.arg(id).arg(keys.fleet_channel());
    command
}

/// Asks for the list.
pub(super) fn relays(keys: &Keys, digests: &Digests) -> Cmd {
    let names = [keys.relays(), keys.descriptions(), keys.kicks_version()];
    let mut command = call(digests, Script::Relays, names);
    command.arg(MAX_RELAYS);
    command
}

pub(super) fn kick(keys: &Keys, digests: &Digests, user: &str, seconds: u64) -> Cmd {
    let mut command = call(digests, Script::Kick, [keys.kicks(), keys.kicks_version()]);
    command.arg(user).arg(seconds).arg(MAX_KICKS);
    command.arg(keys.fleet_channel());
    command
}

/// Asks for all kicks that hold.
pub(super) fn kicks(keys: &Keys, digests: &Digests) -> Cmd {
    let mut command = call(digests, Script::Kicks, [keys.kicks(), keys.kicks_version()]);
    command.arg(MAX_KICKS);
    command
}

fn call<const N: usize>(digests: &Digests, script: Script, keys: [String; N]) -> Cmd {
    let mut command = cmd("EVALSHA");
    command.arg(digests.of(script)).arg(N);
    for key in keys {
        command.arg(key);
    }
    command
}

/// The relays of a list, how many of them cannot be read, and the kicks' version.
pub(super) fn read_relays(value: Value) -> Option<(Vec<Relay>, u64, i64)> {
    let (version, told) = pair(value)?;
    let (mut relays, mut unreadable) = (Vec::new(), 0);
    for description in told {
        // One that is missing was lost: its relay says it again at the next beat.
        let Value::BulkString(description) = description else {
            continue;
        };
        match read_relay(&description) {
            Some(relay) => relays.push(relay),
            None => unreadable += 1,
        }
    }
    Some((relays, unreadable, version))
}

fn read_relay(description: &[u8]) -> Option<Relay> {
    let rest = description.strip_prefix(&[VERSION])?;
    let relay: Relay = postcard::from_bytes(rest).ok()?;
    relay.is_within_bounds().then_some(relay)
}

/// All kicks, and their version.
pub(super) fn read_kicks(value: Value) -> Option<(Vec<Kick>, i64)> {
    let (version, told) = pair(value)?;
    let mut kicks = Vec::new();
    let mut told = told.into_iter();
    while let (Some(user), Some(until)) = (told.next(), told.next()) {
        let (Value::BulkString(user), Value::BulkString(until)) = (user, until) else {
            continue;
        };
        let (Ok(user), Ok(until)) = (String::from_utf8(user), String::from_utf8(until)) else {
            continue;
        };
        if let Ok(until) = until.parse() {
            let user = user.into();
            kicks.push(Kick { user, until });
        }
    }
    Some((kicks, version))
}

fn pair(value: Value) -> Option<(i64, Vec<Value>)> {
    let Value::Array(parts) = value else {
        return None;
    };
    let [Value::Int(version), Value::Array(told)] = <[Value; 2]>::try_from(parts).ok()? else {
        return None;
    };
    Some((version, told))
}

/// What was published.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The list is another.
    Relays,
    /// Somebody is put out, and the version of the kicks with it.
    Kick(i64, Kick),
}

/// `\2R`, or `\2K<version> <until>:<user>`; `None` if this version knows no such thing.
pub(super) fn read_news(payload: &[u8]) -> Option<News> {
    let rest = payload.strip_prefix(&[MARK])?;
    if let Some(rest) = rest.strip_prefix(b"K") {
        let (numbers, user) = std::str::from_utf8(rest).ok()?.split_once(':')?;
        let (version, until) = numbers.split_once(' ')?;
        let (version, until) = (version.parse().ok()?, until.parse().ok()?);
        let user = user.into();
        return Some(News::Kick(version, Kick { user, until }));
    }
    (rest == b"R").then_some(News::Relays)
}

/// An answer that is an error ends the link.
pub(super) fn whole(values: Vec<Value>) -> Result<Vec<Value>, LinkError> {
    match values.iter().find_map(refusal) {
        Some(error) => Err(failed(error.code())),
        None => Ok(values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::conformance::relay;

    #[test]
    fn another_version_s_description_is_skipped_and_counted() {
        let mut own = vec![VERSION];
        own.extend(postcard::to_allocvec(&relay("a")).unwrap());
        let other = [&[VERSION + 1], &own[1..]].concat();
        let told = [own.clone(), other, vec![], own[..own.len() - 1].to_vec()];
        let told = told.map(Value::BulkString).into_iter().chain([Value::Nil]);
        let value = Value::Array(vec![Value::Int(7), Value::Array(told.collect())]);
        assert_eq!(read_relays(value), Some((vec![relay("a")], 3, 7)));
    }

    #[test]
    fn news_are_read_and_what_is_none_is_not() {
        assert_eq!(read_news(b"\x02R"), Some(News::Relays));
        let kick = Kick {
            user: "a:b c".into(),
            until: 12,
        };
        assert_eq!(read_news(b"\x02K3 12:a:b c"), Some(News::Kick(3, kick)));
        for other in [
            &b""[..],
            b"R",
            b"\x02Q",
            b"\x02K3:x",
            b"\x02Kx 1:x",
            b"\x02K1 2:\xff",
        ] {
            assert_eq!(read_news(other), None, "{other:?}");
        }
    }
}
