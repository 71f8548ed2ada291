//! A request as a command of Redis, and what comes back as a reply.

use bytes::Bytes;
use bytestring::ByteString;
use redis::{Cmd, Value, cmd};

use crate::{
    Entry, NodeId,
    partition::{Reply, Request, RosterVersion},
    store::SWEPT_AT_ONCE,
};

use super::{
    keys::Keys,
    scripts::{Digests, Script},
};

/// How a command's value is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Beaten,
    Joined,
    Asserted,
    Swept,
    Versions,
    Leases,
    Done,
}

/// Begins a call of a script.
fn call<const N: usize>(digests: &Digests, script: Script, keys: [String; N]) -> Cmd {
    let mut command = cmd("EVALSHA");
    command.arg(digests.of(script)).arg(N);
    for key in keys {
        command.arg(key);
    }
    command
}

/// The command that carries the request out.
pub(crate) fn command(keys: &Keys, digests: &Digests, request: &Request) -> (Cmd, Answer) {
    match request {
        Request::Beat {
            node,
            link,
            ttl,
            nonce,
            life,
            until,
        } => {
            let numbers = [*link, *ttl, *nonce, *life];
            (beat(keys, digests, node, numbers, *until), Answer::Beaten)
        }
        Request::Join {
            node,
            link,
            room,
            member,
            data,
            birth,
            floor,
            until,
            want_roster,
        } => {
            let mut command = call(digests, Script::Join, keys_of(keys, node, room));
            command.arg(&*node.0).arg(*link).arg(&**room).arg(&**member);
            command.arg(&**data).arg(*birth).arg(*floor);
            command.arg(u8::from(*want_roster));
            command.arg(keys.room_channel(room)).arg(*until);
            (command, Answer::Joined)
        }
        Request::Leave {
            node,
            link,
            room,
            member,
            fence,
            data,
        } => {
            let mut command = call(
                digests,
                Script::Leave,
                [keys.links(), keys.life(), keys.roster(room)],
            );
            command.arg(&*node.0).arg(*link).arg(&**member).arg(*fence);
            command.arg(&**data).arg(keys.room_channel(room));
            (command, Answer::Done)
        }
        Request::Forget { node, link, room } => {
            let names = [keys.links(), keys.rooms_of(node)];
            let mut command = call(digests, Script::Forget, names);
            command.arg(&*node.0).arg(*link).arg(&**room);
            (command, Answer::Done)
        }
        Request::Assert {
            node,
            link,
            room,
            members,
            birth,
            floor,
            until,
        } => {
            let mut command = call(digests, Script::Assert, keys_of(keys, node, room));
            command
                .arg(&*node.0)
                .arg(*link)
                .arg(&**room)
                .arg(*birth)
                .arg(*floor);
            command.arg(keys.room_channel(room)).arg(*until);
            for (member, fence, data) in members {
                command.arg(&**member).arg(*fence).arg(&**data);
            }
            (command, Answer::Asserted)
        }
        Request::Sweep { dead, limit } => (sweep(keys, digests, dead, *limit), Answer::Swept),
        Request::Resign { node } => {
            // What is in the past lapses now, and is still found by those who sweep.
            let mut command = cmd("ZADD");
            command.arg(keys.leases()).arg("XX").arg(0).arg(&*node.0);
            (command, Answer::Done)
        }
        Request::Versions { rooms } => (versions(keys, digests, rooms), Answer::Versions),
        Request::Leases { nodes } => (leases(keys, digests, nodes), Answer::Leases),
        Request::Publish { channel, payload } => {
            let mut command = cmd("SPUBLISH");
            command.arg(keys.channel(channel)).arg(&**payload);
            (command, Answer::Done)
        }
    }
}

fn beat(keys: &Keys, digests: &Digests, node: &NodeId, numbers: [u64; 4], until: u64) -> Cmd {
    let names = [keys.leases(), keys.life(), keys.links()];
    let mut command = call(digests, Script::Beat, names);
    command.arg(&*node.0);
    for number in numbers {
        command.arg(number);
    }
    let own = crate::partition::Channel::Node(node.clone());
    command.arg(keys.channel(&own)).arg(until);
    command
}

fn sweep(keys: &Keys, digests: &Digests, dead: &NodeId, limit: u64) -> Cmd {
    let names = [
        keys.leases(),
        keys.links(),
        keys.life(),
        keys.rooms_of(dead),
    ];
    let mut command = call(digests, Script::Sweep, names);
    command.arg(&*dead.0).arg(limit).arg(SWEPT_AT_ONCE);
    command.arg(keys.roster("")).arg(keys.room_channel(""));
    command
}

fn versions(keys: &Keys, digests: &Digests, rooms: &[ByteString]) -> Cmd {
    let mut command = cmd("EVALSHA");
    command.arg(digests.of(Script::Versions));
    command.arg(rooms.len() + 1).arg(keys.life());
    for room in rooms {
        command.arg(keys.roster(room));
    }
    command
}

