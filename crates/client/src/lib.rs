//! A peer in a room: the client's side of the native dialect.
//!
//! [`Session`] is all of it without I/O: frames, the time and the fact that a socket has opened or is lost go in, frames and
//! [`Event`]s come out. It outlives its sockets: what was said and not acknowledged is said again on the next one, and of
//! the roster only what has changed is told. [`Dialer`] decides, in the same manner, when a socket is made, to which of
//! several nodes, and when one is no longer believed in. [`Client`] carries both out over WebSockets.
//!
//! What is said to one peer arrives once and in order, whatever connections and nodes are lost on the way, or whoever said
//! it is told that it may not have: [`Client::send`]. What is said to everybody is heard by whoever is there.
//!
//! What this crate does not do: it knows nothing of media, and opens no connection between peers.

mod announcement;
mod client;
mod dialer;
mod error;
mod event;
mod inbox;
mod mail;
mod outbox;
mod output;
mod requests;
mod roster;
mod session;

pub use client::{Client, Events, Options, connect};
pub use dialer::{Dialer, Step};
pub use error::{ConnectError, Failure};
pub use event::{Asked, Event, Said, State};
pub use output::{Output, Settled, Ticket};
pub use protocol::{
    PeerId, RoomId,
    native::{
        Json,
        client::Wanted,
        server::{Member, Reason},
    },
};
pub use session::{Config, Keepsake, Session};
