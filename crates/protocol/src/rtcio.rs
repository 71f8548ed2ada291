//! The rtc.io 6.x text dialect (rtc-signaller 6, rtc-switchboard 3, rtc-quickconnect 8).
//!
//! One message is one text frame: parts joined by `|`, with no escape. The first part is the `/command`,
//! objects and arrays are JSON, all else is bare text. The client writes the sender, the server checks it.
//!
//! | frame | model |
//! | --- | --- |
//! | `/announce\|ID\|{"id","room",…}` | [`ClientMessage::Announce`]; without a room [`ClientMessage::Leave`] |
//! | `/leave\|ID\|{"id"}` | [`ClientMessage::Leave`] |
//! | `/to\|TARGET\|/command\|ID\|…` | [`ClientMessage::Send`] |
//! | `/command\|ID\|…` | [`ClientMessage::Broadcast`] |
//!
//! Where the reference server loses or corrupts, this codec does not:
//! - ids are compared as bytes, so that `12345`, `true` and `__proto__` are ids like any other;
//! - a `|` inside a JSON part is delivered as `\u007c`, which every JSON parser reads as `|`;
//! - a frame that cannot be understood is a [`Refusal`], never an error of the connection.
//!
//! [`ClientMessage::Announce`]: crate::ClientMessage::Announce
//! [`ClientMessage::Leave`]: crate::ClientMessage::Leave
//! [`ClientMessage::Send`]: crate::ClientMessage::Send
//! [`ClientMessage::Broadcast`]: crate::ClientMessage::Broadcast

mod attributes;
mod decode;
mod encode;
mod pipes;

pub use decode::{Refusal, decode};
pub use encode::encode;

/// Sent to a client as its socket opens. rtc-signaller discards frames that begin with `primus`, but the
/// first inbound frame ends the 100 ms it would otherwise wait before it announces itself.
pub const GREETING: &str = "primus::hello";

#[cfg(test)]
mod tests;
