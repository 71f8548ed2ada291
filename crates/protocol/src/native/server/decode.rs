use bytestring::ByteString;

use super::{
    Absent, Acked, Answer, ErrorFrame, IceServers, Left, Limits, Member, Members, Message, Migrate,
    Present, Reason, Requested, ServerFrame, Undelivered, Welcome,
};
use crate::native::{
    ErrorCode, FrameError, MAX_REASON_BYTES, MAX_TOKEN_BYTES, TAG_DIGITS,
    client::numbered,
    fields::{Fields, bad},
};

/// Reads a frame for a client.
///
/// # Errors
/// [`FrameError`] when it is not understood.
pub fn decode(frame: &str) -> Result<ServerFrame, FrameError> {
    let (kind, fields) = Fields::read(frame)?;
    let fields = &fields;
    Ok(match kind.as_str() {
        "welcome" => ServerFrame::Welcome(welcome(fields)?),
        "members" => ServerFrame::Members(Members {
            room: fields.room("room")?,
            peer: fields.peer("peer")?,
            resume: fields.text("resume", MAX_TOKEN_BYTES)?,
            parts: fields.optional_parts("parts")?,
            peers: fields.list("peers", member)?,
        }),
        "joined" => ServerFrame::Joined(present(fields)?),
        "updated" => ServerFrame::Updated(present(fields)?),
        "resumed" => ServerFrame::Resumed(present(fields)?),
        "suspended" => ServerFrame::Suspended(Absent {
            peer: fields.peer("peer")?,
        }),
        "left" => ServerFrame::Left(Left {
            peer: fields.peer("peer")?,
            reason: fields.text("reason", MAX_REASON_BYTES)?,
        }),
        "message" => ServerFrame::Message(Message {
            from: fields.peer("from")?,
            session: fields.optional_text("session", MAX_TOKEN_BYTES)?,
            n: fields.optional_number("n")?,
            first: fields.optional_number("first")?,
            to: fields.optional_peer("to")?,
            body: fields.json("body")?,
        }),
        "acked" => ServerFrame::Acked(Acked {
            by: fields.peer("by")?,
            session: fields.text("session", MAX_TOKEN_BYTES)?,
            n: numbered(fields)?,
        }),
        "undelivered" => ServerFrame::Undelivered(Undelivered {
            to: fields.peer("to")?,
            session: fields.text("session", MAX_TOKEN_BYTES)?,
            n: numbered(fields)?,
            reason: required_reason(fields)?,
        }),
        "requested" => ServerFrame::Requested(Requested {
            id: fields.text("id", MAX_TOKEN_BYTES)?,
            from: fields.peer("from")?,
            data: fields.json("data")?,
        }),
        "answer" => ServerFrame::Answer(answer(fields)?),
        "ice_servers" => ServerFrame::IceServers(IceServers {
            ice_servers: fields.json("ice_servers")?,
            ttl: fields.number("ttl")?,
        }),
        "migrate" => ServerFrame::Migrate(Migrate {
            within_ms: fields.number("within_ms")?,
        }),
        "error" => ServerFrame::Error(ErrorFrame {
            code: fields.text("code", MAX_REASON_BYTES)?,
            message: fields.text("message", MAX_TOKEN_BYTES)?,
            temporary: fields.flag("temporary")?,
            about: fields.optional_text("about", MAX_REASON_BYTES)?,
        }),
        "pong" => ServerFrame::Pong,
        other => {
            let message = format!("there is no type {other:?}");
            return Err(FrameError::new(ErrorCode::UnknownType, message));
        }
    })
}

fn welcome(fields: &Fields<'_>) -> Result<Welcome, FrameError> {
    let limits = fields.object("limits", |limits| {
        Ok(Limits {
            frame_bytes: limits.number("frame_bytes")?,
            unacknowledged: limits.number("unacknowledged")?,
        })
    })?;
    Ok(Welcome {
        session: fields.text("session", MAX_TOKEN_BYTES)?,
        resume: fields.text("resume", MAX_TOKEN_BYTES)?,
        node: fields.text("node", MAX_TOKEN_BYTES)?,
        region: fields.text("region", MAX_TOKEN_BYTES)?,
        window_ms: fields.number("window_ms")?,
        ice_servers: fields.json("ice_servers")?,
        ttl: fields.number("ttl")?,
        limits,
        trace: fields.optional_text("trace", MAX_TOKEN_BYTES)?,
    })
}

fn member(fields: &Fields<'_>) -> Result<Member, FrameError> {
    Ok(Member {
        peer: fields.peer("peer")?,
        data: fields.json("data")?,
        tag: fields.text("tag", TAG_DIGITS)?,
        suspended: fields.flag("suspended")?,
        dialect: dialect(fields)?,
    })
}

fn dialect(fields: &Fields<'_>) -> Result<Option<ByteString>, FrameError> {
    fields.optional_text("dialect", MAX_REASON_BYTES)
}

fn present(fields: &Fields<'_>) -> Result<Present, FrameError> {
    Ok(Present {
        peer: fields.peer("peer")?,
        data: fields.json("data")?,
        tag: fields.text("tag", TAG_DIGITS)?,
        dialect: dialect(fields)?,
    })
}

fn answer(fields: &Fields<'_>) -> Result<Answer, FrameError> {
    Ok(Answer {
        id: fields.text("id", MAX_TOKEN_BYTES)?,
        ok: fields.flag("ok")?,
        peer: fields.optional_peer("peer")?,
        data: fields.optional_json("data"),
        reason: reason(fields)?,
        message: fields.optional_text("message", MAX_REASON_BYTES)?,
    })
}

fn reason(fields: &Fields<'_>) -> Result<Option<Reason>, FrameError> {
    let Some(word) = fields.optional_text("reason", MAX_REASON_BYTES)? else {
        return Ok(None);
    };
    let found = Reason::ALL
        .into_iter()
        .find(|reason| *reason.label() == *word);
    found.map_or_else(
        || Err(bad("reason", "is none that is known")),
        |reason| Ok(Some(reason)),
    )
}

fn required_reason(fields: &Fields<'_>) -> Result<Reason, FrameError> {
    reason(fields)?.ok_or_else(|| bad("reason", "is missing"))
}
