use super::{
    Class, HEADER_BYTES, Integrity, IntegrityHash, MAGIC_COOKIE, Method, TransactionId,
    attribute::{self, COMPREHENSION_OPTIONAL},
    fingerprint::fingerprint,
    method::decode_type,
};
use crate::DropReason;

/// Most attributes a message may have: as many as the peers of one CreatePermission that fits a datagram,
/// and ten times what anybody sends otherwise.
const MAX_ATTRIBUTES: usize = 256;

/// A STUN message, borrowed from the datagram it fills.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    pub(crate) method: Method,
    pub(crate) class: Class,
    pub(crate) transaction: TransactionId,
    pub(crate) username: Option<&'a [u8]>,
    pub(crate) userhash: Option<&'a [u8]>,
    pub(crate) realm: Option<&'a [u8]>,
    pub(crate) nonce: Option<&'a [u8]>,
    pub(crate) password_algorithm: Option<&'a [u8]>,
    pub(crate) password_algorithms: Option<&'a [u8]>,
    /// The one that is to be checked: MESSAGE-INTEGRITY-SHA256 if it is there.
    pub(crate) integrity: Option<Integrity<'a>>,
    /// The message up to the first of the two, or to FINGERPRINT.
    pub(crate) content: &'a [u8],
    pub(crate) has_fingerprint: bool,
    /// The first XOR-PEER-ADDRESS, undecoded.
    pub(crate) peer: Option<&'a [u8]>,
    /// Where the value of the first DATA stands in the datagram.
    pub(crate) data: Option<(usize, usize)>,
    /// Whether DONT-FRAGMENT is there.
    pub(crate) dont_fragment: bool,
    /// RFC 5780, where that is offered.
    pub(crate) discovery: DiscoveryAttributes<'a>,
    /// Comprehension-required attributes that are not understood.
    pub(crate) unknown: UnknownAttributes,
}

impl<'a> Message<'a> {
    /// Reads a datagram that starts with the bits 00.
    ///
    /// Of several attributes of one type the first counts; after MESSAGE-INTEGRITY only
    /// MESSAGE-INTEGRITY-SHA256 and FINGERPRINT do.
    ///
    /// `offers_discovery` says whether the attributes of a Binding request of RFC 5780 are understood.
    pub(crate) fn parse(datagram: &'a [u8], offers_discovery: bool) -> Result<Self, DropReason> {
        let mut message = Self::parse_header(datagram)?;
        let is_discovery = offers_discovery && message.method == Method::Binding;
        let mut offset = HEADER_BYTES;
        for _ in 0..=MAX_ATTRIBUTES {
            if offset == datagram.len() {
                if message.integrity.is_none() && !message.has_fingerprint {
                    message.content = datagram;
                }
                return Ok(message);
            }
            let Some(&[t0, t1, l0, l1]) = datagram.get(offset..offset + 4) else {
                return Err(DropReason::Malformed);
            };
            let length = usize::from(u16::from_be_bytes([l0, l1]));
            let start = offset + 4;
            let Some(value) = datagram.get(start..start + length) else {
                return Err(DropReason::Malformed);
            };
            let next = start + length.next_multiple_of(4);
            let attribute = u16::from_be_bytes([t0, t1]);
            if attribute == attribute::FINGERPRINT {
                let expected = fingerprint(&datagram[..offset]).to_be_bytes();
                if next != datagram.len() || value != expected {
                    return Err(DropReason::BadFingerprint);
                }
                message.has_fingerprint = true;
                if message.integrity.is_none() {
                    message.content = &datagram[..offset];
                }
            } else if attribute == attribute::MESSAGE_INTEGRITY_SHA256 {
                message.take_integrity(IntegrityHash::Sha256, value, &datagram[..offset]);
            } else if attribute == attribute::MESSAGE_INTEGRITY {
                message.take_integrity(IntegrityHash::Sha1, value, &datagram[..offset]);
            } else if message.integrity.is_none() {
                let is_taken = is_discovery && message.discovery.take(attribute, value);
                if !is_taken {
                    message.take(attribute, value, start);
                }
            }
            offset = next;
        }
        Err(DropReason::Malformed)
    }

