//! A STUN and TURN server as a state machine: packets and time in, packets and actions out.
//!
//! It does no I/O and reads no clock and no random numbers; [`Time`] and the seeds are parameters. A process
//! has one [`Relay`] per thread. The kernel gives a 5-tuple's packets to one thread always, and all that
//! belongs to it, relay socket included, lives there: no two threads share anything. Four verbs:
//!
//! 1. an input arrives: [`Relay::handle_client`], [`Relay::handle_peer`], [`Relay::handle_opened`]. The
//!    [`Action`] that comes back, a small value without heap, says what becomes of that packet. A stream is cut
//!    into messages first ([`Deframer`]), and its end is an input too: [`Relay::handle_disconnected`];
//! 2. the caller drains [`Relay::poll_output`] until it is empty and carries every [`Output`] out: relay
//!    sockets to be opened, which is answered by [`Relay::handle_opened`], and closed;
//! 3. it waits for the next input, or until [`Relay::poll_timeout`];
//! 4. then it calls [`Relay::handle_timeout`], and drains again.
//!
//! It never fails: what cannot be honoured is answered with an error or is an [`Action::Dropped`], and
//! concerns nobody else. A packet that could not be sent is lost, and no input.
//!
//! # A packet's way
//!
//! ```text
//!  client ──► handle_client ─┬─ ChannelData, Send ──────── channel ► permission ► port ──► ToPeer
//!                            ├─ Binding ──────────────────────────────────────────────────► Answer
//!                            └─ request ─► authenticate ─┬─ 400, 401, 438 ────────────────► Answer
//!                                 ▲ wire: no heap        └─ codec ─► control::* ──────────► Answer
//!                                                                        └ Open ► handle_opened ┘
//!  peer ────► handle_peer ───────────────────────────── permission ► port ► channel ──────► ToClient
//! ```
//!
//! Nothing is kept for a source before it has returned a nonce that was sent to it, signed with a password:
//! the nonce carries its own time and MAC. The module `nonce` has its format, and the budget of bytes that it
//! was chosen for.
//!
//! # Rules worth knowing
//!
//! - Of several attributes of one type the first counts; what stands after MESSAGE-INTEGRITY is not looked
//!   at, FINGERPRINT excepted.
//! - A user is the id in a time-limited username, without expiry and trace: an allocation may be refreshed
//!   with a newer credential ([`UserId`]). The expiry is looked at in Allocate only;
//!   [`Config::max_allocation_age`] bounds the rest.
//! - What is over is absent from its instant on, whether or not [`Relay::handle_timeout`] was called.
//! - A channel needs its permission: the channel lasts ten minutes, the permission five, and data passes
//!   while both do.
//! - Peers are denied by default ([`PeerPolicy`]), and a denied peer is a 403 whatever its encoding and the
//!   family of the allocation. One denied peer refuses the whole CreatePermission.
//! - Quotas are the caller's, who charges them when it is asked to open a socket and releases them when it is
//!   told to close it; [`Output::Close`] comes exactly once for each.
//! - Messages with unknown methods are discarded, RFC 8489 §6.3; Connect and ConnectionBind are refused,
//!   authenticated, as there are no allocations of TCP.
//! - Answers to verified clients carry MESSAGE-INTEGRITY and a reason phrase; others neither.
//!
//! # What the `turn` crate's server got wrong
//!
//! Its defects, as they were observed in 0.17.2, are tests here by number: `tests/defects.rs` has 1 to 6, 7
//! (unknown attributes), 8 to 13, 16 to 18 and 23; `tests/allocate.rs` what is well-defined of 19.
//! The others are no concern of this crate, or not yet:
//!
//! - 14, 15, 20, 21, 22 and the rest of 19: an even port is given where one is asked for; reservations
//!   (EVEN-PORT with its bit, RESERVATION-TOKEN) and DONT-FRAGMENT are answered 420,
//!   ADDITIONAL-ADDRESS-FAMILY is ignored, and so are SHA-256, mobility and TCP until they are built;
//! - 24: [`Traffic`] counts both ways, and [`DropReason`] and [`Answer`] are there to be counted;
//! - 25, 26, 27: no locks, no callbacks, and sockets are the caller's;
//! - 28: there is no logging in here;
//! - 29: a client's, in a type that is not used;
//! - 30: ChannelData is not padded over UDP (tested with the data path).
//!
//! What this crate does not do: it opens no socket, picks no port, limits no rates, and counts no quota.

mod action;
mod allocation;
mod allocations;
mod codec;
mod config;
mod control;
mod credentials;
mod deframer;
mod drop_reason;
mod error_code;
mod nonce;
mod output;
mod peer_policy;
mod relay;
mod transport;
mod wire;

pub use action::{
    Action, Answer, Client, ListenerId, MAX_PADDING_BYTES, MAX_PREFIX_BYTES, ToClient, ToPeer,
};
pub use allocations::AllocationId;
pub use config::{Config, RelayedFamily};
pub use credentials::{Credentials, InvalidRealm, UserId};
pub use deframer::{Deframer, MAX_FRAME_BYTES, NotAMessage};
pub use drop_reason::DropReason;
pub use error_code::ErrorCode;
pub use nonce::NonceKey;
pub use output::{Close, CloseReason, Family, Open, Output, Refusal, Traffic};
pub use peer_policy::{PeerPolicy, RelayAddress};
pub use relay::{Relay, Time};
pub use transport::Transport;
pub use wire::Method;

#[cfg(test)]
mod tests;
