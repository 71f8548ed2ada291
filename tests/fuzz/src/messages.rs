//! Well-formed messages, written by the `stun` crate.

use std::net::SocketAddr;

use arbitrary::{Result, Unstructured};
use aws_lc_rs::{
    digest::{SHA256, digest},
    hmac,
};
use stun::{
    attributes::{ATTR_XOR_PEER_ADDRESS, AttrType},
    fingerprint::FINGERPRINT,
    integrity::MessageIntegrity,
    message::{
        CLASS_INDICATION, CLASS_REQUEST, METHOD_ALLOCATE, METHOD_BINDING, METHOD_CHANNEL_BIND,
        METHOD_CONNECT, METHOD_CONNECTION_BIND, METHOD_CREATE_PERMISSION, METHOD_REFRESH,
        METHOD_SEND, Message, MessageType, Method, Setter,
    },
    xoraddr::XorMappedAddress,
};

use crate::{REALM, places::peer};

/// RFC 8016 §4.
pub const MOBILITY_TICKET: AttrType = AttrType(0x8030);

/// RFC 6062 §6.2.1.
pub const CONNECTION_ID: AttrType = AttrType(0x002A);

/// Of the methods that there are, and one that is sent in indications only.
const METHODS: [Method; 9] = [
    METHOD_ALLOCATE,
    METHOD_REFRESH,
    METHOD_CREATE_PERMISSION,
    METHOD_CHANNEL_BIND,
    METHOD_ALLOCATE,
    METHOD_BINDING,
    METHOD_CONNECT,
    METHOD_SEND,
    METHOD_CONNECTION_BIND,
];

pub fn method(number: u8) -> Method {
    METHODS[usize::from(number % 9)]
}

pub fn request(method: Method, transaction: u8) -> Message {
    message(MessageType::new(method, CLASS_REQUEST), transaction)
}

fn message(typ: MessageType, transaction: u8) -> Message {
    let mut message = Message::new();
    message.typ = typ;
    message.transaction_id.0 = [transaction; 12];
    message.write_header();
    message
}

pub fn add_peer(message: &mut Message, peer: SocketAddr) {
    let (ip, port) = (peer.ip(), peer.port());
    let address = XorMappedAddress { ip, port };
    let added = address.add_to_as(message, ATTR_XOR_PEER_ADDRESS);
    added.expect("an address is written");
}

pub fn add_transport(message: &mut Message) {
    message.add(AttrType(0x0019), &[17, 0, 0, 0]);
}

pub fn add_channel(message: &mut Message, number: u16) {
    let [high, low] = number.to_be_bytes();
    message.add(AttrType(0x000C), &[high, low, 0, 0]);
}

/// A channel's number, mostly one of few.
pub fn channel(u: &mut Unstructured<'_>) -> Result<u16> {
    Ok(match u.arbitrary::<u8>()? {
        few @ 0..=199 => 0x4000 + u16::from(few % 4),
        200..=229 => 0x5000,
        _ => u.arbitrary()?,
    })
}

/// What the relays have told, and clients say again.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The last ticket that anybody was given, RFC 8016.
    pub ticket: Vec<u8>,
    /// The last connection that anybody was told of, RFC 6062.
    pub connection: u32,
}

