//! What a node tells its clients, each in its own dialect.

use std::{sync::Arc, task::Waker};

use bytestring::ByteString;
use protocol::{
    ClientMessage, ServerMessage,
    native::{self, Digest, Seated},
    rtcio,
};
use switchboard::{ConnectionId, Recipients};

use super::{Node, State};
use crate::{
    CloseCode,
    outbox::{Outbox, Pushed},
    resume::Session,
};

/// A connection, as the node sees it.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) outbox: Arc<Outbox>,
    pub(super) dialect: Dialect,
    /// What a native client that is about to take its seat knows of who is there.
    pub(super) known: Option<Digest>,
}

/// What a client understands.
#[derive(Debug)]
pub(crate) enum Dialect {
    RtcIo,
    /// With the session, once it has said hello.
    Native(Option<Arc<Session>>),
}

/// A message as it is written in each dialect, once somebody needs it.
#[derive(Default)]
struct Written {
    rtcio: Option<Option<ByteString>>,
    native: Option<Option<ByteString>>,
}

impl Node {
    /// A native client announces itself, and says what it knows of the room.
    pub(crate) fn announce(
        &self,
        connection: ConnectionId,
        message: &ClientMessage,
        known: Option<Digest>,
    ) {
        let mut state = self.lock();
        if let Some(client) = state.clients.get_mut(&connection) {
            client.known = known;
        }
        self.change_locked(state, |switchboard, now| {
            switchboard.handle_message(connection, message, now);
        });
    }

    /// Tells a client something that is not of the switchboard.
    pub(crate) fn tell(&self, connection: ConnectionId, text: &str) {
        let mut state = self.lock();
        let State {
            clients,
            waiting,
            writer,
            ..
        } = &mut *state;
        if let Some(client) = clients.get(&connection) {
            self.push(connection, &client.outbox, text, (waiting, writer));
        }
    }

    pub(super) fn deliver(&self, state: &mut State, to: &Recipients, message: &ServerMessage) {
        if let ServerMessage::Answer { outcome, .. } = message {
            self.metrics.answer_with(outcome);
        }
        let mut written = Written::default();
        let State {
            clients,
            waiting,
            writer,
            ..
        } = state;
        for connection in to.as_slice() {
            let Some(client) = clients.get_mut(connection) else {
                continue;
            };
            let text = match &client.dialect {
                Dialect::RtcIo => written.rtcio.get_or_insert_with(|| rtcio::encode(message)),
                Dialect::Native(_) if *message == ServerMessage::Superseded => {
                    client.outbox.close(CloseCode::Superseded);
                    continue;
                }
                // A client takes its seat alone.
                Dialect::Native(session) => written.native.get_or_insert_with(|| {
                    let token = |session: &Arc<Session>| self.resume_key.token(session);
                    native::encode(message, || Seated {
                        resume: session.as_ref().map(token).unwrap_or_default(),
                        known: client.known.take(),
                    })
                }),
            };
            if let Some(text) = text {
                self.push(*connection, &client.outbox, text, (waiting, writer));
            }
        }
    }

    fn push(
        &self,
        connection: ConnectionId,
        outbox: &Arc<Outbox>,
        text: &str,
        (waiting, writer): (&mut Vec<Arc<Outbox>>, &Option<Waker>),
    ) {
        self.metrics.sent.inc();
        tracing::trace!(connection = connection.0, %text, "told");
        match outbox.push(text) {
            Pushed::Taken => {}
            Pushed::First => {
                if let (true, Some(writer)) = (waiting.is_empty(), writer) {
                    writer.wake_by_ref();
                }
                waiting.push(outbox.clone());
            }
            Pushed::Overflowed => {
                tracing::debug!(connection = connection.0, "reading too slowly");
            }
        }
    }
}
