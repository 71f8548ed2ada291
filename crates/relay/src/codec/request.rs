use std::net::SocketAddr;

use stun::{
    attributes::{
        ATTR_CHANNEL_NUMBER, ATTR_EVEN_PORT, ATTR_LIFETIME, ATTR_REQUESTED_ADDRESS_FAMILY,
        ATTR_REQUESTED_TRANSPORT, ATTR_RESERVATION_TOKEN, ATTR_XOR_PEER_ADDRESS, AttrType,
    },
    message::{Getter, Message},
};
use turn::proto::{
    channum::ChannelNumber,
    lifetime::Lifetime,
    reqfamily::{REQUESTED_FAMILY_IPV4, REQUESTED_FAMILY_IPV6},
    reqtrans::RequestedTransport,
};

use crate::{
    ConnectionId, Family, ReservationToken,
    wire::{self, TransactionId, attribute, decode_xor_address},
};

/// A verified client's request.
#[derive(Debug)]
pub(crate) struct Request {
    message: Message,
    transaction: TransactionId,
}

/// An attribute has a wrong length, or a value that nothing can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// What REQUESTED-ADDRESS-FAMILY or ADDITIONAL-ADDRESS-FAMILY says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressFamily {
    Known(Family),
    /// One that was not invented yet.
    Other,
}

/// What EVEN-PORT asks for, RFC 8656 §18.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EvenPort {
    Even,
    /// With its first bit.
    EvenAndNext,
}

impl Request {
    /// Decodes what `protected`, the bytes before MESSAGE-INTEGRITY, hold.
    pub(crate) fn decode(protected: &[u8], transaction: TransactionId) -> Result<Self, Malformed> {
        let length = protected
            .len()
            .checked_sub(wire::HEADER_BYTES)
            .and_then(|length| u16::try_from(length).ok())
            .ok_or(Malformed)?;
        let mut message = Message::new();
        message.raw.clear();
        message.raw.extend_from_slice(protected);
        message.raw[2..4].copy_from_slice(&length.to_be_bytes());
        message.decode().map_err(|_| Malformed)?;
        Ok(Self {
            message,
            transaction,
        })
    }

    /// LIFETIME in seconds.
    pub(crate) fn lifetime(&self) -> Result<Option<u64>, Malformed> {
        let mut lifetime = Lifetime::default();
        Ok(self
            .read(ATTR_LIFETIME, &mut lifetime)?
            .then_some(lifetime.0.as_secs()))
    }

    /// CHANNEL-NUMBER, whatever its range.
    pub(crate) fn channel_number(&self) -> Result<Option<u16>, Malformed> {
        let mut number = ChannelNumber::default();
        Ok(self
            .read(ATTR_CHANNEL_NUMBER, &mut number)?
            .then_some(number.0))
    }

    /// REQUESTED-TRANSPORT, an IP protocol number.
    pub(crate) fn requested_transport(&self) -> Result<Option<u8>, Malformed> {
        let mut transport = RequestedTransport::default();
        Ok(self
            .read(ATTR_REQUESTED_TRANSPORT, &mut transport)?
            .then_some(transport.protocol.0))
    }

    /// REQUESTED-ADDRESS-FAMILY.
    pub(crate) fn requested_address_family(&self) -> Result<Option<AddressFamily>, Malformed> {
        self.address_family(ATTR_REQUESTED_ADDRESS_FAMILY)
    }

    /// ADDITIONAL-ADDRESS-FAMILY.
    pub(crate) fn additional_address_family(&self) -> Result<Option<AddressFamily>, Malformed> {
        match self.address_family(AttrType(attribute::ADDITIONAL_ADDRESS_FAMILY))? {
            Some(family) => Ok(Some(family)),
            None => self.address_family(AttrType(attribute::OLD_ADDITIONAL_ADDRESS_FAMILY)),
        }
    }

    /// `turn::proto` does not tell an unknown family from a wrong length, which have different answers.
    fn address_family(&self, attribute: AttrType) -> Result<Option<AddressFamily>, Malformed> {
        let Some(value) = self.values(attribute).next() else {
            return Ok(None);
        };
        let [family, _, _, _] = value else {
            return Err(Malformed);
        };
        Ok(Some(if *family == REQUESTED_FAMILY_IPV4.0 {
            AddressFamily::Known(Family::V4)
        } else if *family == REQUESTED_FAMILY_IPV6.0 {
            AddressFamily::Known(Family::V6)
        } else {
            AddressFamily::Other
        }))
    }

    /// EVEN-PORT: one byte.
    pub(crate) fn even_port(&self) -> Result<Option<EvenPort>, Malformed> {
        match self.values(ATTR_EVEN_PORT).next() {
            None => Ok(None),
            Some([bits]) if bits & 0x80 == 0 => Ok(Some(EvenPort::Even)),
            Some([_]) => Ok(Some(EvenPort::EvenAndNext)),
            Some(_) => Err(Malformed),
        }
    }

    /// RESERVATION-TOKEN: eight bytes.
    pub(crate) fn reservation_token(&self) -> Result<Option<ReservationToken>, Malformed> {
        let token = self.values(ATTR_RESERVATION_TOKEN).next();
        let bytes = token.map(<[u8; 8]>::try_from).transpose();
        let bytes = bytes.map_err(|_| Malformed)?;
        Ok(bytes.map(ReservationToken::from_bytes))
    }

    /// CONNECTION-ID: four bytes.
    pub(crate) fn connection_id(&self) -> Result<Option<ConnectionId>, Malformed> {
        let id = self.values(AttrType(attribute::CONNECTION_ID)).next();
        let id = id.map(<[u8; 4]>::try_from).transpose();
        let id = id.map_err(|_| Malformed)?;
        Ok(id.map(|id| ConnectionId(u32::from_be_bytes(id))))
    }

    /// MOBILITY-TICKET, RFC 8016 §3.5: empty where one is asked for.
    pub(crate) fn mobility_ticket(&self) -> Option<&[u8]> {
        self.values(AttrType(attribute::MOBILITY_TICKET)).next()
    }

    /// Every XOR-PEER-ADDRESS, in order.
    pub(crate) fn peers(&self) -> Result<Vec<SocketAddr>, Malformed> {
        self.values(ATTR_XOR_PEER_ADDRESS)
            .map(|value| decode_xor_address(value, self.transaction).ok_or(Malformed))
            .collect()
    }

    /// The first XOR-PEER-ADDRESS, which is the one that counts where only one may be.
    pub(crate) fn peer(&self) -> Result<Option<SocketAddr>, Malformed> {
        self.values(ATTR_XOR_PEER_ADDRESS)
            .next()
            .map(|value| decode_xor_address(value, self.transaction).ok_or(Malformed))
            .transpose()
    }

    /// Reads the first attribute of the type; false when there is none.
    fn read(&self, attribute: AttrType, getter: &mut impl Getter) -> Result<bool, Malformed> {
        if !self.message.contains(attribute) {
            return Ok(false);
        }
        getter.get_from(&self.message).map_err(|_| Malformed)?;
        Ok(true)
    }

    fn values(&self, attribute: AttrType) -> impl Iterator<Item = &[u8]> {
        let attributes = self.message.attributes.0.iter();
        attributes
            .filter(move |candidate| candidate.typ == attribute)
            .map(|attribute| &*attribute.value)
    }
}
