//! Between the switchboard's words and the backplane's; public for those who drive both without sockets.
//!
//! What one node writes, another of another version may read: every blob begins with a version byte, and one
//! that cannot be read is counted and skipped.

use backplane::{Change, Command, Entry, Event, NodeId};
use bytes::Bytes;
use bytestring::ByteString;
use protocol::{LeaveReason, Payload, PeerId, RoomId};
use serde::{Deserialize, Serialize};
use switchboard::{ClusterCommand, ClusterEvent, ConnectionId, Flush, RosterChange, RosterEntry};

/// Version of every blob written here.
const VERSION: u8 = 1;

/// What a peer says, or has announced.
#[derive(Serialize, Deserialize)]
struct PayloadBlob<'a> {
    body: u32,
    text: &'a str,
}

/// A message to the peers of a room.
#[derive(Serialize, Deserialize)]
struct RoomBlob<'a> {
    from: &'a str,
    body: u32,
    text: &'a str,
}

/// What one node says to another.
#[derive(Serialize, Deserialize)]
enum NodeBlob<'a> {
    /// A message between peers.
    Message {
        room: &'a str,
        from: &'a str,
        to: &'a str,
        body: u32,
        text: &'a str,
        hops: u8,
    },
    /// See [`Flush`].
    Flush {
        room: &'a str,
        peer: &'a str,
        fence: u64,
        origin: &'a str,
        hops: u8,
    },
    /// The flush has arrived.
    HandedOver { room: &'a str, peer: &'a str },
}

/// A blob that this version cannot read.
#[derive(Debug)]
pub struct Unreadable;

/// What is to be asked of the backplane.
pub fn command(command: ClusterCommand) -> Command {
    match command {
        ClusterCommand::Join {
            connection,
            room,
            peer,
            attributes,
            want_roster,
        } => Command::Join {
            token: connection.0,
            room: room.into(),
            member: peer.into(),
            data: payload_blob(&attributes),
            want_roster,
        },
        ClusterCommand::Leave {
            room,
            peer,
            fence,
            reason,
        } => Command::Leave {
            room: room.into(),
            member: peer.into(),
            fence,
            data: reason_blob(reason),
        },
        ClusterCommand::Forget { room } => Command::Forget { room: room.into() },
        ClusterCommand::Assert { room, members } => Command::Assert {
            room: room.into(),
            members: members
                .into_iter()
                .map(|(peer, fence, attributes)| (peer.into(), fence, payload_blob(&attributes)))
                .collect(),
        },
        ClusterCommand::Confirm { room, node } => Command::Confirm {
            room: room.into(),
            node: NodeId(node.0),
        },
        ClusterCommand::Send {
            node,
            room,
            from,
            to,
            payload,
            hops,
        } => {
            let message = NodeBlob::Message {
                room: room.as_str(),
                from: from.as_str(),
                to: to.as_str(),
                body: offset(&payload),
                text: payload.text(),
                hops,
            };
            send(node, &room, &message)
        }
        ClusterCommand::Pass { node, flush } => {
            let blob = NodeBlob::Flush {
                room: flush.room.as_str(),
                peer: flush.peer.as_str(),
                fence: flush.fence,
                origin: &flush.origin.0,
                hops: flush.hops,
            };
            send(node, &flush.room, &blob)
        }
        ClusterCommand::HandedOver { node, room, peer } => {
            let blob = NodeBlob::HandedOver {
                room: room.as_str(),
                peer: peer.as_str(),
            };
            send(node, &room, &blob)
        }
        ClusterCommand::Broadcast {
            room,
            nodes,
            from,
            payload,
        } => Command::Publish {
            payload: write(&RoomBlob {
                from: from.as_str(),
                body: offset(&payload),
                text: payload.text(),
            }),
            room: room.into(),
            nodes: nodes.into_iter().map(|node| NodeId(node.0)).collect(),
        },
    }
}

/// What the switchboard is to hear.
///
/// # Errors
/// [`Unreadable`] for what a node of another version has written.
pub fn event(event: Event) -> Result<ClusterEvent, Unreadable> {
    read_event(event, &mut 0)
}

/// The same; adds to `left_out` the peers that a roster has and that cannot be read.
pub(crate) fn read_event(event: Event, left_out: &mut u64) -> Result<ClusterEvent, Unreadable> {
    Ok(match event {
        Event::Joined {
            token,
            room,
            fence,
            epoch,
            version,
            roster,
        } => ClusterEvent::Joined {
            connection: ConnectionId(token),
            room: room_id(room)?,
            fence,
            epoch,
            version,
            roster: roster.map(|roster| readable_entries(roster, left_out)),
        },
        Event::JoinFailed { token, room } => ClusterEvent::JoinFailed {
            connection: ConnectionId(token),
            room: room_id(room)?,
        },
        Event::Changed {
            room,
            epoch,
            version,
            change,
        } => ClusterEvent::Changed(RosterChange {
            room: room_id(room)?,
            epoch,
            version,
            change: roster_change(change)?,
        }),
        Event::Asserted {
            room,
            epoch,
            version,
            roster,
        } => ClusterEvent::Asserted {
            room: room_id(room)?,
            epoch,
            version,
            roster: readable_entries(roster, left_out),
        },
        Event::AssertFailed { room } | Event::LeaveFailed { room } => ClusterEvent::AssertFailed {
            room: room_id(room)?,
        },
        Event::Gap { room } => ClusterEvent::Gap {
            room: room_id(room)?,
        },
        Event::Confirmed { room, node } => ClusterEvent::Confirmed {
            room: room_id(room)?,
            node: switchboard::NodeId(node.0),
        },
        Event::Received { payload, .. } => received(&payload)?,
        Event::Published {
            room,
            payload: blob,
            ..
        } => {
            let RoomBlob { from, body, text } = read(&blob)?;
            ClusterEvent::Heard {
                room: room_id(room)?,
                from: peer_id(from)?,
                payload: payload(&blob, text, body)?,
            }
        }
    })
}

