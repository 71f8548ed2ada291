//! RFC 5769, read and written by our own parser.

use aws_lc_rs::hmac;

use crate::{
    DropReason,
    credentials::LongTermKey,
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

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|pair| (pair[0] * 16 + pair[1]) as u8)
        .collect()
}

fn short_term() -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SHORT_TERM_PASSWORD)
}

#[test]
fn the_sample_request_is_genuine() {
    let datagram = bytes(REQUEST);
    let message = Message::parse(&datagram).unwrap();
    assert_eq!(message.username, Some(&b"evtj:h6vY"[..]));
    assert_eq!(message.unknown.as_slice(), [0x0024]);
    assert!(message.has_fingerprint);
    assert!(message.integrity.unwrap().is_by(&short_term()));
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
        let message = Message::parse(&datagram).unwrap();
        assert!(message.has_fingerprint);
        assert!(message.integrity.unwrap().is_by(&short_term()));
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
    let message = Message::parse(&datagram).unwrap();
    assert_eq!(message.username, Some("マトリックス".as_bytes()));
    assert_eq!(message.realm, Some(&b"example.org"[..]));
    assert_eq!(message.nonce, Some(&b"f//499k954d6OL34oL9FSTvy64sA"[..]));
    assert!(!message.has_fingerprint);
    let key = LongTermKey::new("マトリックス", "example.org", "TheMatrIX");
    assert!(message.integrity.unwrap().is_by(&key.sha1()));
}

#[test]
fn one_changed_bit_of_a_vector_is_noticed() {
    for at in 20..bytes(REQUEST).len() {
        let mut datagram = bytes(REQUEST);
        datagram[at] ^= 1;
        let genuine = match Message::parse(&datagram) {
            Ok(message) => {
                message.has_fingerprint
                    && message
                        .integrity
                        .is_some_and(|integrity| integrity.is_by(&short_term()))
            }
            Err(DropReason::BadFingerprint | DropReason::Malformed) => false,
            Err(other) => panic!("{other:?}"),
        };
        assert!(!genuine, "byte {at}");
    }
}
