use bytestring::ByteString;
use protocol::{PeerId, native::server::Reason};

/// Why something that was asked for has not come to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Of a message or a request.
    #[error("{}", words(*reason))]
    Peer {
        /// Why.
        reason: Reason,
        /// Who is concerned, if that is known.
        peer: Option<PeerId>,
        /// What a peer that declined has said of it.
        message: Option<ByteString>,
    },
    /// Nothing was announced: who is in no room can say nothing.
    #[error("announce first")]
    NotAnnounced,
    /// The frame, what is announced, or what a request matches it with, has more bytes than a node takes.
    #[error("it has more than {most} bytes")]
    TooLong {
        /// How many a node takes.
        most: u64,
    },
    /// A node did not take the announce.
    #[error("{code}: {message}")]
    Refused {
        /// For programs.
        code: ByteString,
        /// For people.
        message: ByteString,
        /// Whether it may be right later.
        temporary: bool,
    },
    /// The room was left meanwhile.
    #[error("the room was left")]
    Left,
    /// The client has ended: it was closed, or a node has said not to come back.
    #[error("the client has ended: {reason}")]
    Closed {
        /// The close code of the node that has said so.
        code: Option<u16>,
        /// Why, for people.
        reason: ByteString,
    },
}

impl Failure {
    /// For this reason, of this peer.
    pub(crate) fn because(reason: Reason, peer: Option<PeerId>) -> Self {
        Self::Peer {
            reason,
            peer,
            message: None,
        }
    }

    /// Why, where a peer or a message is concerned.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Peer { reason, .. } => Some(*reason),
            Self::NotAnnounced
            | Self::TooLong { .. }
            | Self::Refused { .. }
            | Self::Left
            | Self::Closed { .. } => None,
        }
    }
}

fn words(reason: Reason) -> &'static str {
    match reason {
        Reason::NoMatch => "nobody in the room is meant",
        Reason::Declined => "the peer does not want to",
        Reason::Gone => "the peer has left",
        Reason::Suspended => "the connection of the peer is lost, and it may return",
        Reason::Unreachable => "there is no way to the peer now",
        Reason::Overloaded => "too much waits already",
        Reason::Timeout => "it took too long",
    }
}

/// Why no client was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No URL was given.
    #[error("there is no URL to connect to")]
    NoUrl,
    /// Not a URL of a WebSocket without TLS, `ws://host:port`.
    #[error("{url:?} is no URL of a WebSocket without TLS")]
    Url {
        /// What was given.
        url: String,
    },
    /// A token is longer than nodes take.
    #[error("a token has at most 4096 bytes")]
    Token,
    /// No random numbers can be had.
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
}
