use bytestring::ByteString;

use crate::{PeerId, ServerMessage};

/// Writes `message` for an rtc.io 6.x client; `None` where the dialect has no word for it.
pub fn encode(message: &ServerMessage) -> Option<ByteString> {
    match message {
        ServerMessage::RoomInfo { member_count } => {
            Some(format!("/roominfo|{{\"memberCount\":{member_count}}}").into())
        }
        ServerMessage::Joined { attributes, .. }
        | ServerMessage::Updated { attributes, .. }
        | ServerMessage::Resumed { attributes, .. } => Some(attributes.text().clone()),
        ServerMessage::Message { payload, .. } => Some(payload.text().clone()),
        ServerMessage::Left { peer, .. } => Some(leave(peer)),
        ServerMessage::Suspended { .. } | ServerMessage::Superseded => None,
    }
}

fn leave(peer: &PeerId) -> ByteString {
    let id = serde_json::Value::from(peer.as_str());
    format!("/leave|{peer}|{{\"id\":{id}}}").into()
}
