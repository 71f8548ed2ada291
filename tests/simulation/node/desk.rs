//! What a node has of its native clients: the layer between their frames and the switchboard, as
//! `services/signal/src/native.rs` and `services/signal/src/node/delivery.rs` have it, without sockets and secrets.

use std::collections::BTreeMap;

use bytestring::ByteString;
use protocol::{
    ClientMessage, LeaveReason, Outcome, Payload, ServerMessage,
    native::{
        self, ClientFrame, Digest, Json, Seated, ServerFrame, client,
        client::Hello,
        server::{self, Limits, Reason, Welcome},
    },
};
use signal::meaning;
use switchboard::ConnectionId;

/// What is wrong with the node, on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NativeDefect {
    /// Acknowledgements are not passed on.
    LosesAcks,
    /// A message is written twice, as if another session had said it the second time.
    WritesTwice,
    /// Who asked for a peer that has gone since is not told.
    ForgetsRequests,
    /// Whoever is the last to announce an id has it.
    GuardsNothing,
    /// That a peer is back is not told.
    HidesReturns,
    /// That a peer's connection is lost is told as its departure.
    HurriesDepartures,
    /// Who asks is told that the peer has said yes, whatever it says.
    MakesUpAnswers,
}

/// The clients of one node.
#[derive(Debug)]
pub(crate) struct Desk {
    node: ByteString,
    window_ms: u64,
    clients: BTreeMap<ConnectionId, Client>,
    sessions: u64,
    defect: Option<NativeDefect>,
}

#[derive(Debug, Default)]
struct Client {
    session: Option<Session>,
    has_announced: bool,
    known: Option<Digest>,
}

/// Who a connection speaks for.
#[derive(Clone, Debug)]
struct Session {
    id: ByteString,
    owner: ByteString,
}

/// What comes of a frame.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The client is answered.
    Answer(ByteString),
    /// The switchboard is told.
    Message(ClientMessage),
    Nothing,
}

impl Desk {
    pub(crate) fn new(node: ByteString, window_ms: u64, defect: Option<NativeDefect>) -> Self {
        Self {
            node,
            window_ms,
            clients: BTreeMap::new(),
            sessions: 0,
            defect,
        }
    }

    pub(crate) fn open(&mut self, connection: ConnectionId) {
        self.clients.insert(connection, Client::default());
    }

    pub(crate) fn close(&mut self, connection: ConnectionId) {
        self.clients.remove(&connection);
    }

    pub(crate) fn has(&self, connection: ConnectionId) -> bool {
        self.clients.contains_key(&connection)
    }

    /// A client says something. What is wrong in itself no client of ours says.
    pub(crate) fn hear(&mut self, connection: ConnectionId, text: &str) -> Heard {
        let frame = client::decode(text).unwrap();
        if let ClientFrame::Hello(hello) = &frame {
            let session = self.session(hello);
            let welcome = self.welcome(&session);
            if let Some(client) = self.clients.get_mut(&connection) {
                client.session = Some(session);
            }
            return Heard::Answer(welcome);
        }
        if frame == ClientFrame::Ping {
            return Heard::Answer(server::encode(&ServerFrame::Pong));
        }
        let Some(client) = self.clients.get_mut(&connection) else {
            return Heard::Nothing;
        };
        let session = client.session.as_ref().unwrap();
        if let ClientFrame::Announce(mut announce) = frame {
            client.has_announced = true;
            client.known = announce.known.take();
            let peer = announce.peer.take().unwrap();
            let owner = match self.defect {
                Some(NativeDefect::GuardsNothing) => "",
                Some(_) | None => &session.owner,
            };
            return Heard::Message(meaning::announced(owner, peer, announce));
        }
        if !client.has_announced {
            return Heard::Nothing;
        }
        client.has_announced = frame != ClientFrame::Leave;
        if self.defect == Some(NativeDefect::LosesAcks) && matches!(frame, ClientFrame::Ack(_)) {
            return Heard::Nothing;
        }
        meaning::said(&session.id, frame).map_or(Heard::Nothing, Heard::Message)
    }

