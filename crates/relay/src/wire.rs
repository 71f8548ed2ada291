//! Our own view of packets, borrowed from the buffer they arrived in: all that an unverified source can make
//! this crate look at is parsed here, and answered from here, without heap.

mod address;
mod answer;
mod channel_data;
mod fingerprint;
mod integrity;
mod message;
mod method;

pub(crate) use address::{address_family, decode_xor_address, encode_xor_address};
pub(crate) use answer::AnswerWriter;
pub(crate) use channel_data::{CHANNEL_DATA_HEADER_BYTES, ChannelData};
pub(crate) use integrity::{Integrity, IntegrityHash, sign};
pub(crate) use message::{DiscoveryAttributes, Message};
pub use method::Method;
pub(crate) use method::{Class, encode_data_indication_type};

/// RFC 8489 §5.
pub(crate) const HEADER_BYTES: usize = 20;
pub(crate) const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];

/// Links an answer to its request, RFC 8489 §5; 96 bits that the client chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TransactionId(pub(crate) [u8; 12]);

/// Attribute types, RFC 8489 §18.3, RFC 8656 §18 and those that extend them.
pub(crate) mod attribute {
    pub(crate) const MAPPED_ADDRESS: u16 = 0x0001;
    pub(crate) const CHANGE_REQUEST: u16 = 0x0003;
    pub(crate) const USERNAME: u16 = 0x0006;
    pub(crate) const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub(crate) const ERROR_CODE: u16 = 0x0009;
    pub(crate) const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
    pub(crate) const CHANNEL_NUMBER: u16 = 0x000C;
    pub(crate) const LIFETIME: u16 = 0x000D;
    pub(crate) const XOR_PEER_ADDRESS: u16 = 0x0012;
    pub(crate) const DATA: u16 = 0x0013;
    pub(crate) const REALM: u16 = 0x0014;
    pub(crate) const NONCE: u16 = 0x0015;
    pub(crate) const XOR_RELAYED_ADDRESS: u16 = 0x0016;
    pub(crate) const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
    pub(crate) const EVEN_PORT: u16 = 0x0018;
    pub(crate) const REQUESTED_TRANSPORT: u16 = 0x0019;
    pub(crate) const DONT_FRAGMENT: u16 = 0x001A;
    pub(crate) const MESSAGE_INTEGRITY_SHA256: u16 = 0x001C;
    pub(crate) const PASSWORD_ALGORITHM: u16 = 0x001D;
    pub(crate) const USERHASH: u16 = 0x001E;
    pub(crate) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub(crate) const RESERVATION_TOKEN: u16 = 0x0022;
    pub(crate) const PADDING: u16 = 0x0026;
    pub(crate) const RESPONSE_PORT: u16 = 0x0027;
    pub(crate) const CONNECTION_ID: u16 = 0x002A;
    pub(crate) const ADDITIONAL_ADDRESS_FAMILY: u16 = 0x8000;
    /// The number that coturn, and what is built with its library, had for it: 4.6.1 still has.
    pub(crate) const OLD_ADDITIONAL_ADDRESS_FAMILY: u16 = 0x8032;
    pub(crate) const ADDRESS_ERROR_CODE: u16 = 0x8001;
    pub(crate) const PASSWORD_ALGORITHMS: u16 = 0x8002;
    pub(crate) const ICMP: u16 = 0x8004;
    pub(crate) const ALTERNATE_SERVER: u16 = 0x8023;
    pub(crate) const FINGERPRINT: u16 = 0x8028;
    pub(crate) const RESPONSE_ORIGIN: u16 = 0x802B;
    pub(crate) const OTHER_ADDRESS: u16 = 0x802C;
    pub(crate) const MOBILITY_TICKET: u16 = 0x8030;

    /// Attributes from here on may be ignored by who does not understand them, RFC 8489 §15.
    pub(crate) const COMPREHENSION_OPTIONAL: u16 = 0x8000;

    /// Whether a comprehension-required attribute is understood, wherever it stands.
    pub(crate) fn is_understood(attribute: u16) -> bool {
        matches!(
            attribute,
            MAPPED_ADDRESS
                | USERNAME
                | MESSAGE_INTEGRITY
                | ERROR_CODE
                | UNKNOWN_ATTRIBUTES
                | CHANNEL_NUMBER
                | LIFETIME
                | XOR_PEER_ADDRESS
                | DATA
                | REALM
                | NONCE
                | XOR_RELAYED_ADDRESS
                | REQUESTED_ADDRESS_FAMILY
                | EVEN_PORT
                | REQUESTED_TRANSPORT
                | DONT_FRAGMENT
                | MESSAGE_INTEGRITY_SHA256
                | PASSWORD_ALGORITHM
                | USERHASH
                | XOR_MAPPED_ADDRESS
                | RESERVATION_TOKEN
                | CONNECTION_ID
        )
    }
}
