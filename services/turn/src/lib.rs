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
//! - `relay_sockets` opens and closes the sockets of allocations within the port range;
//! - `openings` charges for them, and gives an allocation what it asked for;
//! - `reservations` are ports that were asked for with another one, and that wait for whoever brings their token: the
//!   socket itself waits, bound, and goes to the thread that the token came to, so that no packet ever crosses;
//! - `quotas` are shared between threads and charged for each relay socket, never for a packet;
//! - `addresses` decides what clients are told, and which peers are out of reach;
//! - `service` puts it together, and `metrics` sums what the threads count.

mod addresses;
mod config;
mod listeners;
mod metrics;
mod openings;
mod quotas;
mod relay_sockets;
mod reservations;
mod service;
mod worker;

pub use addresses::AddressError;
pub use config::TurnArgs;
pub use service::{Running, SetupError, Turn, own_hosts, run_alone};
