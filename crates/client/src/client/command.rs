//! What an application asks of the task behind its client, and who waits for the answer.

use std::time::Duration;

use protocol::{
    PeerId,
    native::{
        Json,
        client::Wanted,
        server::{Member, Reason},
    },
};
use tokio::sync::oneshot;

use crate::{error::Failure, event::Asked, output::Settled, session::Keepsake};

pub(super) type Reply<T> = oneshot::Sender<T>;

/// What the application asks for.
#[derive(Debug)]
pub(super) enum Command {
    Announce {
        data: Json,
        reply: Reply<Result<PeerId, Failure>>,
    },
    Send {
        to: PeerId,
        body: Json,
        reply: Reply<Result<(), Failure>>,
    },
    Broadcast {
        body: Json,
        reply: Reply<Result<(), Failure>>,
    },
    Request {
        wanted: Wanted,
        timeout: Option<Duration>,
        reply: Reply<Result<(PeerId, Json), Failure>>,
    },
    Accept {
        asked: Asked,
        reply: Reply<()>,
    },
    Decline {
        asked: Asked,
        reason: Option<String>,
        reply: Reply<()>,
    },
    Members {
        reply: Reply<Vec<Member>>,
    },
    Keepsake {
        reply: Reply<Option<Keepsake>>,
    },
    Leave {
        reply: Reply<()>,
    },
    Close {
        reply: Reply<()>,
    },
}

/// Who waits for a ticket.
pub(super) enum Waiting {
    Announce(Reply<Result<PeerId, Failure>>),
    Send(Reply<Result<(), Failure>>),
    Request(Reply<Result<(PeerId, Json), Failure>>),
}

impl Waiting {
    /// Whoever has stopped waiting is not told.
    pub(super) fn settle(self, outcome: Result<Settled, Failure>) {
        match (self, outcome) {
            (Self::Announce(reply), Ok(Settled::Announced(peer))) => answer(reply, Ok(peer)),
            (Self::Send(reply), Ok(Settled::Delivered)) => answer(reply, Ok(())),
            (Self::Request(reply), Ok(Settled::Accepted { peer, data })) => {
                answer(reply, Ok((peer, data)));
            }
            (Self::Announce(reply), outcome) => {
                answer(reply, Err(outcome.err().unwrap_or_else(mixed_up)));
            }
            (Self::Send(reply), outcome) => {
                answer(reply, Err(outcome.err().unwrap_or_else(mixed_up)));
            }
            (Self::Request(reply), outcome) => {
                answer(reply, Err(outcome.err().unwrap_or_else(mixed_up)));
            }
        }
    }
}

/// Whoever has stopped waiting is not told.
pub(super) fn answer<T>(reply: Reply<T>, with: T) {
    let _ = reply.send(with);
}

/// A failure for what cannot be: a ticket of one kind that is settled as another.
fn mixed_up() -> Failure {
    Failure::because(Reason::Unreachable, None)
}
