//! What native clients say, as it travels between nodes: fields of the frames that their receivers are told.

use std::borrow::Cow;

use bytestring::ByteString;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    Json,
    client::{Ack, Announce, Broadcast, Send},
    json::written,
    server::Reason,
};
use crate::{Form, Payload, PeerId};

/// An announcement. `owner` must have no `|` in it.
pub fn announcement(owner: &str, announce: &Announce) -> Payload {
    let prefix = format!("{owner}|{}|", announce.room);
    let text = format!("{prefix}{}", announce.data.as_str());
    Payload::of(Form::Announcement, text.into(), prefix.len())
}

/// The room that an announcement of a native client names, and its data.
pub(crate) fn announced(payload: &Payload) -> (&str, &str) {
    let room = payload.text().split('|').nth(1).unwrap_or_default();
    (room, payload.body())
}

/// A message for one peer, of this session.
pub fn message(session: &str, send: &Send) -> Payload {
    #[derive(Serialize)]
    struct Fields<'a> {
        session: &'a str,
        n: u64,
        first: u64,
        to: &'a PeerId,
        body: &'a Json,
    }
    with_body(
        &Fields {
            session,
            n: send.n,
            first: send.first.unwrap_or(send.n),
            to: &send.to,
            body: &send.body,
        },
        &send.body,
    )
}

/// A message for everybody else in the room.
pub fn broadcast(session: &str, broadcast: &Broadcast) -> Payload {
    #[derive(Serialize)]
    struct Fields<'a> {
        session: &'a str,
        n: u64,
        body: &'a Json,
    }
    with_body(
        &Fields {
            session,
            n: broadcast.n,
            body: &broadcast.body,
        },
        &broadcast.body,
    )
}

/// Session and number of a message for one peer.
pub fn numbered(payload: &Payload) -> Option<(ByteString, u64)> {
    #[derive(Deserialize)]
    struct Numbered<'a> {
        #[serde(borrow)]
        session: Cow<'a, str>,
        n: u64,
        #[serde(borrow, default)]
        to: Option<&'a RawValue>,
    }
    if payload.form() != Form::Message {
        return None;
    }
    let text = braced(payload.text());
    let read: Numbered<'_> = serde_json::from_str(&text).ok()?;
    read.to?;
    Some((ByteString::from(&*read.session), read.n))
}

/// A message for one peer, and the rtc.io frame that its body has, if it is one: a string that begins with a slash.
pub(crate) fn rtcio_frame(payload: &Payload) -> Option<(Option<String>, String)> {
    #[derive(Deserialize)]
    struct Addressed {
        to: Option<String>,
        body: String,
    }
    if !payload.body().starts_with("\"/") && !payload.body().starts_with("\"\\") {
        return None;
    }
    let read: Addressed = serde_json::from_str(&braced(payload.text())).ok()?;
    read.body.starts_with('/').then_some((read.to, read.body))
}

/// A message has come, as have all before it.
pub fn ack(ack: &Ack) -> Payload {
    #[derive(Serialize)]
    struct Fields<'a> {
        session: &'a str,
        n: u64,
    }
    let (session, n) = (&*ack.session, ack.n);
    fields(Form::Ack, &Fields { session, n })
}

/// A message has not been delivered.
pub fn undelivered(session: &str, n: u64, reason: Reason) -> Payload {
    #[derive(Serialize)]
    struct Fields<'a> {
        session: &'a str,
        n: u64,
        reason: Reason,
    }
    fields(Form::Undelivered, &Fields { session, n, reason })
}

/// A peer that has announced `data` asks whether the receiver will talk.
pub fn request(id: &str, data: &Json) -> Payload {
    #[derive(Serialize)]
    struct Fields<'a> {
        id: &'a str,
        data: &'a Json,
    }
    fields(Form::Request, &Fields { id, data })
}

/// The receiver's request is taken.
pub fn accept(id: &str) -> Payload {
    fields(Form::Accept, &Taken { id })
}

/// It is not.
pub fn decline(id: &str, message: Option<&str>) -> Payload {
    fields(Form::Decline, &Refused { id, message })
}

#[derive(Serialize)]
struct Taken<'a> {
    id: &'a str,
}

#[derive(Serialize)]
struct Refused<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

/// What comes back of a request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Reply {
    /// The request's id.
    pub id: String,
    /// What whoever declines has said of it.
    #[serde(default)]
    pub message: Option<String>,
}

/// What [`accept`] or [`decline`] says.
pub fn reply(payload: &Payload) -> Option<Reply> {
    match payload.form() {
        Form::Accept | Form::Decline => serde_json::from_str(&braced(payload.text())).ok(),
        Form::RtcIo
        | Form::Announcement
        | Form::Message
        | Form::Ack
        | Form::Undelivered
        | Form::Request
        | Form::Suspension => None,
    }
}

/// The sender's connection is lost, that of this claim on its id.
pub fn suspension(fence: u64) -> Payload {
    Payload::of(Form::Suspension, fence.to_string().into(), 0)
}

/// The data that matches are looked for in: of either dialect an object.
pub fn data(attributes: &Payload) -> Option<Json> {
    Json::new(attributes.body()).ok()
}

fn fields(form: Form, fields: &impl Serialize) -> Payload {
    let text = written(fields);
    Payload::of(form, text.slice_ref(unbraced(&text)), 0)
}

/// The body is what comes last.
fn with_body(fields: &impl Serialize, body: &Json) -> Payload {
    let text = written(fields);
    let text = text.slice_ref(unbraced(&text));
    let offset = text.len().saturating_sub(body.as_str().len());
    Payload::of(Form::Message, text, offset)
}

fn unbraced(object: &str) -> &str {
    let inner = object.strip_prefix('{');
    inner
        .and_then(|inner| inner.strip_suffix('}'))
        .unwrap_or_default()
}

fn braced(fields: &str) -> String {
    format!("{{{fields}}}")
}
