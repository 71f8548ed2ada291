use bytestring::ByteString;

use super::{
    Digest, ErrorCode, Json, Tag,
    server::{
        Absent, Answer, ErrorFrame, Left, Member, Members, Present, Reason, ServerFrame,
        encode as write,
    },
};
use crate::{Form, LeaveReason, Outcome, Payload, PeerId, ServerMessage};

/// What a native client is told that its peer speaks which wrote `attributes`.
const RTC_IO: &str = "rtc.io";

/// What a node knows of a client that takes its seat in a room.
#[derive(Debug, Default)]
pub struct Seated {
    /// The token with which it may return.
    pub resume: ByteString,
    /// What it knows of who is there.
    pub known: Option<Digest>,
}

/// Writes `message` for a native client, of whom more is asked only when it takes its seat; `None` where it is not told.
pub fn encode(message: &ServerMessage, seated: impl FnOnce() -> Seated) -> Option<ByteString> {
    Some(write(&match message {
        ServerMessage::Members {
            room,
            peer,
            is_whole,
            peers,
        } => {
            let Seated { resume, known } = seated();
            let (parts, peers) = match is_whole {
                true => unknown(peers, known.as_ref()),
                false => (Some(Vec::new()), peers.iter().map(listed).collect()),
            };
            ServerFrame::Members(Members {
                room: room.clone(),
                peer: peer.clone(),
                resume,
                parts,
                peers,
            })
        }
        ServerMessage::Joined { peer, attributes } => {
            ServerFrame::Joined(present(peer, attributes))
        }
        ServerMessage::Updated { peer, attributes } => {
            ServerFrame::Updated(present(peer, attributes))
        }
        ServerMessage::Resumed { peer, attributes } => {
            ServerFrame::Resumed(present(peer, attributes))
        }
        ServerMessage::Suspended { peer } => {
            let peer = peer.clone();
            ServerFrame::Suspended(Absent { peer })
        }
        ServerMessage::Left { peer, reason } => ServerFrame::Left(Left {
            peer: peer.clone(),
            reason: ByteString::from_static(match reason {
                LeaveReason::Left => "left",
                LeaveReason::Expired => "expired",
            }),
        }),
        ServerMessage::Message { from, payload } => return said(from, payload),
        ServerMessage::Answer { id, outcome } => ServerFrame::Answer(answer(id, outcome)),
        ServerMessage::IdInUse { peer } => ServerFrame::Error(ErrorFrame {
            code: ErrorCode::IdInUse.label().into(),
            message: format!(
                "somebody else is {peer:?} in this room",
                peer = peer.as_str()
            )
            .into(),
            temporary: ErrorCode::IdInUse.is_temporary(),
            about: Some("announce".into()),
        }),
        ServerMessage::RoomInfo { .. } | ServerMessage::Superseded => return None,
    }))
}

/// Of the members those that a client does not know, and which parts of the room these are.
fn unknown(peers: &[crate::Member], known: Option<&Digest>) -> (Option<Vec<u8>>, Vec<Member>) {
    let all = peers.iter().map(|member| {
        let tag = tag(&member.peer, &member.attributes);
        (tag, member)
    });
    let Some(known) = known else {
        return (None, all.map(|(_, member)| listed(member)).collect());
    };
    let all: Vec<_> = all.collect();
    let mut digest = Digest::default();
    for (tag, _) in &all {
        digest.toggle(*tag);
    }
    let parts = digest.differing(known);
    let is_news =
        |tag: Tag, member: &crate::Member| member.suspended || parts.contains(&tag.part());
    let news = all
        .into_iter()
        .filter(|(tag, member)| is_news(*tag, member));
    let news = news.map(|(_, member)| listed(member)).collect();
    (Some(parts), news)
}

/// What its peer speaks, if that is another dialect.
fn dialect(attributes: &Payload) -> Option<&'static str> {
    (attributes.form() == Form::RtcIo).then_some(RTC_IO)
}

fn tag(peer: &PeerId, attributes: &Payload) -> Tag {
    Tag::of(peer, attributes.body(), dialect(attributes))
}

fn listed(member: &crate::Member) -> Member {
    let Present {
        peer,
        data,
        tag,
        dialect,
    } = present(&member.peer, &member.attributes);
    Member {
        peer,
        data,
        tag,
        suspended: member.suspended,
        dialect,
    }
}

fn present(peer: &PeerId, attributes: &Payload) -> Present {
    let data = super::payload::data(attributes);
    Present {
        peer: peer.clone(),
        data: data.unwrap_or_else(Json::nothing),
        tag: tag(peer, attributes).text(),
        dialect: dialect(attributes).map(ByteString::from_static),
    }
}

fn answer(id: &ByteString, outcome: &Outcome) -> Answer {
    let none = Answer {
        id: id.clone(),
        ok: false,
        peer: None,
        data: None,
        reason: None,
        message: None,
    };
    match outcome {
        Outcome::Accepted { peer, attributes } => Answer {
            ok: true,
            peer: Some(peer.clone()),
            data: super::payload::data(attributes),
            ..none
        },
        Outcome::Failed {
            reason,
            peer,
            message,
        } => Answer {
            peer: peer.clone(),
            reason: Some(*reason),
            message: message.clone().filter(|_| *reason == Reason::Declined),
            ..none
        },
    }
}

/// What a peer says is not read again: its fields are put into a frame.
fn said(from: &PeerId, payload: &Payload) -> Option<ByteString> {
    let (kind, whom) = match payload.form() {
        Form::Message => ("message", "from"),
        Form::Ack => ("acked", "by"),
        Form::Undelivered => ("undelivered", "to"),
        Form::Request => ("requested", "from"),
        Form::RtcIo => return Some(foreign(from, payload)),
        Form::Announcement | Form::Accept | Form::Decline | Form::Suspension => return None,
    };
    let from = text(from.as_str());
    let fields = payload.text();
    Some(format!(r#"{{"type":"{kind}","{whom}":{from},{fields}}}"#).into())
}

/// A frame of an rtc.io client's is a string.
fn foreign(from: &PeerId, payload: &Payload) -> ByteString {
    let to = payload
        .body_offset()
        .checked_sub(1)
        .and_then(|end| payload.text().get("/to|".len()..end));
    let to = to.map(|to| format!(r#""to":{},"#, text(to)));
    let (from, to) = (text(from.as_str()), to.unwrap_or_default());
    let body = text(payload.body());
    format!(r#"{{"type":"message","from":{from},{to}"body":{body}}}"#).into()
}

fn text(text: &str) -> serde_json::Value {
    text.into()
}

#[cfg(test)]
mod tests;
