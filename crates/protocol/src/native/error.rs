use std::fmt;

/// What is wrong with a frame, or with what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// Not a JSON object.
    NotJson,
    /// An object without a `type`, or with one that is not known.
    UnknownType,
    /// A field is missing, of the wrong kind, or longer or larger than it may be.
    BadField,
    /// A version that is not spoken here; the connection is closed.
    UnknownVersion,
    /// Something was said before `hello`.
    NotGreeted,
    /// `hello` was said again.
    AlreadyGreeted,
    /// Something was said that only who is in a room can say.
    NotAnnounced,
    /// The resume token of `hello` is none of this cluster's; a new session begins.
    BadResume,
    /// The id is another client's.
    IdInUse,
    /// The node cannot do it now.
    Unavailable,
}

impl ErrorCode {
    /// Each of them.
    pub const ALL: [Self; 10] = [
        Self::NotJson,
        Self::UnknownType,
        Self::BadField,
        Self::UnknownVersion,
        Self::NotGreeted,
        Self::AlreadyGreeted,
        Self::NotAnnounced,
        Self::BadResume,
        Self::IdInUse,
        Self::Unavailable,
    ];

    /// Whether the same may be right later.
    pub fn is_temporary(self) -> bool {
        matches!(self, Self::IdInUse | Self::Unavailable)
    }

    /// The word on the wire, and in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::NotJson => "not-json",
            Self::UnknownType => "unknown-type",
            Self::BadField => "bad-field",
            Self::UnknownVersion => "unknown-version",
            Self::NotGreeted => "not-greeted",
            Self::AlreadyGreeted => "already-greeted",
            Self::NotAnnounced => "not-announced",
            Self::BadResume => "bad-resume",
            Self::IdInUse => "id-in-use",
            Self::Unavailable => "unavailable",
        }
    }
}

/// What is wrong with a frame, for whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameError {
    /// What it is, for programs.
    pub code: ErrorCode,
    /// What it is, for people.
    pub message: String,
    /// The type of the frame, where it could be read and is one that is known.
    pub about: Option<&'static str>,
}

impl FrameError {
    /// An error, and what to say of it.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            about: None,
        }
    }

    /// The same, of a frame of this type.
    #[must_use]
    pub fn about(self, kind: &'static str) -> Self {
        let about = Some(kind);
        Self { about, ..self }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.label(), self.message)
    }
}

impl std::error::Error for FrameError {}
