//! What every process does besides its job.
//!
//! - [`logs`]: structured logs on standard error;
//! - [`shutdown`]: SIGINT and SIGTERM, once to drain, twice to exit;
//! - [`descriptors`]: as many as the system allows;
//! - [`listen`]: sockets that say which option is wrong when they cannot be bound;
//! - [`reload`]: files that are read again when they have changed;
//! - [`serve`]: HTTP/1.1 with a time limit on headers and a handshake off the accept path;
//! - [`begun`]: a stream of which something was read before HTTP;
//! - [`admin`]: `/metrics`, `/healthz` and `/readyz`;
//! - [`cluster_key`]: the key that all processes of a cluster share;
//! - [`access`]: who may use `/admin`.
//!
//! What this crate does not do: it knows neither signalling nor relaying.

pub mod access;
pub mod admin;
pub mod begun;
pub mod cluster_key;
pub mod descriptors;
pub mod listen;
pub mod logs;
pub mod metrics;
pub mod reload;
pub mod serve;
pub mod shutdown;

/// Exit code for a wrong command line or configuration (`EX_USAGE` of sysexits.h).
pub const EXIT_USAGE: u8 = 64;
