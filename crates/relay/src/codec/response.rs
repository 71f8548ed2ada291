use std::{net::SocketAddr, time::Duration};

use stun::{
    addr::MappedAddress,
    attributes::{ATTR_RESERVATION_TOKEN, ATTR_UNKNOWN_ATTRIBUTES, AttrType},
    error_code::{ErrorCode as StunErrorCode, ErrorCodeAttribute},
    fingerprint::FINGERPRINT,
    message::{
        CLASS_ERROR_RESPONSE, CLASS_SUCCESS_RESPONSE, METHOD_ALLOCATE, METHOD_BINDING,
        METHOD_CHANNEL_BIND, METHOD_CONNECT, METHOD_CONNECTION_ATTEMPT, METHOD_CONNECTION_BIND,
        METHOD_CREATE_PERMISSION, METHOD_DATA, METHOD_REFRESH, METHOD_SEND, Message, MessageClass,
        MessageType, Method as StunMethod, Setter,
    },
    xoraddr::XorMappedAddress,
};
use turn::proto::{lifetime::Lifetime, relayaddr::RelayedAddress};

use crate::{
    ConnectionId, ErrorCode, Family, Method, ReservationToken,
    long_term_key::Signer,
    wire::{IntegrityHash, TransactionId, address_family, attribute, sign},
};

/// An answer to a verified client.
#[derive(Debug)]
pub(crate) struct Response(Message);

impl Response {
    pub(crate) fn success(method: Method, transaction: TransactionId) -> Self {
        Self::new(method, CLASS_SUCCESS_RESPONSE, transaction)
    }

    /// With the reason phrase: who gets it is verified.
    pub(crate) fn error(method: Method, transaction: TransactionId, code: ErrorCode) -> Self {
        let mut response = Self::new(method, CLASS_ERROR_RESPONSE, transaction);
        response.add(&ErrorCodeAttribute {
            code: StunErrorCode(code.number()),
            reason: code.reason().into(),
        });
        response
    }

    fn new(method: Method, class: MessageClass, transaction: TransactionId) -> Self {
        let mut message = Message::new();
        message.typ = MessageType::new(method_of(method), class);
        message.transaction_id.0 = transaction.0;
        message.write_header();
        Self(message)
    }

    pub(crate) fn unknown_attributes(&mut self, attributes: &[u16]) {
        let value: Vec<u8> = attributes.iter().flat_map(|a| a.to_be_bytes()).collect();
        self.0.add(ATTR_UNKNOWN_ATTRIBUTES, &value);
    }

    pub(crate) fn lifetime(&mut self, seconds: u64) {
        self.add(&Lifetime(Duration::from_secs(seconds)));
    }

    pub(crate) fn xor_mapped_address(&mut self, address: SocketAddr) {
        let (ip, port) = (address.ip(), address.port());
        self.add(&XorMappedAddress { ip, port });
    }

    pub(crate) fn xor_relayed_address(&mut self, address: SocketAddr) {
        let (ip, port) = (address.ip(), address.port());
        self.add(&RelayedAddress { ip, port });
    }

    pub(crate) fn reservation_token(&mut self, token: ReservationToken) {
        self.0.add(ATTR_RESERVATION_TOKEN, token.as_bytes());
    }

    /// CONNECTION-ID, RFC 6062 §6.2.1.
    pub(crate) fn connection_id(&mut self, connection: ConnectionId) {
        let value = connection.0.to_be_bytes();
        self.0.add(AttrType(attribute::CONNECTION_ID), &value);
    }

    /// MOBILITY-TICKET, RFC 8016 §3.5.
    pub(crate) fn mobility_ticket(&mut self, ticket: &[u8]) {
        self.0.add(AttrType(attribute::MOBILITY_TICKET), ticket);
    }

    /// ADDRESS-ERROR-CODE, RFC 8656 §18.12: why there is no address of this family.
    pub(crate) fn address_error_code(&mut self, family: Family, code: ErrorCode) {
        let [_, _, class, number] = code.value();
        let header = [address_family(family), 0, class, number];
        let value = [&header[..], code.reason().as_bytes()].concat();
        self.0.add(AttrType(attribute::ADDRESS_ERROR_CODE), &value);
    }

    /// ALTERNATE-SERVER, RFC 8489 §14.15.
    pub(crate) fn alternate_server(&mut self, address: SocketAddr) {
        let (ip, port) = (address.ip(), address.port());
        let address = MappedAddress { ip, port };
        let added = address.add_to_as(&mut self.0, AttrType(attribute::ALTERNATE_SERVER));
        added.expect("an address is of a family");
    }

    /// Signs the answer and writes it into `buffer`.
    pub(crate) fn finish(mut self, signer: &Signer, fingerprint: bool, buffer: &mut Vec<u8>) {
        let attribute = match signer.hash {
            IntegrityHash::Sha1 => attribute::MESSAGE_INTEGRITY,
            IntegrityHash::Sha256 => attribute::MESSAGE_INTEGRITY_SHA256,
        };
        let mac = sign(&self.0.raw, signer.hash, signer.key.as_bytes());
        let mac = mac.expect("answers of ours are short");
        self.0.add(AttrType(attribute), mac.as_ref());
        if fingerprint {
            self.add(&FINGERPRINT);
        }
        buffer.clear();
        buffer.extend_from_slice(&self.0.raw);
    }

    fn add(&mut self, setter: &impl Setter) {
        setter
            .add_to(&mut self.0)
            .expect("short values, and MESSAGE-INTEGRITY before FINGERPRINT");
    }
}

fn method_of(method: Method) -> StunMethod {
    match method {
        Method::Binding => METHOD_BINDING,
        Method::Allocate => METHOD_ALLOCATE,
        Method::Refresh => METHOD_REFRESH,
        Method::Send => METHOD_SEND,
        Method::Data => METHOD_DATA,
        Method::CreatePermission => METHOD_CREATE_PERMISSION,
        Method::ChannelBind => METHOD_CHANNEL_BIND,
        Method::Connect => METHOD_CONNECT,
        Method::ConnectionBind => METHOD_CONNECTION_BIND,
        Method::ConnectionAttempt => METHOD_CONNECTION_ATTEMPT,
    }
}
