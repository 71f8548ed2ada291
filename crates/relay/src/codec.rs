//! Control messages of verified clients, by the `stun` and `turn` crates; nothing else in this crate names
//! them.
//!
//! A request gets here only after [`crate::wire`] has read it and its MESSAGE-INTEGRITY was found genuine,
//! and only what stands before that attribute gets here at all: the `stun` crate keeps every attribute on
//! the heap, and its getters would take one that was appended behind the MAC (0.17.2).
//!
//! Of `turn::proto`, [`EvenPort`](turn::proto::evenport::EvenPort) hides its bit, `ChannelNumber::valid`
//! knows RFC 5766's range, and `PeerAddress` reads the first peer only; the addresses are read by
//! [`crate::wire`], which also is strict about their length.

mod request;
mod response;

pub(crate) use request::{AddressFamily, EvenPort, Malformed, Request};
pub(crate) use response::Response;
