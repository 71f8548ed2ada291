mod directory;

use std::{borrow::Borrow, fmt};

use bytestring::ByteString;
use serde::Serialize;

/// Longest peer id in bytes; rtc.io clients use 25, UUIDs have 36.
pub const MAX_PEER_ID_BYTES: usize = 128;

/// Longest room id in bytes; rtc-quickconnect writes `namespace#hash`.
pub const MAX_ROOM_ID_BYTES: usize = 256;

/// Why a text cannot be an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdError {
    /// Nothing was written.
    Empty,
    /// More bytes than [`MAX_PEER_ID_BYTES`] or [`MAX_ROOM_ID_BYTES`].
    TooLong,
    /// A `|`, which no frame of the rtc.io dialects can carry inside an id.
    Pipe,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $max:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(ByteString);

        impl $name {
            /// Checks `text`, and shares its storage.
            ///
            /// # Errors
            /// [`IdError`] when it is empty, too long or contains a `|`.
            pub fn new(text: impl Into<ByteString>) -> Result<Self, IdError> {
                let text = text.into();
                if text.is_empty() {
                    Err(IdError::Empty)
                } else if text.len() > $max {
                    Err(IdError::TooLong)
                } else if text.as_bytes().contains(&b'|') {
                    Err(IdError::Pipe)
                } else {
                    Ok(Self(text))
                }
            }

            /// The id as it was announced; compared as bytes.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for ByteString {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.as_str())
            }
        }
    };
}

id! {
    /// Names a peer inside a room, chosen by the client; says nothing about which connection speaks for it.
    PeerId, MAX_PEER_ID_BYTES
}

id! {
    /// Names a room, chosen by the client; or a directory, or one of its entries.
    RoomId, MAX_ROOM_ID_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_other_servers_stumble_over_are_ordinary() {
        for id in [
            "12345",
            "__proto__",
            "*",
            "a?[b]",
            "!v",
            "Zoë 🎺",
            "-1.5",
            "true",
            "{\"id\":1}",
        ] {
            assert_eq!(PeerId::new(id).unwrap().as_str(), id);
        }
    }

    #[test]
    fn an_id_is_neither_empty_nor_long_nor_contains_a_pipe() {
        assert_eq!(PeerId::new(""), Err(IdError::Empty));
        assert_eq!(PeerId::new("x".repeat(129)), Err(IdError::TooLong));
        assert!(PeerId::new("x".repeat(128)).is_ok());
        assert_eq!(RoomId::new("x".repeat(257)), Err(IdError::TooLong));
        assert_eq!(RoomId::new("a|b"), Err(IdError::Pipe));
    }
}
