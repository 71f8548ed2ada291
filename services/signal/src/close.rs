/// Why a node closes a WebSocket. 3000–3499 ask the client to come back, 3500–3999 not to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCode {
    /// The node stops: connect again, to another one if there is one. Never 1012 or 1013, which crash
    /// rtc.io's clients in Node.
    GoingAway,
    /// A binary frame; every dialect is text.
    BinaryFrame,
    /// A text frame that is not UTF-8.
    NotUtf8,
    /// Not the WebSocket protocol.
    ProtocolError,
    /// A message longer than the node takes.
    TooLong,
    /// The client did not read fast enough, and more waits for it than the node keeps. Nothing was left out
    /// before; connect again.
    Slow,
    /// A native client did not say hello in time.
    NoHello,
    /// Another connection speaks for the peer, with its resume token.
    Superseded,
    /// A native client speaks a version that the node does not.
    UnknownVersion,
}

impl CloseCode {
    /// Each of them, by its number.
    pub const ALL: [Self; 9] = [
        Self::GoingAway,
        Self::ProtocolError,
        Self::BinaryFrame,
        Self::NotUtf8,
        Self::TooLong,
        Self::Slow,
        Self::NoHello,
        Self::Superseded,
        Self::UnknownVersion,
    ];

    /// The number in the close frame, RFC 6455 §7.4.
    pub fn code(self) -> u16 {
        match self {
            Self::GoingAway => 1001,
            Self::ProtocolError => 1002,
            Self::BinaryFrame => 1003,
            Self::NotUtf8 => 1007,
            Self::TooLong => 1009,
            Self::Slow => 3008,
            Self::NoHello => 3500,
            Self::Superseded => 3502,
            Self::UnknownVersion => 3503,
        }
    }

    /// The text in the close frame.
    pub fn reason(self) -> &'static str {
        match self {
            Self::GoingAway => "the node is going away, connect again",
            Self::ProtocolError => "not the WebSocket protocol",
            Self::BinaryFrame => "text frames only",
            Self::NotUtf8 => "text is not UTF-8",
            Self::TooLong => "message too long",
            Self::Slow => "reading too slowly, connect again",
            Self::NoHello => "no hello in time",
            Self::Superseded => "another connection speaks for this peer",
            Self::UnknownVersion => "this version is not spoken here",
        }
    }

    /// A word for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::GoingAway => "going-away",
            Self::ProtocolError => "protocol-error",
            Self::BinaryFrame => "binary-frame",
            Self::NotUtf8 => "not-utf8",
            Self::TooLong => "too-long",
            Self::Slow => "slow",
            Self::NoHello => "no-hello",
            Self::Superseded => "superseded",
            Self::UnknownVersion => "unknown-version",
        }
    }
}
