use bytestring::ByteString;
use memchr::memchr;
use serde_json::{Map, Value};

use super::{
    attributes::Attributes,
    pipes::{self, Escaped},
};
use crate::{ClientMessage, IdError, Payload, PeerId, RoomId};

/// Why a frame was not understood. It is dropped and counted under [`Self::label`]; nothing is said to the
/// client, since no rtc.io client has a word for it, and the connection and its membership stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Does not begin with `/`; rtc-switchboard 3 drops these too.
    NotACommand,
    /// A `primus::…` control frame, which rtc-switchboard 3 ignores too.
    Primus,
    /// `/announce` without a JSON object in its third part.
    NoAttributes,
    /// `/announce` whose `id` is neither a string nor a number, is empty, too long, or contains a `|`.
    BadPeerId,
    /// `/announce` whose `room` is neither a string nor a number, is too long, or contains a `|`.
    BadRoom,
    /// `/announce` whose second part names another peer than its attributes do.
    ForeignSender,
    /// `/to` without a possible peer id in its second part.
    NoTarget,
}

impl Refusal {
    /// A word for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::NotACommand => "not-a-command",
            Self::Primus => "primus",
            Self::NoAttributes => "no-attributes",
            Self::BadPeerId => "bad-peer-id",
            Self::BadRoom => "bad-room",
            Self::ForeignSender => "foreign-sender",
            Self::NoTarget => "no-target",
        }
    }
}

/// Reads one text frame of a client.
///
/// # Errors
/// A [`Refusal`] for a frame that means nothing here; the caller drops the frame and goes on.
pub fn decode(frame: &str) -> Result<ClientMessage, Refusal> {
    if !frame.starts_with('/') {
        return Err(if frame.starts_with("primus") {
            Refusal::Primus
        } else {
            Refusal::NotACommand
        });
    }
    // Nearly all frames are these.
    if frame
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("/to|"))
    {
        return directed(frame, 4);
    }
    let command = &frame[..memchr(b'|', frame.as_bytes()).unwrap_or(frame.len())];
    let arguments = (command.len() + 1).min(frame.len());
    if command.eq_ignore_ascii_case("/to") {
        return directed(frame, arguments);
    }
    let Escaped { text, ends } = pipes::escape(frame, arguments);
    let sender = sender(&text, arguments, ends[0]);
    if command.eq_ignore_ascii_case("/announce") {
        return announce(text, sender, ends[0] + 1);
    }
    if command.eq_ignore_ascii_case("/leave") {
        return Ok(ClientMessage::Leave { sender });
    }
    let payload = Payload::new(text, 0);
    Ok(ClientMessage::Broadcast { sender, payload })
}

/// `/to|TARGET|BODY`: the target ends at the next `|` whatever it looks like, since ids contain none.
fn directed(frame: &str, arguments: usize) -> Result<ClientMessage, Refusal> {
    let target =
        memchr(b'|', &frame.as_bytes()[arguments..]).map_or(frame.len(), |pipe| arguments + pipe);
    let body = (target + 1).min(frame.len());
    let Escaped { text, ends } = pipes::escape(frame, body);
    let to = PeerId::new(cut(&text, arguments, target)).map_err(|_| Refusal::NoTarget)?;
    let sender = text[body..]
        .starts_with('/')
        .then(|| sender(&text, ends[0] + 1, ends[1]))
        .flatten();
    let payload = Payload::new(text, body);
    Ok(ClientMessage::Send {
        sender,
        to,
        payload,
    })
}

/// `/announce|ID|{attributes}`: the attributes, from `body` on, are the source of id and room.
fn announce(
    text: ByteString,
    sender: Option<ByteString>,
    body: usize,
) -> Result<ClientMessage, Refusal> {
    let json = text.get(body..).ok_or(Refusal::NoAttributes)?;
    let attributes: Attributes =
        serde_json::from_str(&json[..pipes::part_len(json)]).map_err(|_| Refusal::NoAttributes)?;
    let id = match &attributes.id {
        Some(id) => id_text(id),
        None => sender.clone(),
    };
    let peer = id
        .and_then(|id| PeerId::new(id).ok())
        .ok_or(Refusal::BadPeerId)?;
    if sender.is_some_and(|sender| *sender != *peer.as_str()) {
        return Err(Refusal::ForeignSender);
    }
    let room = match &attributes.room {
        None | Some(Value::Null | Value::Bool(false)) => Err(IdError::Empty),
        Some(room) => RoomId::new(id_text(room).ok_or(Refusal::BadRoom)?),
    };
    match room {
        Ok(room) => Ok(ClientMessage::Announce {
            room,
            peer,
            attributes: Payload::new(text, body),
        }),
        // A peer that announces itself without a room is in none.
        Err(IdError::Empty) => Ok(ClientMessage::Leave {
            sender: Some(peer.into()),
        }),
        Err(IdError::TooLong | IdError::Pipe) => Err(Refusal::BadRoom),
    }
}

/// Strings as they are; numbers as JavaScript writes them into the frame's other parts.
fn id_text(value: &Value) -> Option<ByteString> {
    match value {
        Value::String(text) => Some(text.as_str().into()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The sender that the part between `at` and `end` names: bare, or as the `{"id":…}` of rtc-signaller before 6.
///
/// A part that names nobody in particular stands for itself, so that it is nobody's own id.
fn sender(text: &ByteString, at: usize, end: usize) -> Option<ByteString> {
    let part = text.get(at..end)?;
    if part.starts_with('{')
        && let Ok(source) = serde_json::from_str::<Map<String, Value>>(part)
        && let Some(id) = source.get("id").and_then(id_text)
    {
        return Some(id);
    }
    (!part.is_empty()).then(|| cut(text, at, end))
}

fn cut(text: &ByteString, from: usize, to: usize) -> ByteString {
    text.slice_ref(&text[from..to])
}
