/// RFC 8656 §12.4: number and length, two bytes each.
pub(crate) const CHANNEL_DATA_HEADER_BYTES: usize = 4;

/// A ChannelData message as it arrived over UDP.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-------------------------------+-------------------------------+
/// |         Channel Number        |            Length             |
/// +-------------------------------+-------------------------------+
/// |                       Application Data                        |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChannelData {
    pub(crate) number: u16,
    /// Bytes of application data, right after the header.
    pub(crate) length: usize,
}

impl ChannelData {
    /// Reads a datagram that starts with the bits 01. Padding to four bytes is allowed, not required.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let [a, b, c, d, data @ ..] = payload else {
            return None;
        };
        let number = u16::from_be_bytes([*a, *b]);
        let length = usize::from(u16::from_be_bytes([*c, *d]));
        let trailing = data.len().checked_sub(length)?;
        (trailing < 4).then_some(Self { number, length })
    }

    pub(crate) fn header(number: u16, length: u16) -> [u8; CHANNEL_DATA_HEADER_BYTES] {
        let [a, b] = number.to_be_bytes();
        let [c, d] = length.to_be_bytes();
        [a, b, c, d]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_holds_its_length_and_at_most_its_padding() {
        let parse = |length, bytes| {
            let mut datagram = ChannelData::header(0x4000, length).to_vec();
            datagram.resize(CHANNEL_DATA_HEADER_BYTES + bytes, 7);
            ChannelData::parse(&datagram).map(|data| data.length)
        };
        assert_eq!(parse(0, 0), Some(0));
        assert_eq!(parse(5, 5), Some(5));
        assert_eq!(parse(5, 8), Some(5));
        assert_eq!(parse(5, 4), None);
        assert_eq!(parse(5, 9), None);
        assert_eq!(ChannelData::parse(&[0x40, 0, 0]), None);
    }
}
