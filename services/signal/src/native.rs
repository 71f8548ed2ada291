//! A connection of the native dialect: what its node answers by itself, and what becomes a message of the model.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytestring::ByteString;
use protocol::{
    ClientMessage, PeerId,
    native::{
        ClientFrame, ErrorCode, FrameError, ServerFrame, client,
        client::{Announce, Hello},
        server,
        server::{ErrorFrame, IceServers, Limits, Welcome},
    },
};
use switchboard::ConnectionId;
use tokio::time::{Instant, Sleep};

use crate::{
    CloseCode, frames::MAX_MESSAGE_BYTES, ice::Visitor, meaning, node::Node, resume::Session,
};

/// How long a client may take to say hello.
pub(crate) const HELLO_PATIENCE: Duration = Duration::from_secs(5);

/// Messages to one peer that a client may keep unacknowledged: as many as wait for one whose connection is lost.
pub(crate) const MAX_UNACKNOWLEDGED: u64 = 256;

/// What is known of a client between its frames.
#[derive(Debug)]
pub(crate) struct Native {
    session: Option<Arc<Session>>,
    /// Whether it is in a room, or about to be.
    has_announced: bool,
    visitor: Visitor,
    /// When it must have said hello; after that, when it is told of fresh ICE servers.
    timer: Pin<Box<Sleep>>,
}

impl Native {
    pub(crate) fn new(visitor: Visitor) -> Self {
        Self {
            session: None,
            has_announced: false,
            visitor,
            timer: Box::pin(tokio::time::sleep(HELLO_PATIENCE)),
        }
    }

    /// Ready when the connection is to end.
    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
        node: &Node,
        connection: ConnectionId,
    ) -> Poll<CloseCode> {
        loop {
            ready!(self.timer.as_mut().poll(context));
            if self.session.is_none() {
                return Poll::Ready(CloseCode::NoHello);
            }
            if let Some((ice_servers, ttl)) = self.visitor.servers() {
                let ttl = ttl.as_secs();
                let frame = ServerFrame::IceServers(IceServers { ice_servers, ttl });
                node.tell(connection, &server::encode(&frame));
            }
            self.refresh_later();
        }
    }

    fn refresh_later(&mut self) {
        let next = Instant::now() + self.visitor.refresh();
        self.timer.as_mut().reset(next);
    }

    /// The client said something.
    ///
    /// # Errors
    /// When there is nothing more to say to it.
    pub(crate) fn hear(
        &mut self,
        node: &Node,
        connection: ConnectionId,
        text: &str,
    ) -> Result<(), CloseCode> {
        let answer = match client::decode(text) {
            Ok(frame) => {
                let about = frame.kind();
                let heard = self.understand(node, connection, frame);
                heard.map_err(|error| error.about(about))
            }
            Err(error) => Err(error),
        };
        let Err(FrameError {
            code,
            message,
            about,
        }) = answer
        else {
            return Ok(());
        };
        node.metrics.drop_for(code.label());
        let frame = ServerFrame::Error(ErrorFrame {
            code: code.label().into(),
            message: message.into(),
            temporary: code.is_temporary(),
            about: about.map(ByteString::from_static),
        });
        node.tell(connection, &server::encode(&frame));
        match code {
            ErrorCode::UnknownVersion => Err(CloseCode::UnknownVersion),
            ErrorCode::NotJson
            | ErrorCode::UnknownType
            | ErrorCode::BadField
            | ErrorCode::NotGreeted
            | ErrorCode::AlreadyGreeted
            | ErrorCode::NotAnnounced
            | ErrorCode::BadResume
            | ErrorCode::IdInUse
            | ErrorCode::Unavailable => Ok(()),
        }
    }

    fn understand(
        &mut self,
        node: &Node,
        connection: ConnectionId,
        frame: ClientFrame,
    ) -> Result<(), FrameError> {
        if let ClientFrame::Hello(hello) = &frame {
            return self.greet(node, connection, hello);
        }
        if frame == ClientFrame::Ping {
            node.tell(connection, &server::encode(&ServerFrame::Pong));
            return Ok(());
        }
        let Some(session) = &self.session else {
            let message = "the first frame is a hello";
            return Err(FrameError::new(ErrorCode::NotGreeted, message));
        };
        if let ClientFrame::Announce(mut announce) = frame {
            let known = announce.known.take();
            let message = announced(session, announce)?;
            self.has_announced = true;
            node.announce(connection, &message, known);
            return Ok(());
        }
        if !self.has_announced {
            let message = "who is in no room can only announce itself in one";
            return Err(FrameError::new(ErrorCode::NotAnnounced, message));
        }
        self.has_announced = frame != ClientFrame::Leave;
        if let Some(message) = meaning::said(&session.id, frame) {
            node.message(connection, &message);
        }
        Ok(())
    }

    fn greet(
        &mut self,
        node: &Node,
        connection: ConnectionId,
        hello: &Hello,
    ) -> Result<(), FrameError> {
        if self.session.is_some() {
            let message = "hello was said already";
            return Err(FrameError::new(ErrorCode::AlreadyGreeted, message));
        }
        let before = hello.resume.as_deref();
        let known = before.map(|token| node.resume_key.session(token));
        let session = match &known {
            Some(Some(known)) if hello.anew => known.anew(),
            Some(Some(known)) => Ok(known.clone()),
            Some(None) | None => Session::new(),
        };
        let session = Arc::new(session.map_err(unavailable)?);
        let (ice_servers, ttl) = self
            .visitor
            .servers()
            .ok_or_else(|| unavailable("no credentials"))?;
        let welcome = ServerFrame::Welcome(Welcome {
            session: session.id.clone(),
            resume: node.resume_key.token(&session),
            node: node.name.clone(),
            region: node.region.clone(),
            window_ms: u64::try_from(node.window.as_millis()).unwrap_or(u64::MAX),
            ice_servers,
            ttl: ttl.as_secs(),
            limits: Limits {
                frame_bytes: MAX_MESSAGE_BYTES as u64,
                unacknowledged: MAX_UNACKNOWLEDGED,
            },
            trace: None,
        });
        let refused = known == Some(None);
        if refused {
            let message = "the resume token is none of this cluster's: a new session begins";
            let error = ServerFrame::Error(ErrorFrame {
                code: ErrorCode::BadResume.label().into(),
                message: message.into(),
                temporary: ErrorCode::BadResume.is_temporary(),
                about: Some("hello".into()),
            });
            node.metrics.drop_for(ErrorCode::BadResume.label());
            node.tell(connection, &server::encode(&error));
        }
        node.tell(connection, &server::encode(&welcome));
        node.greet(connection, session.clone());
        self.session = Some(session);
        self.refresh_later();
        Ok(())
    }
}

fn unavailable(error: impl std::fmt::Display) -> FrameError {
    tracing::error!(%error, "no random numbers");
    let message = "no random numbers can be had now; try again later";
    FrameError::new(ErrorCode::Unavailable, message)
}

/// A peer that names no id is given a UUID, RFC 9562 §5.4.
fn announced(session: &Session, mut announce: Announce) -> Result<ClientMessage, FrameError> {
    let peer = match announce.peer.take() {
        Some(peer) => peer,
        None => {
            let mut random = [0; 16];
            getrandom::fill(&mut random).map_err(unavailable)?;
            let id = uuid::Builder::from_random_bytes(random).into_uuid();
            PeerId::new(id.to_string()).map_err(|error| unavailable(format!("{error:?}")))?
        }
    };
    Ok(meaning::announced(&session.owner, peer, announce))
}
