use std::net::SocketAddr;

use super::{
    Class, MAGIC_COOKIE, Method, TransactionId,
    address::{encode_address, encode_xor_address},
    attribute,
    fingerprint::fingerprint,
    method::encode_type,
};
use crate::ErrorCode;

/// Writes a message into a buffer that keeps its storage, for the sources that are not verified.
#[derive(Debug)]
pub(crate) struct AnswerWriter<'a> {
    buffer: &'a mut Vec<u8>,
    transaction: TransactionId,
}

impl<'a> AnswerWriter<'a> {
    pub(crate) fn new(
        buffer: &'a mut Vec<u8>,
        method: Method,
        class: Class,
        transaction: TransactionId,
    ) -> Self {
        buffer.clear();
        buffer.extend_from_slice(&encode_type(method, class).to_be_bytes());
        buffer.extend_from_slice(&[0, 0]);
        buffer.extend_from_slice(&MAGIC_COOKIE);
        buffer.extend_from_slice(&transaction.0);
        Self {
            buffer,
            transaction,
        }
    }

    /// Adds an attribute; `value` is shorter than 64 KiB.
    pub(crate) fn attribute(&mut self, attribute: u16, value: &[u8]) {
        let length = u16::try_from(value.len()).expect("attributes of ours are short");
        self.buffer.extend_from_slice(&attribute.to_be_bytes());
        self.buffer.extend_from_slice(&length.to_be_bytes());
        self.buffer.extend_from_slice(value);
        self.buffer.resize(self.buffer.len().next_multiple_of(4), 0);
        self.set_length(0);
    }

    /// Adds ERROR-CODE without a reason phrase, which an unverified source could be sent in another's name.
    pub(crate) fn error_code(&mut self, code: ErrorCode) {
        self.attribute(attribute::ERROR_CODE, &code.value());
    }

    pub(crate) fn unknown_attributes(&mut self, attributes: &[u16]) {
        let mut value = [0; 16];
        let length = 2 * attributes.len();
        for (place, attribute) in value.chunks_exact_mut(2).zip(attributes) {
            place.copy_from_slice(&attribute.to_be_bytes());
        }
        self.attribute(attribute::UNKNOWN_ATTRIBUTES, &value[..length]);
    }

    pub(crate) fn xor_mapped_address(&mut self, address: SocketAddr) {
        let (value, length) = encode_xor_address(address, self.transaction);
        self.attribute(attribute::XOR_MAPPED_ADDRESS, &value[..length]);
    }

    pub(crate) fn xor_peer_address(&mut self, address: SocketAddr) {
        let (value, length) = encode_xor_address(address, self.transaction);
        self.attribute(attribute::XOR_PEER_ADDRESS, &value[..length]);
    }

    /// Adds an address that is not combined with anything.
    pub(crate) fn address(&mut self, attribute: u16, address: SocketAddr) {
        let (value, length) = encode_address(address);
        self.attribute(attribute, &value[..length]);
    }

    /// Adds FINGERPRINT, which must be last.
    pub(crate) fn fingerprint(&mut self) {
        self.set_length(8);
        let value = fingerprint(self.buffer);
        self.attribute(attribute::FINGERPRINT, &value.to_be_bytes());
    }

    fn set_length(&mut self, more: usize) {
        let length = self.buffer.len() + more - super::HEADER_BYTES;
        let length = u16::try_from(length).expect("answers of ours are short");
        self.buffer[2..4].copy_from_slice(&length.to_be_bytes());
    }
}
