//! The signalling node.
//!
//! ```text
//!  browser ── WebSocket ── connection ──► node ──► switchboard        (pure: who must be told?)
//!                 ▲            │ outbox    │  ▲
//!                 └────────────┘           ▼  │ pump
//!                                        backplane                    (the other nodes)
//! ```
//!
//! - `handshake` answers the usual WebSocket at once; `http` answers requests, and hands other WebSockets to `upgrade`;
//! - `ice` names the STUN and TURN servers that clients are to use, and mints credentials for them;
//! - a `connection` is one task for one socket: it decodes frames, asks the node, and writes its outbox;
//! - `frames` are what the WebSocket protocol makes of bytes;
//! - the `node` owns the switchboard behind one lock, carries its outputs out, and lets its time pass;
//! - `pages` are the files of `web/`, `docs` makes pages of those in Markdown;
//! - `cluster` translates between the switchboard's words and the backplane's, `meaning` from a native client's to the
//!   switchboard's.

mod close;
pub mod cluster;
mod config;
mod connection;
mod docs;
mod frames;
mod handshake;
mod http;
mod ice;
pub mod meaning;
mod metrics;
mod native;
mod node;
mod outbox;
mod pages;
mod redis;
mod resume;
mod service;
mod unsaid;
mod upgrade;

pub use close::CloseCode;
pub use config::SignalArgs;
pub use ice::{
    ForeignServer, IceArgs, IceConfigError, IceServers, MintArgs, MintSecrets, OwnRelay,
};
pub use redis::RedisArgs;
pub use service::{OpenError, Signal, Stopped};