/// Up to 15 attributes, each of a byte for its kind and what it needs.
pub fn add_attributes(message: &mut Message, told: &Told, u: &mut Unstructured<'_>) -> Result<()> {
    for _ in 0..u.arbitrary::<u8>()? % 16 {
        match u.arbitrary::<u8>()? % 18 {
            0 => add_transport(message),
            1 => add_peer(message, peer(u.arbitrary()?)),
            2 => add_channel(message, channel(u)?),
            3 => {
                let seconds = u32::from(u.arbitrary::<u8>()?) * 30;
                message.add(AttrType(0x000D), &seconds.to_be_bytes());
            }
            4 => {
                let family = u.arbitrary::<u8>()? % 4;
                message.add(AttrType(0x0017), &[family, 0, 0, 0]);
            }
            5 => message.add(AttrType(0x0018), &[u.arbitrary()?]),
            8 => {
                let family = u.arbitrary::<u8>()? % 4;
                message.add(AttrType(0x8000), &[family, 0, 0, 0]);
            }
            9 => {
                // Of the tokens that the world gives, most are of a low number.
                let (family, number) = (u.arbitrary::<u8>()? & 0x80, u.arbitrary::<u16>()?);
                let [high, low] = number.to_be_bytes();
                message.add(AttrType(0x0022), &[family, 0, 0, 0, 0, 0, high, low]);
            }
            10 => message.add(AttrType(0x001A), &[]),
            11 => message.add(MOBILITY_TICKET, &[]),
            12 => message.add(MOBILITY_TICKET, &told.ticket),
            13 => message.add(AttrType(0x0019), &[6, 0, 0, 0]),
            14 => {
                let before = u32::from(u.arbitrary::<u8>()?);
                let connection = told.connection.wrapping_sub(before);
                message.add(CONNECTION_ID, &connection.to_be_bytes());
            }
            15 => message.add(AttrType(0x0003), &[0, 0, 0, u.arbitrary()?]),
            16 => message.add(AttrType(0x0027), &u.arbitrary::<u16>()?.to_be_bytes()),
            17 => {
                let length = u.arbitrary::<u16>()? % 2048;
                message.add(AttrType(0x0026), &vec![0; length.into()]);
            }
            6 => {
                let typ = u.arbitrary::<u8>()?;
                message.add(AttrType(typ.into()), bytes(u)?);
            }
            _ => {
                let typ = u.arbitrary::<u16>()?;
                message.add(AttrType(typ), bytes(u)?);
            }
        }
    }
    Ok(())
}

/// One byte of length, and so many bytes as there are of that.
pub fn bytes<'a>(u: &mut Unstructured<'a>) -> Result<&'a [u8]> {
    let length = usize::from(u.arbitrary::<u8>()?);
    u.bytes(length.min(u.len()))
}

/// How a request is signed.
#[derive(Clone, Copy, Debug)]
pub enum Signature {
    /// As in RFC 5389.
    Sha1,
    /// With all that RFC 8489 adds.
    Sha256,
    /// The same, with the name hashed.
    Sha256AndUserhash,
}

pub fn sign(
    message: &mut Message,
    (name, password): (String, String),
    nonce: &[u8],
    signature: Signature,
) {
    match signature {
        Signature::Sha256AndUserhash => {
            let hash = digest(&SHA256, format!("{name}:{REALM}").as_bytes());
            message.add(AttrType(0x001E), hash.as_ref());
        }
        Signature::Sha1 | Signature::Sha256 => message.add(AttrType(0x0006), name.as_bytes()),
    }
    message.add(AttrType(0x0014), REALM.as_bytes());
    message.add(AttrType(0x0015), nonce);
    if matches!(signature, Signature::Sha1) {
        let key = MessageIntegrity::new_long_term_integrity(name, REALM.to_owned(), password);
        // It refuses to stand behind a FINGERPRINT.
        let _ = key.add_to(message);
        return;
    }
    message.add(AttrType(0x001D), &[0, 2, 0, 0]);
    message.add(AttrType(0x8002), &[0, 2, 0, 0, 0, 1, 0, 0]);
    let key = digest(&SHA256, format!("{name}:{REALM}:{password}").as_bytes());
    let mut protected = message.raw.clone();
    let length = (message.length + 36) as u16;
    protected[2..4].copy_from_slice(&length.to_be_bytes());
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()), &protected);
    message.add(AttrType(0x001C), mac.as_ref());
}

pub fn add_fingerprint(message: &mut Message) {
    FINGERPRINT.add_to(message).expect("a checksum is written");
}

pub fn send_indication(peer: SocketAddr, data: &[u8]) -> Message {
    let mut message = message(MessageType::new(METHOD_SEND, CLASS_INDICATION), 1);
    add_peer(&mut message, peer);
    message.add(AttrType(0x0013), data);
    message
}

pub fn channel_data(number: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("data is short");
    [&number.to_be_bytes(), &length.to_be_bytes(), data].concat()
}
