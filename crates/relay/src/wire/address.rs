use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{MAGIC_COOKIE, TransactionId};
use crate::Family;

const IPV4: u8 = 0x01;
const IPV6: u8 = 0x02;

/// The number of a family, RFC 8489 §14.1.
pub(crate) fn address_family(family: Family) -> u8 {
    match family {
        Family::V4 => IPV4,
        Family::V6 => IPV6,
    }
}

/// Longest value of an XOR-…-ADDRESS attribute.
pub(crate) const MAX_ADDRESS_BYTES: usize = 20;

/// Reads the value of an XOR-…-ADDRESS attribute, RFC 8489 §14.2; `None` when it is malformed.
pub(crate) fn decode_xor_address(value: &[u8], transaction: TransactionId) -> Option<SocketAddr> {
    let [_, family, port_high, port_low, ip @ ..] = value else {
        return None;
    };
    let port = u16::from_be_bytes([port_high ^ MAGIC_COOKIE[0], port_low ^ MAGIC_COOKIE[1]]);
    let ip = match *family {
        IPV4 => {
            let ip: [u8; 4] = ip.try_into().ok()?;
            let ip = u32::from_be_bytes(ip) ^ u32::from_be_bytes(MAGIC_COOKIE);
            IpAddr::V4(Ipv4Addr::from_bits(ip))
        }
        IPV6 => {
            let ip: [u8; 16] = ip.try_into().ok()?;
            IpAddr::V6(Ipv6Addr::from_bits(
                u128::from_be_bytes(ip) ^ mask(transaction),
            ))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Writes the value of an XOR-…-ADDRESS attribute; returns the bytes and how many of them count.
pub(crate) fn encode_xor_address(
    address: SocketAddr,
    transaction: TransactionId,
) -> ([u8; MAX_ADDRESS_BYTES], usize) {
    let (mut value, length) = encode_address(address);
    let mask = mask(transaction).to_be_bytes();
    for (byte, with) in value[2..4].iter_mut().zip(&mask) {
        *byte ^= with;
    }
    for (byte, with) in value[4..length].iter_mut().zip(&mask) {
        *byte ^= with;
    }
    (value, length)
}

/// Writes the value of an address attribute that is not combined with anything, RFC 8489 §14.1, in the same way.
pub(crate) fn encode_address(address: SocketAddr) -> ([u8; MAX_ADDRESS_BYTES], usize) {
    let mut value = [0; MAX_ADDRESS_BYTES];
    value[2..4].copy_from_slice(&address.port().to_be_bytes());
    match address.ip() {
        IpAddr::V4(ip) => {
            value[1] = IPV4;
            value[4..8].copy_from_slice(&ip.octets());
            (value, 8)
        }
        IpAddr::V6(ip) => {
            value[1] = IPV6;
            value[4..].copy_from_slice(&ip.octets());
            (value, MAX_ADDRESS_BYTES)
        }
    }
}

/// The cookie and the transaction id, with which an IPv6 address is combined.
fn mask(TransactionId(id): TransactionId) -> u128 {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&MAGIC_COOKIE);
    mask[4..].copy_from_slice(&id);
    u128::from_be_bytes(mask)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_address_reads_as_it_is_written(ip: IpAddr, port: u16, id: [u8; 12]) {
            let address = SocketAddr::new(ip, port);
            let (value, len) = encode_xor_address(address, TransactionId(id));
            prop_assert_eq!(decode_xor_address(&value[..len], TransactionId(id)), Some(address));
        }

        #[test]
        fn a_value_of_another_length_or_family_is_malformed(value: Vec<u8>) {
            let expected = match value.get(1) {
                Some(1) => value.len() == 8,
                Some(2) => value.len() == 20,
                _ => false,
            };
            let decoded = decode_xor_address(&value, TransactionId([0; 12]));
            prop_assert_eq!(decoded.is_some(), expected);
        }
    }
}
