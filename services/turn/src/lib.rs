//! The relay as a process.
//!
//! ```text
//!   thread 0        thread 1        …       one for each core, nothing shared but quotas and counters
//!  ┌────────┐      ┌────────┐
//!  │ Relay  │      │ Relay  │               the state machine; an allocation lives on one thread
//!  └─┬────┬─┘      └─┬────┬─┘
//!    │    └ relay sockets └ …              one or two for each allocation
//!    └ listeners, one for each address and thread; the kernel gives a client's
//!                                           packets to one of an address's (SO_REUSEPORT)
//! ```
//!
//! - a `worker` is one thread: it waits for its sockets, hands packets to its `Relay` and carries out what
//!   comes back;
//! - `listeners` binds the sockets that clients talk to;
//! - `streams` are clients' connections over TCP and TLS, `tls` has the certificate, `proxy_protocol` what a proxy
//!   says of whom it connects for;
//! - `dtls` has clients' associations over DTLS, between the listeners of datagrams and the `Relay`;
//! - `relay_sockets` opens and closes the sockets of allocations within the port range;
//! - `openings` charges for them, and gives an allocation what it asked for;
//! - `reservations` are ports that were asked for with another one, and that wait for whoever brings their token: the
//!   socket itself waits, bound, and goes to the thread that the token came to, so that no packet ever crosses;
//! - `peers` are connections with peers, RFC 6062, which carry as much as their allocation's `allowance` says, and
//!   `handovers` those that wait for their client in the same way as reserved ports do, both until a time that is `due`;
//! - `moves` are clients that took their allocation along, RFC 8016, and came to another thread than before: `visitors`
//!   there, while their allocation is still at home;
//! - `quotas` are shared between threads and charged for each relay socket, never for a packet; `limits` has the options
//!   of what an allocation may relay, `source` says what counts as one source;
//! - `addresses` decides what clients are told, and which peers are out of reach, `infrastructure` what of ours is;
//! - `service` puts it together, `running` waits for its end, and `metrics` sums what the threads count;
//! - `control` hands `orders` to the threads: other secrets, users to be put out, allocations to be listed or ended;
//! - `alone` is the process by itself: `registration` in the fleet, `admin` for operators, `drain` at the end, with
//!   `alternates` for those who come then;
//! - `audit` writes who had which allocation.

mod addresses;
mod admin;
mod allowance;
mod alone;
mod alternates;
mod audit;
mod config;
mod control;
mod drain;
mod dtls;
mod due;
mod handovers;
mod infrastructure;
mod limits;
mod listeners;
mod metrics;
mod moves;
mod openings;
mod operation;
mod orders;
mod oversight;
mod peers;
mod proxy_protocol;
mod quotas;
mod registration;
mod relay_sockets;
mod reservations;
mod running;
mod secrets;
mod service;
mod setup_error;
mod source;
mod streams;
mod tls;
mod visitors;
mod worker;

use std::time::{SystemTime, UNIX_EPOCH};

pub use addresses::{AddressError, own_hosts};
pub use alone::run_alone;
pub use config::{StreamArgs, TurnArgs};
pub use infrastructure::Infrastructure;
pub use limits::LimitArgs;
pub use operation::OperationArgs;
pub use running::Running;
pub use service::Turn;
pub use setup_error::SetupError;
pub use tls::TlsError;

/// Seconds of Unix time.
fn unix() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