    fn session(&mut self, hello: &Hello) -> Session {
        self.sessions += 1;
        let new = format!("{}s{}", self.node, self.sessions);
        let token = hello.resume.as_deref();
        match token.and_then(|token| token.split_once('|')) {
            Some((_, owner)) if hello.anew => Session {
                id: new.into(),
                owner: owner.into(),
            },
            Some((id, owner)) => Session {
                id: id.into(),
                owner: owner.into(),
            },
            None => Session {
                owner: format!("owner-{new}").into(),
                id: new.into(),
            },
        }
    }

    fn welcome(&self, session: &Session) -> ByteString {
        server::encode(&ServerFrame::Welcome(Welcome {
            session: session.id.clone(),
            resume: token(session),
            node: self.node.clone(),
            region: ByteString::from_static("r"),
            window_ms: self.window_ms,
            ice_servers: Json::new("[]").unwrap(),
            ttl: 3600,
            limits: Limits {
                frame_bytes: 256 * 1024,
                unacknowledged: 256,
            },
            trace: None,
        }))
    }

    /// Who alone may have the ids of this connection.
    pub(crate) fn owner(&self, connection: ConnectionId) -> Option<ByteString> {
        let client = self.clients.get(&connection)?;
        Some(client.session.as_ref()?.owner.clone())
    }

    /// The frames that a client is told a message with.
    pub(crate) fn write(
        &mut self,
        connection: ConnectionId,
        message: &ServerMessage,
    ) -> Vec<ByteString> {
        let Some(client) = self.clients.get_mut(&connection) else {
            return Vec::new();
        };
        let mut all = match self.defect {
            Some(defect) => defect.applied(message),
            None => vec![message.clone()],
        };
        let mut frames = Vec::new();
        for message in all.drain(..) {
            frames.extend(native::encode(&message, || Seated {
                resume: client.session.as_ref().map(token).unwrap_or_default(),
                known: client.known.take(),
            }));
        }
        frames
    }
}

fn token(session: &Session) -> ByteString {
    format!("{}|{}", session.id, session.owner).into()
}

impl NativeDefect {
    /// What becomes of what a client is told.
    fn applied(self, message: &ServerMessage) -> Vec<ServerMessage> {
        let same = || vec![message.clone()];
        match (self, message) {
            (Self::WritesTwice, ServerMessage::Message { from, payload }) => {
                let text = payload.text().replace(r#""session":""#, r#""session":"x"#);
                let body = payload.body_offset() + text.len() - payload.text().len();
                let payload = Payload::of(payload.form(), text.into(), body);
                let from = from.clone();
                let again = ServerMessage::Message { from, payload };
                vec![message.clone(), again]
            }
            (Self::ForgetsRequests, ServerMessage::Answer { outcome, .. }) => match outcome {
                Outcome::Failed {
                    reason: Reason::Gone,
                    ..
                } => Vec::new(),
                Outcome::Failed { .. } | Outcome::Accepted { .. } => same(),
            },
            (Self::HidesReturns, ServerMessage::Resumed { .. }) => Vec::new(),
            (Self::HurriesDepartures, ServerMessage::Suspended { peer }) => {
                vec![ServerMessage::Left {
                    peer: peer.clone(),
                    reason: LeaveReason::Expired,
                }]
            }
            (Self::MakesUpAnswers, ServerMessage::Answer { id, outcome }) => match outcome {
                Outcome::Failed {
                    peer: Some(peer), ..
                } => vec![ServerMessage::Answer {
                    id: id.clone(),
                    outcome: Outcome::Accepted {
                        peer: peer.clone(),
                        attributes: Payload::new("{}".into(), 0),
                    },
                }],
                Outcome::Failed { .. } | Outcome::Accepted { .. } => same(),
            },
            _ => same(),
        }
    }
}
