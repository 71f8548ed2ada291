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
//!   at, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT excepted. Where both are, the better one is checked.
//! - SHA-256 is offered for passwords and messages, RFC 8489; a request gets the integrity of its own kind as
//!   an answer. USERHASH names static users only: of the time-limited nothing is kept in which one could look
//!   it up. Clients are told to hash their names where all users are static.
//! - A user is the id in a time-limited username, without expiry and trace: an allocation may be refreshed
//!   with a newer credential ([`UserId`]). The expiry is looked at in Allocate only;
//!   [`Config::max_allocation_age`] bounds the rest.
//! - What is over is absent from its instant on, whether or not [`Relay::handle_timeout`] was called.
//! - A channel needs its permission: the channel lasts ten minutes, the permission five, and data passes
//!   while both do.
//! - Peers are denied by default ([`PeerPolicy`]), and a denied peer is a 403 whatever its encoding and the
//!   family of the allocation. One denied peer refuses the whole CreatePermission.
//! - Quotas are the caller's, who charges them when it is asked to open a socket and releases them when it is
//!   told to close it; [`Output::Close`] comes exactly once for each. An allocation of both families asks for
//!   two sockets and is charged for both; of what could not be had of the two, the answer says why. Each
//!   address has its own time, and takes the permissions and channels of its family along.
//! - An allocation's packets and bits are limited each way, and how fast it gains peers ([`Limits`]); what a peer sends
//!   counts once it has a permission. A network that nobody has answered from is challenged so often and no more
//!   ([`ChallengeLimit`]).
//! - A port that is reserved is the caller's to hold, and its token the caller's to honour, from another
//!   5-tuple and thread, but for the same user alone: the charge for it stays where it is.
//! - An operator lists allocations and ends them, and puts users out ([`Relay::handle_kick`]): who was put out is
//!   answered as a stranger is. Allocations may be made to end with their secret ([`Config::end_revoked`]).
//! - A relay that drains ([`Relay::handle_drain`]) sends new clients elsewhere, after everything else that may
//!   be wrong with their Allocate.
//! - Messages with unknown methods are discarded, RFC 8489 §6.3.
//! - A relayed address of TCP, RFC 6062, is for clients that come by streams, where the caller can do that
//!   ([`Config::tcp_peers`]). Connections with peers are the caller's; whom to, and from whom, is decided here by the
//!   rules for datagrams, but that this host's own addresses are out of reach.
//! - A client of datagrams that asked for a ticket takes its allocation along, RFC 8016, where the relay lets it
//!   ([`Relay::with_mobility`]): it shows the ticket from its next 5-tuple, and both serve it until it has sent data, or
//!   another request, from there; data goes to the old one until then. There is one next 5-tuple at a time, the last
//!   that was said. A stream belongs to its thread, and ends with its client's network anyway: 405.
//! - Binding requests of RFC 5780 are understood at listeners that answer in each other's stead
//!   ([`Config::discovery`]); the padding of an answer is that of its request, and it goes to the address that asked.
//! - Answers to verified clients carry MESSAGE-INTEGRITY and a reason phrase; others neither.
//!
//! # What the `turn` crate's server got wrong
//!
//! Its defects, as they were observed in 0.17.2, are tests here by number: `tests/defects.rs` has 1 to 6, 7
//! (unknown attributes), 8 to 13, 16 to 18 and 23; `tests/reservations.rs` 14 and 15; `tests/allocate.rs` and
//! `tests/dual.rs` 19; `tests/allocate.rs`, `tests/data.rs` and `tests/icmp.rs` 20; `tests/sha256.rs` and
//! `tests/foreign_client.rs` 22; `tests/drain.rs` the ALTERNATE-SERVER of 21, `tests/mobility.rs` its mobility,
//! `tests/discovery.rs` its behaviour discovery. The others are no concern of this crate, or not yet:
//!
//! - 24: [`Traffic`] counts both ways, and [`DropReason`] and [`Answer`] are there to be counted;
//! - 25, 26, 27: no locks, no callbacks, and sockets are the caller's;
//! - 28: there is no logging in here;
//! - 29: a client's, in a type that is not used;
//! - 30: ChannelData is not padded over UDP (tested with the data path).
//!
//! What this crate does not do: it opens no socket, picks no port, holds no reservation, and counts no quota.

mod action;
mod allocation;
mod allocations;
mod authentication;
mod challenge_limit;
mod codec;
mod config;
mod connection;
mod control;
mod credentials;
mod deframer;
mod discovery;
mod drain;
mod drop_reason;
mod error_code;
mod icmp;
mod kicked;
mod limits;
mod listing;
mod long_term_key;
mod mobility;
mod nonce;
mod output;
mod passage;
mod peer_policy;
mod relay;
mod reservation;
mod revoked;
mod timer_wheel;
mod token_bucket;
mod transport;
mod wire;

pub use action::{
    Action, Answer, Client, Home, ListenerId, MAX_PADDING_BYTES, MAX_PREFIX_BYTES, ToClient, ToPeer,
};
pub use allocations::AllocationId;
pub use authentication::Authentication;
pub use challenge_limit::ChallengeLimit;
pub use config::{Config, RelayedFamily, told};
pub use connection::{
    BIND_TIMEOUT, Bind, CONNECT_TIMEOUT, Connect, ConnectFailure, ConnectId, ConnectionId,
};
pub use credentials::{Credentials, InvalidRealm, SHORT_REALM_BYTES, UserId};
pub use deframer::{Deframer, MAX_FRAME_BYTES, NotAMessage};
pub use discovery::Discovery;
pub use drain::Drain;
pub use drop_reason::DropReason;
pub use error_code::ErrorCode;
pub use icmp::Icmp;
pub use limits::Limits;
pub use listing::{Listed, Page};
pub use mobility::Mobility;
pub use nonce::NonceKey;
pub use output::{
    Bound, Close, CloseReason, Family, Moved, Open, Output, Port, Protocol, Refusal, Traffic,
};
pub use peer_policy::{PeerPolicy, RelayAddress};
pub use relay::{Relay, Time};
pub use reservation::{RESERVATION_LIFETIME, ReservationToken};
pub use token_bucket::TokenBucket;
pub use transport::Transport;
pub use wire::Method;

#[cfg(test)]
mod tests;
