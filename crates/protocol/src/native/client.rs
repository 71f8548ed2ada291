//! What clients say.

use bytestring::ByteString;
use serde::Serialize;

use super::{
    Digest, ErrorCode, FrameError, Json, MAX_DATA_BYTES, MAX_REASON_BYTES, MAX_REQUEST_ID_BYTES,
    MAX_TIMEOUT_MS, MAX_TOKEN_BYTES, VERSION,
    fields::{Fields, bad},
};
use crate::{PeerId, RoomId};

/// A frame of a client's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientFrame {
    /// The first frame of a connection.
    Hello(Hello),
    /// Enters a room, or tells it of other data.
    Announce(Announce),
    /// Leaves the room at once.
    Leave,
    /// Says something to one peer of the room.
    Send(Send),
    /// Says something to everybody else in the room.
    Broadcast(Broadcast),
    /// Asks for a peer that will talk.
    Request(Request),
    /// Takes a request of another peer's.
    Accept(Accept),
    /// Does not take it.
    Decline(Decline),
    /// Tells a sender that a message has come, and all before it.
    Ack(Ack),
    /// Asks for a `pong`.
    Ping,
}

/// Who comes, and what for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hello {
    /// The version of the dialect.
    pub v: u64,
    /// Tells who the client is, where a node wants to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<ByteString>,
    /// The resume token of the session that goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume: Option<ByteString>,
    /// Begins a new session, which has the id of the one that the resume token is of: a page that was loaded anew does not
    /// know how far that one had counted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub anew: bool,
}

/// Where the client is to be, as whom, and what others are told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Announce {
    /// The room; the one that the client was in is left.
    pub room: RoomId,
    /// The id; a node gives a UUID to who names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<PeerId>,
    /// What others are told, and requests are matched with: an object.
    pub data: Json,
    /// What the client knows of who is in the room, from before its connection was lost: it is told only what is different.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<Digest>,
}

/// A message for one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Send {
    /// The receiver.
    pub to: PeerId,
    /// Its number among those to this receiver, from 1 on.
    pub n: u64,
    /// The lowest number that this receiver has not acknowledged and that may still come; `n` where none is said. Who has
    /// heard nothing of the session yet waits for this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// What is said.
    pub body: Json,
}

/// A message for everybody else in the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broadcast {
    /// Its number among those to the room, from 1 on.
    pub n: u64,
    /// What is said.
    pub body: Json,
}

/// A question for a peer that will talk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Request {
    /// The client's name for it, which the answer has too: one that it has not given before, under this id.
    pub id: ByteString,
    /// Who is meant.
    #[serde(flatten)]
    pub wanted: Wanted,
    /// How long it may take, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// Who is meant by a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// A peer whose data has all that this object has.
    Match(Json),
    /// The peer of this id.
    Peer(PeerId),
}

/// A yes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Accept {
    /// Who asks.
    pub from: PeerId,
    /// The request's, as the client was told it.
    pub id: ByteString,
}

/// A no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decline {
    /// Who asks.
    pub from: PeerId,
    /// The request's, as the client was told it.
    pub id: ByteString,
    /// Why, for who asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ByteString>,
}

/// What has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ack {
    /// The sender.
    pub from: PeerId,
    /// Its session: one that was begun anew counts from 1 again.
    pub session: ByteString,
    /// The number of the last message that came, as have all before it.
    pub n: u64,
}

/// Each `type`.
const KINDS: [&str; 10] = [
    "hello",
    "announce",
    "leave",
    "send",
    "broadcast",
    "request",
    "accept",
    "decline",
    "ack",
    "ping",
];

impl ClientFrame {
    /// Its `type`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Hello(_) => "hello",
            Self::Announce(_) => "announce",
            Self::Leave => "leave",
            Self::Send(_) => "send",
            Self::Broadcast(_) => "broadcast",
            Self::Request(_) => "request",
            Self::Accept(_) => "accept",
            Self::Decline(_) => "decline",
            Self::Ack(_) => "ack",
            Self::Ping => "ping",
        }
    }
}

/// Reads a client's frame.
///
/// # Errors
/// [`FrameError`] when it is not understood.
pub fn decode(frame: &str) -> Result<ClientFrame, FrameError> {
    let (kind, fields) = Fields::read(frame)?;
    let known = KINDS.into_iter().find(|known| *known == kind);
    let read = read(&kind, &fields);
    read.map_err(|error| match known {
        Some(kind) => error.about(kind),
        None => error,
    })
}

