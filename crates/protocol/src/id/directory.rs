//! Rooms in which nobody is told of anybody: a flat space of ids, such as a PeerJS server's.
//!
//! To the cluster a directory is no room but many: each id has an *entry*, a room of its own with one member. So the
//! ids of a directory are spread over its partitions, and a node hears of those alone that its peers address.
//! Both kinds of name contain a `|`, which no client can write in a room's name.

use bytestring::ByteString;

use super::{IdError, MAX_PEER_ID_BYTES, MAX_ROOM_ID_BYTES, PeerId, RoomId};

const SEPARATOR: char = '|';

impl RoomId {
    /// The directory with this name. A peer that announces itself there is in its own entry.
    ///
    /// # Errors
    /// [`IdError`] as for a room's name.
    pub fn directory(name: &str) -> Result<Self, IdError> {
        let Self(name) = Self::new(name)?;
        Ok(Self(format!("{name}{SEPARATOR}").into()))
    }

    /// A name that another node has written: a room's, or an entry's.
    ///
    /// # Errors
    /// [`IdError`] when it is neither.
    pub fn from_cluster(text: impl Into<ByteString>) -> Result<Self, IdError> {
        let text = text.into();
        let Some((directory, peer)) = text.split_once(SEPARATOR) else {
            return Self::new(text);
        };
        if directory.len() > MAX_ROOM_ID_BYTES || peer.len() > MAX_PEER_ID_BYTES {
            return Err(IdError::TooLong);
        }
        if directory.is_empty() || peer.is_empty() {
            return Err(IdError::Empty);
        }
        if peer.contains(SEPARATOR) {
            return Err(IdError::Pipe);
        }
        Ok(Self(text))
    }

    /// Where a peer is that announces itself here: in its entry, if this is a directory, else in this room.
    #[must_use]
    pub fn place_of(&self, peer: &PeerId) -> Self {
        match self.0.strip_suffix(SEPARATOR) {
            Some(name) => entry(name, peer),
            None => self.clone(),
        }
    }

    /// The entry of `peer` in the directory of which this is an entry; `None` of a room.
    #[must_use]
    pub fn entry_beside(&self, peer: &PeerId) -> Option<Self> {
        let (name, _) = self.0.split_once(SEPARATOR)?;
        Some(entry(name, peer))
    }

    /// Whether this is an entry of a directory.
    pub fn is_entry(&self) -> bool {
        self.entry_id().is_some()
    }

    /// Whose entry this is; `None` of a room or a directory.
    pub fn entry_id(&self) -> Option<&str> {
        let (_, peer) = self.0.split_once(SEPARATOR)?;
        (!peer.is_empty()).then_some(peer)
    }
}

fn entry(name: &str, peer: &PeerId) -> RoomId {
    RoomId(format!("{name}{SEPARATOR}{peer}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(id: &str) -> PeerId {
        PeerId::new(id).unwrap()
    }

    #[test]
    fn a_peer_is_in_a_room_or_in_its_entry_of_a_directory() {
        let room = RoomId::new("r").unwrap();
        assert_eq!(room.place_of(&peer("ann")), room);
        assert_eq!(room.entry_beside(&peer("ann")), None);
        assert!(!room.is_entry());

        let directory = RoomId::directory("r").unwrap();
        assert!(!directory.is_entry());
        let ann = directory.place_of(&peer("ann"));
        assert_eq!(ann.entry_id(), Some("ann"));
        let bob = ann.entry_beside(&peer("bob")).unwrap();
        assert_eq!(bob, directory.place_of(&peer("bob")));
        assert_ne!(bob, ann);
    }

    #[test]
    fn no_client_can_name_an_entry_and_every_node_reads_one() {
        let entry = RoomId::directory("peerjs").unwrap().place_of(&peer("a"));
        assert_eq!(RoomId::new(entry.as_str()), Err(IdError::Pipe));
        assert_eq!(RoomId::from_cluster(entry.as_str()), Ok(entry));
        let room = RoomId::new("lobby").unwrap();
        assert_eq!(RoomId::from_cluster("lobby"), Ok(room));
    }

    #[test]
    fn what_is_neither_a_room_nor_an_entry_is_refused() {
        let long = "x".repeat(300);
        for (text, error) in [
            (String::new(), IdError::Empty),
            ("d|".to_owned(), IdError::Empty),
            ("|p".to_owned(), IdError::Empty),
            ("d|p|q".to_owned(), IdError::Pipe),
            (format!("d|{long}"), IdError::TooLong),
            (format!("{long}|p"), IdError::TooLong),
            (long, IdError::TooLong),
        ] {
            assert_eq!(RoomId::from_cluster(text), Err(error));
        }
        assert_eq!(RoomId::directory("a|b"), Err(IdError::Pipe));
    }
}
