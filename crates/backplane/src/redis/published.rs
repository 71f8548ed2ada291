//! What scripts publish, read back.

use bytes::Bytes;
use bytestring::ByteString;

use crate::{
    Change, Entry, NodeId,
    partition::{Published, RosterVersion},
};

/// The first byte of what scripts publish. What nodes publish starts with another one.
pub(crate) const MARK: u8 = 2;

/// What a script published; `None` if this version knows no such thing.
///
/// `\2B<nonce>`, or `\2J` and `\2L` with `<epoch> <version> <fence> <bytes in member> <bytes in node>:` and the
/// member, the node and the data.
pub(crate) fn read(payload: &Bytes) -> Option<Published> {
    let kind = payload.strip_prefix(&[MARK])?.first()?;
    let rest = payload.slice(2..);
    match kind {
        b'B' => Some(Published::Beat {
            nonce: decimal(&rest)?,
        }),
        b'J' => change(&rest, true),
        b'L' => change(&rest, false),
        _ => None,
    }
}

fn change(rest: &Bytes, joined: bool) -> Option<Published> {
    let colon = rest.iter().position(|byte| *byte == b':')?;
    let mut numbers = rest[..colon].split(|byte| *byte == b' ').map(decimal);
    let mut next = || numbers.next().flatten();
    let version = RosterVersion {
        epoch: next()?,
        version: next()?,
    };
    let (fence, member, node) = (next()?, next()?, next()?);
    if numbers.next().is_some() {
        return None;
    }
    let member_end = (colon + 1).checked_add(usize::try_from(member).ok()?)?;
    let node_end = member_end.checked_add(usize::try_from(node).ok()?)?;
    if node_end > rest.len() {
        return None;
    }
    let text = |start, end| ByteString::try_from(rest.slice(start..end)).ok();
    let member = text(colon + 1, member_end)?;
    let node = NodeId(text(member_end, node_end)?);
    let data = rest.slice(node_end..);
    let change = if joined {
        Change::Joined(Entry {
            member,
            node,
            fence,
            data,
        })
    } else {
        Change::Left {
            member,
            node,
            fence,
            data,
        }
    };
    Some(Published::Changed { version, change })
}

/// Digits and nothing else: `parse` alone would take a sign.
fn decimal(text: &(impl AsRef<[u8]> + ?Sized)) -> Option<u64> {
    let text = text.as_ref();
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_bytes(payload: &[u8]) -> Option<Published> {
        read(&Bytes::copy_from_slice(payload))
    }

    #[test]
    fn what_this_version_does_not_know_is_nothing() {
        for foreign in [
            &b""[..],
            b"\x02",
            b"\x01B1",
            b"\x02Q1",
            b"\x02B",
            b"\x02B+1",
            b"\x02B18446744073709551616",
            b"\x02J1 2 3 1 1:a",
            b"\x02J1 2 3 1 1 1:abc",
            b"\x02J1 2 3 99999999999999999999 1:ab",
            b"\x02J1 2 3 18446744073709551615 1:ab",
            b"\x02L1 2 3 1 1:\xffb",
        ] {
            assert_eq!(read_bytes(foreign), None, "{foreign:?}");
        }
        assert_eq!(
            read_bytes(b"\x02B18446744073709551615"),
            Some(Published::Beat { nonce: u64::MAX })
        );
    }

    #[test]
    fn members_nodes_and_data_hold_any_bytes() {
        let expected = Change::Joined(Entry {
            member: "a:\0 ".into(),
            node: NodeId("é:".into()),
            fence: 3,
            data: Bytes::from_static(b":\xff\0"),
        });
        assert_eq!(
            read_bytes(b"\x02J1 2 3 4 3:a:\0 \xc3\xa9::\xff\0"),
            Some(Published::Changed {
                version: RosterVersion {
                    epoch: 1,
                    version: 2
                },
                change: expected
            })
        );
    }

    proptest! {
        #[test]
        fn no_payload_is_a_panic(kind in "[BJLx]", head in "[0-9 :+a]{0,40}", tail: Vec<u8>) {
            let mut payload = vec![MARK];
            payload.extend(kind.bytes());
            payload.extend(head.bytes());
            payload.extend(&tail);
            read_bytes(&payload);
            read_bytes(&tail);
        }
    }
}
