//! What a client knows of a room, in short: who comes back is told only what it does not know.
//!
//! Of each member a node tells a *tag*, which is another one when the member's data is. A client keeps the tags, and gives
//! back the sum of them, in sixteen parts: a tag's first digit says in which part it is, and depends on the peer's id alone.
//! Where a part is the same at the node, so are the members in it.

use bytestring::ByteString;
use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::PeerId;

/// Parts of a room.
pub const PARTS: usize = 16;

/// Digits of a tag: that of its part, and those that are summed up.
pub const TAG_DIGITS: usize = 17;

/// Of a member, and of what it has announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    part: u8,
    sum: u64,
}

/// The sum of tags, part by part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digest([u64; PARTS]);

impl Tag {
    /// Of a member that speaks another dialect, if one is named. Every node makes the same of the same; clients do not look
    /// into it, but for its part.
    pub fn of(peer: &PeerId, data: &str, dialect: Option<&str>) -> Self {
        let mut hash = Sha256::new();
        hash.update(peer.as_str());
        let part = first(&hash.clone().finalize()).to_be_bytes()[0] >> 4;
        hash.update([0]);
        hash.update(data);
        if let Some(dialect) = dialect {
            hash.update([0]);
            hash.update(dialect);
        }
        let sum = first(&hash.finalize());
        Self { part, sum }
    }

    /// The part that the member is in, below [`PARTS`].
    pub fn part(self) -> u8 {
        self.part
    }

    /// As it is written: hexadecimal digits.
    pub fn text(self) -> ByteString {
        format!("{:x}{:016x}", self.part, self.sum).into()
    }

    /// Reads what [`Self::text`] has written.
    pub fn read(text: &str) -> Option<Self> {
        let (part, sum) = text.split_at_checked(1)?;
        Some(Self {
            part: u8::try_from(hexadecimal(part, 1)?).ok()?,
            sum: hexadecimal(sum, TAG_DIGITS - 1)?,
        })
    }
}

fn first(hash: &[u8]) -> u64 {
    let bytes = hash.first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(bytes)
}

fn hexadecimal(text: &str, digits: usize) -> Option<u64> {
    let is_whole = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_whole.then(|| u64::from_str_radix(text, 16).ok())?
}

impl Digest {
    /// Adds a tag that is not in it, or takes out one that is: bit by bit, exclusive or.
    pub fn toggle(&mut self, tag: Tag) {
        if let Some(sum) = self.0.get_mut(usize::from(tag.part)) {
            *sum ^= tag.sum;
        }
    }

    /// The parts that are others in `other`.
    pub fn differing(&self, other: &Self) -> Vec<u8> {
        let parts = (0..).zip(self.0.iter().zip(&other.0));
        let differing = parts.filter(|(_, (own, other))| own != other);
        differing.map(|(part, _)| part).collect()
    }

    /// Reads sixteen sums of sixteen hexadecimal digits.
    pub fn read(sums: &[ByteString]) -> Option<Self> {
        let mut digest = Self::default();
        if sums.len() != PARTS {
            return None;
        }
        for (own, text) in digest.0.iter_mut().zip(sums) {
            *own = hexadecimal(text, 16)?;
        }
        Some(digest)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|sum| format!("{sum:016x}")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tag(peer: &str, data: &str) -> Tag {
        Tag::of(&PeerId::new(peer).unwrap(), data, None)
    }

    #[test]
    fn a_tag_is_the_same_at_every_node() {
        // As another implementation of SHA-256 has it.
        assert_eq!(tag("bob", r#"{"name":"Bob"}"#).text(), "8f192e70facbed0f7");
    }

    #[test]
    fn a_tag_stays_in_its_part_when_the_data_is_another() {
        let (one, other) = (tag("bob", "{}"), tag("bob", r#"{"a":1}"#));
        assert_eq!(one.part(), other.part());
        assert_ne!(one, other);
        assert_ne!(tag("ab", "c"), tag("a", "bc"));
        let foreign = Tag::of(&PeerId::new("bob").unwrap(), "{}", Some("rtc.io"));
        assert_eq!(foreign.part(), one.part());
        assert_ne!(foreign, one);
    }

    #[test]
    fn what_is_no_digest_is_not_read() {
        let sums = |text: &str, count| vec![ByteString::from(text); count];
        assert!(Digest::read(&sums("0123456789abcdef", 16)).is_some());
        assert_eq!(Digest::read(&sums("0123456789abcdef", 15)), None);
        assert_eq!(Digest::read(&sums("123456789abcdef", 16)), None);
        assert_eq!(Digest::read(&sums("+123456789abcdef", 16)), None);
    }

    proptest! {
        #[test]
        fn only_parts_in_which_something_is_different_differ(
            kept in proptest::collection::btree_map("[a-z]{1,3}", "[a-z]{0,3}", 0..40),
            gone in "[A-Z]{1,3}", changed in "[0-9]{1,3}",
        ) {
            let mut known = Digest::default();
            let mut true_now = Digest::default();
            for (peer, data) in &kept {
                known.toggle(tag(peer, data));
            }
            for (peer, data) in kept.iter().rev() {
                true_now.toggle(tag(peer, data));
            }
            prop_assert_eq!(known.differing(&true_now), Vec::<u8>::new());
            known.toggle(tag(&gone, ""));
            known.toggle(tag(&changed, "before"));
            true_now.toggle(tag(&changed, "after"));
            let mut parts = vec![tag(&gone, "").part(), tag(&changed, "").part()];
            parts.sort_unstable();
            parts.dedup();
            prop_assert_eq!(known.differing(&true_now), parts);
        }

        #[test]
        fn what_is_written_is_read(peer in "[a-z]{1,9}", data in ".{0,9}", sums in any::<[u64; 16]>()) {
            let tag = tag(&peer, &data);
            prop_assert_eq!(Tag::read(&tag.text()), Some(tag));
            let digest = Digest(sums);
            let text = serde_json::to_string(&digest).unwrap();
            let read: Vec<ByteString> = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(Digest::read(&read), Some(digest));
        }
    }
}
