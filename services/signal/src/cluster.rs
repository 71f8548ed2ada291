//! Between the switchboard's words and the backplane's; public for those who drive both without sockets.
//!
//! What one node writes, another of another version may read: every blob has a version byte, and one that cannot be read is
//! counted and skipped. It is the first byte of messages, and follows the owner of a peer, by which the backplane guards
//! its id.

use backplane::{Change, Command, Entry, Event, NodeId};
use bytes::Bytes;
use bytestring::ByteString;
use protocol::{Form, LeaveReason, Payload, PeerId, RoomId};
use serde::{Deserialize, Serialize};
use switchboard::{ClusterCommand, ClusterEvent, ConnectionId, Flush, RosterChange, RosterEntry};

/// Version of every blob written here.
const VERSION: u8 = 2;

/// What a peer says, or has announced.
#[derive(Serialize, Deserialize)]
struct PayloadBlob<'a> {
    form: u8,
    body: u32,
    text: &'a str,
}

/// A message to the peers of a room.
#[derive(Serialize, Deserialize)]
struct RoomBlob<'a> {
    from: &'a str,
    #[serde(borrow)]
    payload: PayloadBlob<'a>,
}

/// What one node says to another.
#[derive(Serialize, Deserialize)]
enum NodeBlob<'a> {
    /// A message between peers.
    Message {
        room: &'a str,
        from: &'a str,
        to: &'a str,
        #[serde(borrow)]
        payload: PayloadBlob<'a>,
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
            data: member_blob(&attributes),
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
                .map(|(peer, fence, attributes)| (peer.into(), fence, member_blob(&attributes)))
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
                payload: PayloadBlob::of(&payload),
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
                payload: PayloadBlob::of(&payload),
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
        Event::JoinRefused { token, room } => ClusterEvent::JoinRefused {
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
            let RoomBlob { from, payload } = read(&blob)?;
            ClusterEvent::Heard {
                room: room_id(room)?,
                from: peer_id(from)?,
                payload: payload.within(&blob)?,
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
            payload,
            hops,
        } => ClusterEvent::Received {
            room: room_id(room)?,
            from: peer_id(from)?,
            to: peer_id(to)?,
            payload: payload.within(blob)?,
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
    let guard = 1 + backplane::owner(&entry.data).len();
    let blob: PayloadBlob<'_> = read(entry.data.get(guard..).ok_or(Unreadable)?)?;
    Ok(RosterEntry {
        peer: peer_id(entry.member)?,
        node: switchboard::NodeId(entry.node.0),
        fence: entry.fence,
        attributes: blob.within(&entry.data)?,
    })
}

/// What the roster has of a peer: its owner first.
fn member_blob(attributes: &Payload) -> Bytes {
    let owner = attributes.owner().as_bytes();
    // One that is too long is none; ours are not.
    let len = u8::try_from(owner.len()).unwrap_or_default();
    let mut blob = vec![len];
    blob.extend_from_slice(&owner[..usize::from(len)]);
    write_to(blob, &PayloadBlob::of(attributes))
}

impl<'a> PayloadBlob<'a> {
    fn of(payload: &'a Payload) -> Self {
        Self {
            form: payload.form().number(),
            body: u32::try_from(payload.body_offset()).unwrap_or(u32::MAX),
            text: payload.text(),
        }
    }

    /// What it is of; the text shares the storage of the blob that it was read from.
    fn within(&self, blob: &Bytes) -> Result<Payload, Unreadable> {
        let text = blob.slice_ref(self.text.as_bytes());
        let text = ByteString::try_from(text).map_err(|_| Unreadable)?;
        let form = Form::ALL.get(usize::from(self.form)).ok_or(Unreadable)?;
        let body = usize::try_from(self.body).unwrap_or(usize::MAX);
        Ok(Payload::of(*form, text, body))
    }
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
    write_to(Vec::new(), blob)
}

/// Behind what there is.
fn write_to(mut bytes: Vec<u8>, blob: &impl Serialize) -> Bytes {
    bytes.push(VERSION);
    let bytes = postcard::to_extend(blob, bytes);
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