fn send(node: switchboard::NodeId, room: &RoomId, blob: &NodeBlob<'_>) -> Command {
    Command::Send {
        node: NodeId(node.0),
        room: room.clone().into(),
        payload: write(blob),
    }
}

fn received(blob: &Bytes) -> Result<ClusterEvent, Unreadable> {
    Ok(match read(blob)? {
        NodeBlob::Message {
            room,
            from,
            to,
            body,
            text,
            hops,
        } => ClusterEvent::Received {
            room: room_id(room)?,
            from: peer_id(from)?,
            to: peer_id(to)?,
            payload: payload(blob, text, body)?,
            hops,
        },
        NodeBlob::Flush {
            room,
            peer,
            fence,
            origin,
            hops,
        } => ClusterEvent::Passed(Flush {
            room: room_id(room)?,
            peer: peer_id(peer)?,
            fence,
            origin: switchboard::NodeId(origin.into()),
            hops,
        }),
        NodeBlob::HandedOver { room, peer } => ClusterEvent::HandedOver {
            room: room_id(room)?,
            peer: peer_id(peer)?,
        },
    })
}

fn roster_change(change: Change) -> Result<switchboard::Change, Unreadable> {
    Ok(match change {
        Change::Joined(joined) => switchboard::Change::Joined(entry(joined)?),
        Change::Left {
            member,
            node,
            fence,
            data,
        } => switchboard::Change::Left {
            peer: peer_id(member)?,
            node: switchboard::NodeId(node.0),
            fence,
            reason: reason(&data),
        },
    })
}

/// A peer that cannot be read is left out: it cannot be spoken to either.
fn readable_entries(roster: Vec<Entry>, left_out: &mut u64) -> Vec<RosterEntry> {
    let all = roster.len();
    let entries: Vec<RosterEntry> = roster
        .into_iter()
        .filter_map(|member| entry(member).ok())
        .collect();
    *left_out += u64::try_from(all - entries.len()).unwrap_or(u64::MAX);
    entries
}

fn entry(entry: Entry) -> Result<RosterEntry, Unreadable> {
    let blob: PayloadBlob<'_> = read(&entry.data)?;
    Ok(RosterEntry {
        peer: peer_id(entry.member)?,
        node: switchboard::NodeId(entry.node.0),
        fence: entry.fence,
        attributes: payload(&entry.data, blob.text, blob.body)?,
    })
}

fn payload_blob(payload: &Payload) -> Bytes {
    write(&PayloadBlob {
        body: offset(payload),
        text: payload.text(),
    })
}

/// The text shares the blob's storage.
fn payload(blob: &Bytes, text: &str, body: u32) -> Result<Payload, Unreadable> {
    let text = ByteString::try_from(blob.slice_ref(text.as_bytes())).map_err(|_| Unreadable)?;
    Ok(Payload::new(
        text,
        usize::try_from(body).unwrap_or(usize::MAX),
    ))
}

fn offset(payload: &Payload) -> u32 {
    u32::try_from(payload.body_offset()).unwrap_or(u32::MAX)
}

fn reason_blob(reason: LeaveReason) -> Bytes {
    match reason {
        LeaveReason::Left => Bytes::from_static(b"left"),
        LeaveReason::Expired => Bytes::from_static(b"expired"),
    }
}

/// A node that is gone says nothing: its peers were lost.
fn reason(data: &[u8]) -> LeaveReason {
    match data {
        b"left" => LeaveReason::Left,
        _ => LeaveReason::Expired,
    }
}

fn write(blob: &impl Serialize) -> Bytes {
    let bytes = postcard::to_extend(blob, vec![VERSION]);
    // Writing numbers and texts into memory cannot fail; were it to, the blob would be unreadable.
    Bytes::from(bytes.unwrap_or_default())
}

fn read<'a, T: Deserialize<'a>>(blob: &'a [u8]) -> Result<T, Unreadable> {
    match blob.split_first() {
        Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(|_| Unreadable),
        _ => Err(Unreadable),
    }
}

fn room_id(text: impl Into<ByteString>) -> Result<RoomId, Unreadable> {
    RoomId::from_cluster(text).map_err(|_| Unreadable)
}

fn peer_id(text: impl Into<ByteString>) -> Result<PeerId, Unreadable> {
    PeerId::new(text).map_err(|_| Unreadable)
}

#[cfg(test)]
mod tests;