fn leases(keys: &Keys, digests: &Digests, nodes: &[NodeId]) -> Cmd {
    let mut command = call(digests, Script::Leases, [keys.leases()]);
    for node in nodes {
        command.arg(&*node.0);
    }
    command
}

fn keys_of(keys: &Keys, node: &NodeId, room: &ByteString) -> [String; 5] {
    [
        keys.leases(),
        keys.links(),
        keys.life(),
        keys.rooms_of(node),
        keys.roster(room),
    ]
}

/// The reply that the value is; `None` if it is none.
pub(crate) fn reply(answer: Answer, value: Value) -> Option<Reply> {
    match answer {
        Answer::Done => Some(Reply::Done),
        Answer::Swept => Some(Reply::Swept {
            left: number(&value)?,
        }),
        Answer::Beaten => match <[Value; 4]>::try_from(list(value)?) {
            Ok([renewed, lapsed, next, now]) => {
                let lapsed: Option<Vec<NodeId>> = list(lapsed)?.into_iter().map(node).collect();
                Some(Reply::Beaten {
                    renewed: number(&renewed)? == 1,
                    lapsed: lapsed?,
                    // Negative where there is none.
                    next: number(&next),
                    now: number(&now)?,
                })
            }
            Err(_) => None,
        },
        Answer::Joined => match <[Value; 5]>::try_from(list(value)?) {
            Ok([_, fence, epoch, version, entries]) => Some(Reply::Joined {
                fence: number(&fence)?,
                version: roster_version(&epoch, &version)?,
                roster: if entries == Value::Nil {
                    None
                } else {
                    Some(roster(entries)?)
                },
            }),
            Err(short) if short == [Value::Int(2)] => Some(Reply::Refused),
            Err(short) => no_lease(&short),
        },
        Answer::Asserted => match <[Value; 4]>::try_from(list(value)?) {
            Ok([_, epoch, version, entries]) => Some(Reply::Asserted {
                version: roster_version(&epoch, &version)?,
                roster: roster(entries)?,
            }),
            Err(short) => no_lease(&short),
        },
        Answer::Versions => {
            let pairs = list(value)?;
            let versions = pairs
                .chunks(2)
                .map(|pair| roster_version(pair.first()?, pair.get(1)?));
            versions.collect::<Option<_>>().map(Reply::Versions)
        }
        Answer::Leases => {
            let valid = list(value)?;
            let valid = valid.iter().map(|value| Some(number(value)? == 1));
            valid.collect::<Option<_>>().map(Reply::Leases)
        }
    }
}

fn no_lease(values: &[Value]) -> Option<Reply> {
    match values {
        [Value::Int(0)] => Some(Reply::NoLease),
        _ => None,
    }
}

fn roster_version(epoch: &Value, version: &Value) -> Option<RosterVersion> {
    Some(RosterVersion {
        epoch: number(epoch)?,
        version: number(version)?,
    })
}

/// The members among a roster's fields, in the order of their names.
fn roster(fields: Value) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut fields = list(fields)?.into_iter();
    while let (Some(field), Some(claim)) = (fields.next(), fields.next()) {
        if let Some(member) = bytes(field)?.strip_prefix(b"@") {
            let member = ByteString::try_from(member).ok()?;
            entries.push(entry(member, bytes(claim)?)?);
        }
    }
    entries.sort_unstable_by(|a, b| a.member.cmp(&b.member));
    Some(entries)
}

/// `<fence> <bytes in node>:<node><data>`.
fn entry(member: ByteString, claim: Vec<u8>) -> Option<Entry> {
    let claim = Bytes::from(claim);
    let colon = claim.iter().position(|byte| *byte == b':')?;
    let (fence, length) = std::str::from_utf8(&claim[..colon]).ok()?.split_once(' ')?;
    let end = length.parse::<usize>().ok()?.checked_add(colon + 1)?;
    let holder = claim.get(colon + 1..end)?;
    Some(Entry {
        member,
        node: NodeId(ByteString::try_from(holder).ok()?),
        fence: fence.parse().ok()?,
        data: claim.slice(end..),
    })
}

fn node(value: Value) -> Option<NodeId> {
    Some(NodeId(ByteString::try_from(bytes(value)?).ok()?))
}

fn list(value: Value) -> Option<Vec<Value>> {
    if let Value::Array(values) = value {
        Some(values)
    } else {
        None
    }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    if let Value::BulkString(bytes) = value {
        Some(bytes)
    } else {
        None
    }
}

/// Numbers that may exceed what Lua calls an integer come as text.
fn number(value: &Value) -> Option<u64> {
    if let Value::Int(number) = value {
        u64::try_from(*number).ok()
    } else if let Value::BulkString(text) = value {
        std::str::from_utf8(text).ok()?.parse().ok()
    } else {
        None
    }
}