    fn parse_header(datagram: &'a [u8]) -> Result<Self, DropReason> {
        let Some((header, attributes)) = datagram.split_at_checked(HEADER_BYTES) else {
            return Err(DropReason::NotStun);
        };
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        // The two zero bits, the cookie, the exact length and its multiple of four tell STUN from what else
        // may arrive on the port, RFC 8489 §6.3.
        if header[0] & 0xC0 != 0
            || header[4..8] != MAGIC_COOKIE
            || length != attributes.len()
            || !length.is_multiple_of(4)
        {
            return Err(DropReason::NotStun);
        }
        let Some((method, class)) = decode_type(u16::from_be_bytes([header[0], header[1]])) else {
            return Err(DropReason::UnknownMethod);
        };
        let mut transaction = TransactionId([0; 12]);
        transaction.0.copy_from_slice(&header[8..]);
        Ok(Self {
            method,
            class,
            transaction,
            username: None,
            userhash: None,
            realm: None,
            nonce: None,
            password_algorithm: None,
            password_algorithms: None,
            integrity: None,
            content: &[],
            has_fingerprint: false,
            peer: None,
            data: None,
            dont_fragment: false,
            discovery: DiscoveryAttributes::default(),
            unknown: UnknownAttributes::default(),
        })
    }

    fn take_integrity(&mut self, hash: IntegrityHash, mac: &'a [u8], protected: &'a [u8]) {
        let taken = self.integrity.map(|integrity| integrity.hash);
        if taken.is_none() {
            self.content = protected;
        }
        if taken.is_none() || taken == Some(IntegrityHash::Sha1) && hash == IntegrityHash::Sha256 {
            self.integrity = Some(Integrity {
                hash,
                protected,
                mac,
            });
        }
    }

    fn take(&mut self, attribute: u16, value: &'a [u8], start: usize) {
        match attribute {
            attribute::USERNAME => first(&mut self.username, value),
            attribute::USERHASH => first(&mut self.userhash, value),
            attribute::REALM => first(&mut self.realm, value),
            attribute::NONCE => first(&mut self.nonce, value),
            attribute::XOR_PEER_ADDRESS => first(&mut self.peer, value),
            attribute::DONT_FRAGMENT => self.dont_fragment = true,
            attribute::DATA => first(&mut self.data, (start, start + value.len())),
            attribute::PASSWORD_ALGORITHM => first(&mut self.password_algorithm, value),
            attribute::PASSWORD_ALGORITHMS => first(&mut self.password_algorithms, value),
            _ if attribute >= COMPREHENSION_OPTIONAL || attribute::is_understood(attribute) => {}
            _ => self.unknown.push(attribute),
        }
    }
}

/// Attributes with which a Binding request asks for more than where it came from, RFC 5780 §7.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DiscoveryAttributes<'a> {
    pub(crate) change_request: Option<&'a [u8]>,
    pub(crate) response_port: Option<&'a [u8]>,
    pub(crate) padding: Option<&'a [u8]>,
}

impl<'a> DiscoveryAttributes<'a> {
    fn take(&mut self, attribute: u16, value: &'a [u8]) -> bool {
        let place = match attribute {
            attribute::CHANGE_REQUEST => &mut self.change_request,
            attribute::RESPONSE_PORT => &mut self.response_port,
            attribute::PADDING => &mut self.padding,
            _ => return false,
        };
        first(place, value);
        true
    }
}

fn first<T>(place: &mut Option<T>, value: T) {
    if place.is_none() {
        *place = Some(value);
    }
}

/// The attributes that a 420 names, in the order of the request; more than anybody sends are left out, so
/// that the answer stays small.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UnknownAttributes {
    types: [u16; 8],
    count: usize,
}

impl UnknownAttributes {
    fn push(&mut self, attribute: u16) {
        if let Some(place) = self.types.get_mut(self.count) {
            *place = attribute;
            self.count += 1;
        }
    }

    pub(crate) fn as_slice(&self) -> &[u16] {
        &self.types[..self.count]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }
}
