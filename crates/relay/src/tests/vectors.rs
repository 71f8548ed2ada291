//! RFC 5769 and RFC 8489 appendix B, read and written by our own parser.

use crate::{
    DropReason,
    long_term_key::{LongTermKey, PasswordAlgorithm, sha256},
    wire::{Message, decode_xor_address, encode_xor_address},
};

const SHORT_TERM_PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";

/// §2.1, with PRIORITY and ICE-CONTROLLED; padded with spaces.
const REQUEST: &str = "
    00010058 2112a442 b7e7a701bc34d686fa87dfae
    80220010 5354554e207465737420636c69656e74
    00240004 6e0001ff
    80290008 932ff9b151263b36
    00060009 6576746a3a68367659202020
    00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2
    80280004 e57a3bcf";

/// §2.2, padded with a space.
const IPV4_RESPONSE: &str = "
    0101003c 2112a442 b7e7a701bc34d686fa87dfae
    8022000b 7465737420766563746f7220
    00200008 0001a147e112a643
    00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7
    80280004 c07d4c96";

/// §2.3.
const IPV6_RESPONSE: &str = "
    01010048 2112a442 b7e7a701bc34d686fa87dfae
    8022000b 7465737420766563746f7220
    00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9
    00080014 a382954e4be67bf11784c97c8292c275bfe3ed41
    80280004 c8fb0b4c";

/// §2.4, with a username and a password that OpaqueString leaves as they are here.
const LONG_TERM_REQUEST: &str = "
    00010060 2112a442 78ad3433c6ad72c029da412e
    00060012 e3839ee38388e383aae38383e382afe382b90000
    0015001c 662f2f3439396b39353464364f4c33346f4c39465354767936347341
    0014000b 6578616d706c652e6f726700
    00080014 f67024656dd64a3e02b8e0712e85c9a28ca89666";

/// RFC 8489 §B.1 as its erratum 6268 has it, which adds PASSWORD-ALGORITHM.
const USERHASH_REQUEST: &str = "
    00010090 2112a442 78ad3433c6ad72c029da412e
    001e0020 4a3cf38fef6992bda952c67804 17da0f2481941556 9e60b205c46e41407f1704
    00150029 6f624d61744a6f7332414141 43662f2f3439396b39353464364f4c33346f4c39465354767936347341000000
    0014000b 6578616d706c652e6f726700
    001d0004 00020000
    001c0020 b5c7bf005b6c52a21c51c5e892f81924136296cb927c43149309278cc6518e65";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|pair| (pair[0] * 16 + pair[1]) as u8)
        .collect()
}

#[test]
fn the_sample_request_is_genuine() {
    let datagram = bytes(REQUEST);
    let message = Message::parse(&datagram, false).unwrap();
    assert_eq!(message.username, Some(&b"evtj:h6vY"[..]));
    assert_eq!(message.unknown.as_slice(), [0x0024]);
    assert!(message.has_fingerprint);
    assert!(message.integrity.unwrap().is_by(SHORT_TERM_PASSWORD));
}

#[test]
fn the_sample_responses_are_genuine_and_hold_their_addresses() {
    for (hex, address) in [
        (IPV4_RESPONSE, "192.0.2.1:32853"),
        (
            IPV6_RESPONSE,
            "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
        ),
    ] {
        let datagram = bytes(hex);
        let message = Message::parse(&datagram, false).unwrap();
        assert!(message.has_fingerprint);
        assert!(message.integrity.unwrap().is_by(SHORT_TERM_PASSWORD));
        let address = address.parse().unwrap();
        let (value, length) = encode_xor_address(address, message.transaction);
        assert_eq!(datagram[40..40 + length], value[..length]);
        let decoded = decode_xor_address(&value[..length], message.transaction);
        assert_eq!(decoded, Some(address));
    }
}

#[test]
fn the_sample_request_with_long_term_authentication_is_genuine() {
    let datagram = bytes(LONG_TERM_REQUEST);
    let message = Message::parse(&datagram, false).unwrap();
    assert_eq!(message.username, Some("マトリックス".as_bytes()));
    assert_eq!(message.realm, Some(&b"example.org"[..]));
    assert_eq!(message.nonce, Some(&b"f//499k954d6OL34oL9FSTvy64sA"[..]));
    assert!(!message.has_fingerprint);
    let key = LongTermKey::new(
        "マトリックス",
        "example.org",
        "TheMatrIX",
        PasswordAlgorithm::Md5,
    );
    assert!(message.integrity.unwrap().is_by(key.as_bytes()));
}

#[test]
fn one_changed_bit_of_a_vector_is_noticed() {
    for at in 20..bytes(REQUEST).len() {
        let mut datagram = bytes(REQUEST);
        datagram[at] ^= 1;
        let genuine = match Message::parse(&datagram, false) {
            Ok(message) => {
                message.has_fingerprint
                    && message
                        .integrity
                        .is_some_and(|integrity| integrity.is_by(SHORT_TERM_PASSWORD))
            }
            Err(DropReason::BadFingerprint | DropReason::Malformed) => false,
            Err(other) => panic!("{other:?}"),
        };
        assert!(!genuine, "byte {at}");
    }
}

#[test]
fn the_sample_request_with_sha256_and_userhash_is_genuine() {
    let datagram = bytes(USERHASH_REQUEST);
    let message = Message::parse(&datagram, false).unwrap();
    let hash = sha256(["マトリックス", ":", "example.org"]);
    assert_eq!(message.userhash, Some(&hash[..]));
    assert_eq!(message.username, None);
    assert_eq!(
        message.nonce,
        Some(&b"obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA"[..])
    );
    let algorithm = PasswordAlgorithm::parse(message.password_algorithm.unwrap());
    assert_eq!(algorithm, Some(PasswordAlgorithm::Sha256));
    let key = LongTermKey::new(
        "マトリックス",
        "example.org",
        "TheMatrIX",
        PasswordAlgorithm::Sha256,
    );
    assert!(message.integrity.unwrap().is_by(key.as_bytes()));
    for at in 20..datagram.len() {
        let mut datagram = datagram.clone();
        datagram[at] ^= 1;
        let message = Message::parse(&datagram, false);
        let genuine = message.is_ok_and(|message| {
            message
                .integrity
                .is_some_and(|integrity| integrity.is_by(key.as_bytes()))
        });
        assert!(!genuine, "byte {at}");
    }
}
