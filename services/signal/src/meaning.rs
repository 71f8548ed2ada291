//! What the frames of a native client mean to the switchboard. Who sends them is known by their connection.

use std::time::Duration;

use protocol::{
    ClientMessage, PeerId,
    native::{ClientFrame, client::Announce, payload},
};

/// Longest that a request may take where its client does not say.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// An announcement as `peer`, of a client that this `owner`'s ids belong to.
pub fn announced(owner: &str, peer: PeerId, announce: Announce) -> ClientMessage {
    ClientMessage::Announce {
        attributes: payload::announcement(owner, &announce),
        room: announce.room,
        peer,
    }
}

/// What a client says in the room that it has announced itself in, in this session; none where it is nothing to the room.
pub fn said(session: &str, frame: ClientFrame) -> Option<ClientMessage> {
    let sender = None;
    let (to, payload) = match frame {
        ClientFrame::Leave => return Some(ClientMessage::Leave { sender }),
        ClientFrame::Broadcast(said) => {
            let payload = payload::broadcast(session, &said);
            return Some(ClientMessage::Broadcast { sender, payload });
        }
        ClientFrame::Request(request) => {
            let timeout = request.timeout_ms.map(Duration::from_millis);
            return Some(ClientMessage::Request {
                id: request.id,
                wanted: request.wanted,
                timeout: timeout.unwrap_or(REQUEST_TIMEOUT),
            });
        }
        ClientFrame::Send(send) => {
            let payload = payload::message(session, &send);
            (send.to, payload)
        }
        ClientFrame::Ack(ack) => {
            let payload = payload::ack(&ack);
            (ack.from, payload)
        }
        ClientFrame::Accept(accept) => (accept.from, payload::accept(&accept.id)),
        ClientFrame::Decline(decline) => {
            let payload = payload::decline(&decline.id, decline.reason.as_deref());
            (decline.from, payload)
        }
        ClientFrame::Hello(_) | ClientFrame::Announce(_) | ClientFrame::Ping => return None,
    };
    Some(ClientMessage::Send {
        sender,
        to,
        payload,
    })
}