fn read(kind: &str, fields: &Fields<'_>) -> Result<ClientFrame, FrameError> {
    Ok(match kind {
        "hello" => ClientFrame::Hello(hello(fields)?),
        "announce" => ClientFrame::Announce(Announce {
            room: fields.room("room")?,
            peer: fields.optional_peer("peer")?,
            data: data(fields)?,
            known: fields.optional_digest("known")?,
        }),
        "leave" => ClientFrame::Leave,
        "send" => ClientFrame::Send(send(fields)?),
        "broadcast" => ClientFrame::Broadcast(Broadcast {
            n: numbered(fields)?,
            body: fields.json("body")?,
        }),
        "request" => ClientFrame::Request(request(fields)?),
        "accept" => ClientFrame::Accept(Accept {
            from: fields.peer("from")?,
            id: fields.text("id", MAX_REQUEST_ID_BYTES)?,
        }),
        "decline" => ClientFrame::Decline(Decline {
            from: fields.peer("from")?,
            id: fields.text("id", MAX_REQUEST_ID_BYTES)?,
            reason: fields.optional_text("reason", MAX_REASON_BYTES)?,
        }),
        "ack" => ClientFrame::Ack(Ack {
            from: fields.peer("from")?,
            session: fields.text("session", MAX_TOKEN_BYTES)?,
            n: numbered(fields)?,
        }),
        "ping" => ClientFrame::Ping,
        other => {
            let shown: String = other.chars().take(32).collect();
            let message = format!("there is no type {shown:?}");
            return Err(FrameError::new(ErrorCode::UnknownType, message));
        }
    })
}

fn hello(fields: &Fields<'_>) -> Result<Hello, FrameError> {
    let v = fields.number("v")?;
    if v != VERSION {
        let message = format!("version {v} is not spoken here, {VERSION} is");
        return Err(FrameError::new(ErrorCode::UnknownVersion, message));
    }
    Ok(Hello {
        v,
        token: fields.optional_text("token", MAX_TOKEN_BYTES)?,
        resume: fields.optional_text("resume", MAX_TOKEN_BYTES)?,
        anew: fields.flag("anew")?,
    })
}

fn data(fields: &Fields<'_>) -> Result<Json, FrameError> {
    let data = short_object(fields, "data")?;
    Ok(data.unwrap_or_else(Json::nothing))
}

/// Data, or what is compared with it.
fn short_object(fields: &Fields<'_>, name: &str) -> Result<Option<Json>, FrameError> {
    let object = fields.optional_object(name)?;
    match object {
        Some(object) if object.as_str().len() > MAX_DATA_BYTES => {
            let what = format!("has more than {MAX_DATA_BYTES} bytes");
            Err(bad(name, &what))
        }
        object => Ok(object),
    }
}

fn send(fields: &Fields<'_>) -> Result<Send, FrameError> {
    let n = numbered(fields)?;
    let first = fields.optional_number("first")?;
    if first.is_some_and(|first| !(1..=n).contains(&first)) {
        return Err(bad("first", "must be from 1 to \"n\""));
    }
    Ok(Send {
        to: fields.peer("to")?,
        n,
        first,
        body: fields.json("body")?,
    })
}

fn request(fields: &Fields<'_>) -> Result<Request, FrameError> {
    let wanted = (
        short_object(fields, "match")?,
        fields.optional_peer("peer")?,
    );
    let wanted = match wanted {
        (Some(object), None) => Wanted::Match(object),
        (None, Some(peer)) => Wanted::Peer(peer),
        (None, None) => return Err(bad("match", "is missing, and so is \"peer\"")),
        (Some(_), Some(_)) => return Err(bad("match", "and \"peer\" exclude each other")),
    };
    let timeout_ms = fields.optional_number("timeout_ms")?;
    if timeout_ms.is_some_and(|timeout| !(1..=MAX_TIMEOUT_MS).contains(&timeout)) {
        let what = format!("must be from 1 to {MAX_TIMEOUT_MS}");
        return Err(bad("timeout_ms", &what));
    }
    Ok(Request {
        id: fields.text("id", MAX_REQUEST_ID_BYTES)?,
        wanted,
        timeout_ms,
    })
}

pub(super) fn numbered(fields: &Fields<'_>) -> Result<u64, FrameError> {
    match fields.number("n")? {
        0 => Err(bad("n", "counts from 1")),
        n => Ok(n),
    }
}

/// Writes a client's frame.
pub fn encode(frame: &ClientFrame) -> ByteString {
    super::json::written(frame)
}
