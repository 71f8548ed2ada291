//! Names of keys and channels.
//!
//! All of a partition's names start with the same `<prefix>{pNN}:`. What is in braces is all that a Redis Cluster
//! hashes, so that one script may touch all of a partition.

use bytestring::ByteString;

use crate::{NodeId, partition::Channel};

/// Rooms and nodes come after these; nothing else in a name is free.
const ROOM: &str = "r:";
const NODE: &str = "n:";

/// A partition's names.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    base: String,
}

impl Keys {
    /// Redis keeps the keys of its databases apart and not their channels: so their names have to be.
    pub(crate) fn new(prefix: &str, partition: usize, database: i64) -> Self {
        let tag = tag(partition);
        let base = match database {
            0 => format!("{prefix}{{{tag}}}:"),
            other => format!("{prefix}{{{tag}}}:d{other}:"),
        };
        Self { base }
    }

    /// When each node's lease ends.
    pub(crate) fn leases(&self) -> String {
        format!("{}lease", self.base)
    }

    /// The number of each node's last link.
    pub(crate) fn links(&self) -> String {
        format!("{}link", self.base)
    }

    /// The store's life, and when it began.
    pub(crate) fn life(&self) -> String {
        format!("{}life", self.base)
    }

    /// The rooms of a node.
    pub(crate) fn rooms_of(&self, node: &NodeId) -> String {
        format!("{}nr:{node}", self.base)
    }

    /// When each relay's lease ends.
    pub(crate) fn relays(&self) -> String {
        format!("{}relays", self.base)
    }

    /// What each relay says of itself.
    pub(crate) fn descriptions(&self) -> String {
        format!("{}relays:described", self.base)
    }

    /// Which users are put out, and until when.
    pub(crate) fn kicks(&self) -> String {
        format!("{}kicks", self.base)
    }

    /// How often somebody was put out.
    pub(crate) fn kicks_version(&self) -> String {
        format!("{}kicks:version", self.base)
    }

    /// Where all that hears of the relays listens.
    pub(crate) fn fleet_channel(&self) -> String {
        format!("{}fleet", self.base)
    }

    /// A room's roster; with an empty room what precedes it.
    pub(crate) fn roster(&self, room: &str) -> String {
        format!("{}{ROOM}{room}", self.base)
    }

    /// Keys and channels are different namespaces of Redis.
    pub(crate) fn channel(&self, channel: &Channel) -> String {
        match channel {
            Channel::Node(node) => format!("{}{NODE}{node}", self.base),
            Channel::Room(room) => self.room_channel(room),
        }
    }

    pub(crate) fn room_channel(&self, room: &str) -> String {
        format!("{}{ROOM}{room}", self.base)
    }

    /// The channel that has this name; `None` if it is no channel of this partition.
    pub(crate) fn read_channel(&self, name: &[u8]) -> Option<Channel> {
        let name = std::str::from_utf8(name).ok()?.strip_prefix(&self.base)?;
        if let Some(room) = name.strip_prefix(ROOM) {
            Some(Channel::Room(room.into()))
        } else {
            let node = name.strip_prefix(NODE)?;
            Some(Channel::Node(NodeId(ByteString::from(node))))
        }
    }
}

/// What a Cluster hashes of a partition's names.
pub(crate) fn tag(partition: usize) -> String {
    format!("p{partition:02}")
}

/// The partition to which a channel's name belongs.
pub(crate) fn partition_of_channel(prefix: &str, name: &[u8]) -> Option<usize> {
    let tag = name.strip_prefix(prefix.as_bytes())?.strip_prefix(b"{p")?;
    let end = tag.iter().position(|byte| *byte == b'}')?;
    std::str::from_utf8(&tag[..end]).ok()?.parse().ok()
}

/// The partition of a room. Every version of every node must agree on it.
pub(crate) fn partition_of_room(room: &str, partitions: usize) -> usize {
    let partitions = u64::try_from(partitions).unwrap_or(u64::MAX).max(1);
    usize::try_from(fnv1a(room.as_bytes()) % partitions).unwrap_or(0)
}

/// FNV-1a of 64 bits: short, and the same everywhere for ever.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_go_to_the_same_partitions_for_ever() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
        let places = ["", "r", "lobby", "café", "{p03}"].map(|room| partition_of_room(room, 64));
        assert_eq!(places, [37, 21, 51, 9, 18]);
        assert_eq!(partition_of_room("lobby", 1), 0);
    }

    #[test]
    fn no_name_of_one_database_is_a_name_of_another() {
        let room = Channel::Room("x".into());
        let of = |database| Keys::new("t:1:", 7, database);
        assert_eq!(of(0).channel(&room), "t:1:{p07}:r:x");
        for other in [0, 1, 12] {
            let name = of(other).channel(&room);
            assert_eq!(partition_of_channel("t:1:", name.as_bytes()), Some(7));
            for database in [0, 1, 12] {
                let read = of(database).read_channel(name.as_bytes());
                assert_eq!(read.is_some(), database == other, "{name}");
            }
        }
    }

    #[test]
    fn a_channel_s_name_is_read_back() {
        let keys = Keys::new("t:1:", 7, 0);
        for channel in [
            Channel::Room("a{p01}:n:b".into()),
            Channel::Room(ByteString::new()),
            Channel::Node(NodeId("x".into())),
        ] {
            let name = keys.channel(&channel);
            assert_eq!(keys.read_channel(name.as_bytes()), Some(channel));
            assert_eq!(partition_of_channel("t:1:", name.as_bytes()), Some(7));
        }
        for foreign in [
            &b"t:1:{p08}:r:x"[..],
            b"t:2:{p07}:r:x",
            b"t:1:{p07}:q",
            b"\xff",
        ] {
            assert_eq!(keys.read_channel(foreign), None);
        }
        assert_eq!(partition_of_channel("t:1:", b"t:1:{pxx}:r:x"), None);
        assert_eq!(partition_of_channel("t:1:", b"t:1:{p07"), None);
    }
}
