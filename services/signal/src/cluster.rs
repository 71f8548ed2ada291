//! Between the switchboard's words and the backplane's; public for those who drive both without sockets.
//!
//! What one node writes, another of another version may read: every blob begins with a version byte, and one
//! that cannot be read is counted and skipped.

use backplane::{Change, Command, Entry, Event, NodeId};
use bytes::Bytes;
use bytestring::ByteString;
use protocol::{LeaveReason, Payload, PeerId, RoomId};
use serde::{Deserialize, Serialize};
use switchboard::{ClusterCommand, ClusterEvent, ConnectionId, RosterChange, RosterEntry};

/// Version of every blob written here.
const VERSION: u8 = 1;

/// What a peer says, or has announced.
#[derive(Serialize, Deserialize)]
struct PayloadBlob<'a> {
    body: u32,
    text: &'a str,
}

/// A message between peers of different nodes; `to` and `room` are empty where the channel says them.
#[derive(Serialize, Deserialize)]
struct MessageBlob<'a> {
    room: &'a str,
    from: &'a str,
    to: &'a str,
    body: u32,
    text: &'a str,
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
        } => Command::Send {
            node: NodeId(node.0),
            payload: message_blob(room.as_str(), &from, to.as_str(), &payload),
            room: room.into(),
        },
        ClusterCommand::Broadcast {
            room,
            nodes,
            from,
            payload,
        } => Command::Publish {
            payload: message_blob("", &from, "", &payload),
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
            roster: roster.map(readable_entries),
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
            roster: readable_entries(roster),
        },
        Event::AssertFailed { room } => ClusterEvent::AssertFailed {
            room: room_id(room)?,
        },
        Event::Gap { room } => ClusterEvent::Gap {
            room: room_id(room)?,
        },
        Event::Confirmed { room, node } => ClusterEvent::Confirmed {
            room: room_id(room)?,
            node: switchboard::NodeId(node.0),
        },
        Event::Received { payload, .. } => {
            let (message, said) = read_message(&payload)?;
            ClusterEvent::Received {
                room: room_id(message.room)?,
                from: peer_id(message.from)?,
                to: peer_id(message.to)?,
                payload: said,
            }
        }
        Event::Published { room, payload, .. } => {
            let (message, said) = read_message(&payload)?;
            ClusterEvent::Heard {
                room: room_id(room)?,
                from: peer_id(message.from)?,
                payload: said,
            }
        }
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
fn readable_entries(roster: Vec<Entry>) -> Vec<RosterEntry> {
    roster
        .into_iter()
        .filter_map(|member| entry(member).ok())
        .collect()
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

fn message_blob(room: &str, from: &PeerId, to: &str, payload: &Payload) -> Bytes {
    write(&MessageBlob {
        room,
        from: from.as_str(),
        to,
        body: offset(payload),
        text: payload.text(),
    })
}

fn read_message(blob: &Bytes) -> Result<(MessageBlob<'_>, Payload), Unreadable> {
    let message: MessageBlob<'_> = read(blob)?;
    let said = payload(blob, message.text, message.body)?;
    Ok((message, said))
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
    RoomId::new(text).map_err(|_| Unreadable)
}

fn peer_id(text: impl Into<ByteString>) -> Result<PeerId, Unreadable> {
    PeerId::new(text).map_err(|_| Unreadable)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_message_arrives_at_the_other_node_as_it_was(
            room in "[^|]{1,20}", from in "[^|]{1,20}", to in "[^|]{1,20}",
            text in ".{0,80}", body in 0..80usize,
        ) {
            let said = Payload::new(text.into(), body);
            let sent = command(ClusterCommand::Send {
                node: switchboard::NodeId("n".into()),
                room: RoomId::new(room.clone()).unwrap(),
                from: PeerId::new(from.clone()).unwrap(),
                to: PeerId::new(to.clone()).unwrap(),
                payload: said.clone(),
            });
            let Command::Send { payload, .. } = sent else {
                panic!("{sent:?}");
            };
            let received = event(Event::Received { from: NodeId("m".into()), payload }).unwrap();
            prop_assert_eq!(received, ClusterEvent::Received {
                room: RoomId::new(room).unwrap(),
                from: PeerId::new(from).unwrap(),
                to: PeerId::new(to).unwrap(),
                payload: said,
            });
        }

        #[test]
        fn no_bytes_of_another_node_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let from = NodeId("m".into());
            let _ = event(Event::Received { from, payload: bytes.into() });
        }
    }

    #[test]
    fn a_blob_of_another_version_is_unreadable() {
        let from = NodeId("m".into());
        let payload = Bytes::from_static(&[2, 0, 0, 0]);
        assert!(event(Event::Received { from, payload }).is_err());
    }

    #[test]
    fn a_departure_keeps_its_reason() {
        for why in [LeaveReason::Left, LeaveReason::Expired] {
            assert_eq!(reason(&reason_blob(why)), why);
        }
        assert_eq!(reason(b""), LeaveReason::Expired);
    }
}
