//! What is said to a ClientHello before anything is kept for who sent it, RFC 6347 §4.2.1.

/// A record's header: its type, version, epoch, sequence number and length, §4.1.
const RECORD_HEADER: usize = 13;

/// A handshake message's: its type, length, number, and the part of it that follows, §4.2.2.
const HANDSHAKE_HEADER: usize = 12;

const HANDSHAKE: u8 = 22;
const ALERT: u8 = 21;

/// DTLS 1.0. §4.2.1 wants it in a HelloVerifyRequest, whatever is spoken later.
const VERSION_1_0: [u8; 2] = [0xFE, 0xFF];
const VERSION_1_2: [u8; 2] = [0xFE, 0xFD];

/// Why there will be no association, RFC 5246 §7.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alert {
    /// Nothing that both know, or the extended master secret is missing.
    HandshakeFailure = 40,
    ProtocolVersion = 70,
}

/// Bytes of a cookie.
pub(super) const COOKIE: usize = 32;

/// The first message of a handshake, whole in its datagram: of one that is not, nothing could be said before its parts
/// were kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClientHello<'a> {
    /// Its record's; the answer has the same.
    pub(super) sequence: &'a [u8],
    pub(super) version: &'a [u8],
    /// Of the client, for this handshake alone.
    pub(super) random: &'a [u8],
    pub(super) cookie: &'a [u8],
}

impl<'a> ClientHello<'a> {
    /// Reads what a datagram begins with, if that is it.
    pub(super) fn read(datagram: &'a [u8]) -> Option<Self> {
        let (record, rest) = datagram.split_at_checked(RECORD_HEADER)?;
        let (header, body) = rest.split_at_checked(HANDSHAKE_HEADER)?;
        let is_plain = record[3..5] == [0, 0];
        let is_hello = record[0] == HANDSHAKE && header[0] == 1;
        let is_whole = header[6..9] == [0; 3] && header[1..4] == header[9..12];
        if !is_plain || !is_hello || !is_whole {
            return None;
        }
        let (version, body) = body.split_at_checked(2)?;
        let (random, body) = body.split_at_checked(32)?;
        let (_session, body) = split_by_length(body)?;
        let (cookie, _) = split_by_length(body)?;
        Some(Self {
            sequence: &record[5..11],
            version,
            random,
            cookie,
        })
    }

    /// Whether it is of a version that is spoken here: RFC 8996 has put an end to DTLS 1.0.
    pub(super) fn is_of_our_version(&self) -> bool {
        self.version == VERSION_1_2
    }

    /// A HelloVerifyRequest: come back with this. Shorter than any ClientHello.
    pub(super) fn verify_request(&self, cookie: &[u8; COOKIE]) -> Vec<u8> {
        const BODY: u8 = 2 + 1 + COOKIE as u8;
        let mut message = Vec::with_capacity(RECORD_HEADER + HANDSHAKE_HEADER + usize::from(BODY));
        self.begin_record(&mut message, HANDSHAKE, HANDSHAKE_HEADER as u8 + BODY);
        message.extend([3, 0, 0, BODY, 0, 0, 0, 0, 0, 0, 0, BODY]);
        message.extend(VERSION_1_0);
        message.push(COOKIE as u8);
        message.extend(cookie);
        message
    }

    /// A fatal alert.
    pub(super) fn refusal(&self, why: Alert) -> Vec<u8> {
        let mut message = Vec::with_capacity(RECORD_HEADER + 2);
        self.begin_record(&mut message, ALERT, 2);
        message.extend([2, why as u8]);
        message
    }

    fn begin_record(&self, message: &mut Vec<u8>, kind: u8, length: u8) {
        message.push(kind);
        message.extend(VERSION_1_0);
        message.extend([0, 0]);
        message.extend(self.sequence);
        message.extend([0, length]);
    }
}

/// What a byte says the length of, and what is after it.
fn split_by_length(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

/// A ClientHello that asks for a cookie, of nobody: to what keeps the association it stands for the one that was
/// answered here.
pub(super) fn of_nobody() -> Vec<u8> {
    let mut body = Vec::from(VERSION_1_2);
    body.extend([0; 32]);
    // No session, no cookie, one suite, no compression.
    body.extend([0, 0, 0, 2, 0xC0, 0x2B, 1, 0]);
    let length = body.len() as u8;
    let mut message = vec![HANDSHAKE];
    message.extend(VERSION_1_0);
    message.extend([0; 8]);
    message.extend([0, HANDSHAKE_HEADER as u8 + length]);
    message.extend([1, 0, 0, length, 0, 0, 0, 0, 0, 0, 0, length]);
    message.extend(body);
    message
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn anything_can_be_read(datagram in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = ClientHello::read(&datagram);
        }

        #[test]
        fn a_hello_that_was_changed_or_cut_can_be_read(
            at in 0_usize..67, to: u8, length in 0_usize..68
        ) {
            let mut hello = of_nobody();
            hello[at] = to;
            let _ = ClientHello::read(&hello[..length]);
        }
    }

    #[test]
    fn an_answer_has_the_hello_s_number_and_is_no_longer_than_it() {
        let mut hello = of_nobody();
        hello[5..11].copy_from_slice(&[1, 2, 3, 4, 5, 6]);
        let read = ClientHello::read(&hello).unwrap();
        for answer in [
            read.verify_request(&[7; COOKIE]),
            read.refusal(Alert::HandshakeFailure),
        ] {
            assert_eq!(answer[5..11], [1, 2, 3, 4, 5, 6]);
            assert!(answer.len() < hello.len());
            assert_eq!(usize::from(answer[12]), answer.len() - RECORD_HEADER);
        }
    }

    #[test]
    fn a_hello_in_parts_and_one_that_is_encrypted_are_none() {
        let whole = of_nobody();
        assert!(ClientHello::read(&whole).is_some());
        for (at, to) in [(0, 23), (4, 1), (13, 2), (21, 1), (24, 1)] {
            let mut other = whole.clone();
            other[at] = to;
            assert_eq!(ClientHello::read(&other), None, "{at}");
        }
    }

    #[test]
    fn only_version_1_2_is_ours() {
        let mut hello = of_nobody();
        assert!(ClientHello::read(&hello).unwrap().is_of_our_version());
        hello[26] = 0xFF;
        assert!(!ClientHello::read(&hello).unwrap().is_of_our_version());
    }
}
