//! Time-limited TURN credentials: what signalling mints and the relay verifies.
//!
//! The scheme is the one of `draft-uberti-behave-turn-rest`, as coturn's `use-auth-secret` reads it, and is
//! interchangeable with it both ways:
//!
//! ```text
//! username = expiry ":" id          expiry: Unix time in seconds, decimal
//! password = base64(HMAC-SHA1(secret, username))
//! ```
//!
//! Signalling writes `peer/trace` as the id, where `trace` are the 32 hexadecimal digits of a W3C trace id, so
//! that the relay's spans can be linked to the call. [`Username::user`] is the id without it: the same peer
//! with a newer credential is the same user. A trace of zeros is none.
//!
//! Several secrets may be live at once: mint with the first, verify with all, and a rotation loses nobody.
//!
//! What this crate does not do: it reads no clock (`unix` is a parameter), and derives no long-term key; that
//! is STUN's, and `relay` does it.

mod password;
mod username;

pub use password::{Credential, PASSWORD_BYTES, Password, Secret, VerifyError, mint, verify};
pub use username::{NotTimeLimited, Username};
