//! The words on the wire: one message model, and a codec for every dialect that speaks it.
//!
//! A *dialect* is a pure pair of functions between text frames and the model:
//!
//! 1. [`rtcio::decode`] turns a client's frame into a [`ClientMessage`] or a [`rtcio::Refusal`];
//! 2. the switchboard decides who is to be told what;
//! 3. [`rtcio::encode`] turns a [`ServerMessage`] into the frame that this dialect's clients understand,
//!    or into nothing where the dialect has no word for it.
//!
//! The [`native`] dialect has frames of its own, which are more than the model's messages: a node answers some of them
//! itself, and turns the others into what the model has, [`native::payload`].
//!
//! A [`Payload`] keeps what a peer wrote as it wrote it, so that a receiver of the same dialect gets it
//! byte for byte.
//!
//! What this crate does not do: it knows no connection, no room's members, no clock and no socket.

mod id;
mod message;
pub mod native;
mod payload;
pub mod rtcio;

pub use id::{IdError, MAX_PEER_ID_BYTES, MAX_ROOM_ID_BYTES, PeerId, RoomId};
pub use message::{ClientMessage, LeaveReason, Member, Outcome, ServerMessage};
pub use payload::{Form, Payload};
