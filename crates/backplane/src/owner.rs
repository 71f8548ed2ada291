//! Whose a member's name is.

/// The owner that a member's data names: data begins with one byte, the owner's length, and the owner; whatever follows
/// is opaque. Empty where there is none, or where the data is too short for what its first byte says: then anybody may
/// take the name.
pub fn owner(data: &[u8]) -> &[u8] {
    match data.split_first() {
        Some((length, rest)) => rest.get(..usize::from(*length)).unwrap_or_default(),
        None => &[],
    }
}

/// Whether a join with this data gets a name that the roster holds with data of its own.
pub(crate) fn may_take(held: &[u8], data: &[u8]) -> bool {
    let guard = owner(held);
    guard.is_empty() || guard == owner(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_as_long_as_the_first_byte_says() {
        assert_eq!(owner(b"\x03bob and more"), b"bob");
        assert_eq!(owner(b"\x03bob"), b"bob");
        assert_eq!(owner(b"\x01\0"), b"\0");
        let mut longest = vec![b'x'; 256];
        longest[0] = 255;
        assert_eq!(owner(&longest), &longest[1..]);
    }

    #[test]
    fn data_that_names_nobody_has_no_owner() {
        for data in [&b""[..], b"\0", b"\0bob", b"\x01", b"\x04bob", b"\xff"] {
            assert_eq!(owner(data), b"", "{data:?}");
        }
        assert_eq!(owner(&[255; 255]), b"");
    }

    #[test]
    fn a_name_is_its_owner_s_and_without_one_anybody_s() {
        for anybody in [&b"\x01a"[..], b"\0", b""] {
            assert!(may_take(b"", anybody));
            assert!(may_take(b"\0a", anybody));
            // Too short.
            assert!(may_take(b"\x02a", anybody));
        }
        assert!(may_take(b"\x01a then", b"\x01a now"));
        for other in [&b"\x01b"[..], b"\x02aa", b"\x02a", b"\0a", b""] {
            assert!(!may_take(b"\x01a", other), "{other:?}");
        }
    }
}
