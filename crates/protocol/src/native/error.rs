use std::fmt;

/// Why a frame is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// Not a JSON object.
    NotJson,
    /// An object without a `type`, or with one that is not known.
    UnknownType,
    /// A field is missing, of the wrong kind, or longer or larger than it may be.
    BadField,
    /// A version that is not spoken here.
    UnknownVersion,
}

impl ErrorCode {
    /// The word on the wire, and in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::NotJson => "not-json",
            Self::UnknownType => "unknown-type",
            Self::BadField => "bad-field",
            Self::UnknownVersion => "unknown-version",
        }
    }
}

/// A frame that is not understood, for whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameError {
    /// What it is, for programs.
    pub code: ErrorCode,
    /// What it is, for people.
    pub message: String,
}

impl FrameError {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.label(), self.message)
    }
}

impl std::error::Error for FrameError {}
