//! The relay as a process.
//!
//! ```text
//!   thread 0        thread 1        …       one for each core, nothing shared but quotas and counters
//!  ┌────────┐      ┌────────┐
//!  │ Relay  │      │ Relay  │               the state machine; an allocation lives on one thread
//!  └─┬────┬─┘      └─┬────┬─┘
//!    │    └ relay sockets └ …              one for each allocation
//!    └ listeners, one for each address and thread; the kernel gives a client's
//!                                           packets to one of an address's (SO_REUSEPORT)
//! ```
//!
//! - a `worker` is one thread: it waits for its sockets, hands packets to its `Relay` and carries out what
//!   comes back;
//! - `listeners` binds the sockets that clients talk to;
//! - `streams` are clients' connections over TCP and TLS, `tls` has the certificate, `proxy_protocol` what a proxy
//!   says of whom it connects for;
//! - `relay_sockets` opens and closes the sockets of allocations within the port range;
//! - `quotas` are shared between threads and charged once for an allocation, never for a packet;
//! - `addresses` decides what clients are told, and which peers are out of reach;
//! - `service` puts it together, and `metrics` sums what the threads count.

mod addresses;
mod config;
mod listeners;
mod metrics;
mod proxy_protocol;
mod quotas;
mod relay_sockets;
mod service;
mod streams;
mod tls;
mod worker;

pub use addresses::AddressError;
pub use config::{StreamArgs, TurnArgs};
pub use service::{Running, SetupError, Turn, own_hosts, run_alone};
pub use tls::TlsError;
