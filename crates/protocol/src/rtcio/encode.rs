use bytestring::ByteString;

use super::pipes;
use crate::{Form, Payload, PeerId, ServerMessage, native::payload};

/// Writes `message` for an rtc.io 6.x client; `None` where the dialect has no word for it.
pub fn encode(message: &ServerMessage) -> Option<ByteString> {
    match message {
        ServerMessage::RoomInfo { member_count } => {
            Some(format!("/roominfo|{{\"memberCount\":{member_count}}}").into())
        }
        ServerMessage::Joined { peer, attributes }
        | ServerMessage::Updated { peer, attributes }
        | ServerMessage::Resumed { peer, attributes } => Some(announcement(peer, attributes)),
        ServerMessage::Message { from, payload } => said(from, payload),
        ServerMessage::Left { peer, .. } => Some(leave(peer)),
        ServerMessage::Suspended { .. }
        | ServerMessage::Superseded
        | ServerMessage::Members { .. }
        | ServerMessage::IdInUse { .. }
        | ServerMessage::Answer { .. } => None,
    }
}

/// Of a native client's data, id and room come last: of several, the last counts.
fn announcement(peer: &PeerId, attributes: &Payload) -> ByteString {
    if attributes.form() != Form::Announcement {
        return attributes.text().clone();
    }
    let (room, data) = payload::announced(attributes);
    let inner = data
        .strip_prefix('{')
        .and_then(|data| data.strip_suffix('}'));
    let inner = inner.unwrap_or_default().trim().replace('|', "\\u007c");
    let comma = if inner.is_empty() { "" } else { "," };
    let (id, room) = (text(peer.as_str()), text(room));
    format!("/announce|{peer}|{{{inner}{comma}\"id\":{id},\"room\":{room}}}").into()
}

/// A native client speaks to these in their own words, as itself.
fn said(from: &PeerId, payload: &Payload) -> Option<ByteString> {
    match payload.form() {
        Form::RtcIo => Some(payload.text().clone()),
        Form::Message => {
            let (to, frame) = payload::rtcio_frame(payload)?;
            let frame = pipes::escape(&frame, 0).text;
            let sender = frame.split('|').nth(1);
            if sender != Some(from.as_str()) {
                return None;
            }
            Some(match to {
                Some(to) => format!("/to|{to}|{frame}").into(),
                None => frame,
            })
        }
        Form::Announcement
        | Form::Ack
        | Form::Undelivered
        | Form::Request
        | Form::Accept
        | Form::Decline
        | Form::Suspension => None,
    }
}

fn leave(peer: &PeerId) -> ByteString {
    let id = text(peer.as_str());
    format!("/leave|{peer}|{{\"id\":{id}}}").into()
}

fn text(text: &str) -> serde_json::Value {
    text.into()
}
