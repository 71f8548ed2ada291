//! The native dialect, `trunkline.v1`: one JSON object in each text frame, with a `type`.
//!
//! ```text
//! {"type":"send","to":"sue","n":7,"body":{"candidate":"…"}}
//! ```
//!
//! What a frame has is a struct of its own, [`client`] for what clients say and [`server`] for what they are told, and each
//! can be read and written: nodes read the former and write the latter, clients the other way round. Fields that are not
//! known are ignored, so that either side may be the newer one. A value that peers say to each other, [`Json`], is handed on
//! as it was written, byte for byte.
//!
//! A frame that cannot be understood is a [`FrameError`]: it names what is wrong, has a code, and costs nothing but itself.

pub mod client;
mod digest;
mod encode;
mod error;
mod fields;
mod json;
mod matching;
pub mod payload;
pub mod server;

pub use client::ClientFrame;
pub use digest::{Digest, PARTS, TAG_DIGITS, Tag};
pub use encode::{Seated, encode};
pub use error::{ErrorCode, FrameError};
pub use json::Json;
pub use matching::{Matcher, Searchable};
pub use server::ServerFrame;

/// The version that `hello` names.
pub const VERSION: u64 = 1;

/// Largest number of a message: JavaScript counts no further.
pub const MAX_NUMBER: u64 = (1 << 53) - 1;

/// Longest data of an announcement, in bytes: everybody in the room keeps it, and whoever comes is told it.
pub const MAX_DATA_BYTES: usize = 4096;

/// Longest id of a request, in bytes.
pub const MAX_REQUEST_ID_BYTES: usize = 64;

/// Longest reason that a client may give, in bytes.
pub const MAX_REASON_BYTES: usize = 256;

/// Longest token, in bytes, be it one that tells who a client is or one to resume with.
pub const MAX_TOKEN_BYTES: usize = 4096;

/// Longest time that a client may give a request, in milliseconds.
pub const MAX_TIMEOUT_MS: u64 = 60_000;

#[cfg(test)]
mod tests;
