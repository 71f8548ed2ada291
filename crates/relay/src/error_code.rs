/// What an error response says, RFC 8489 §14.8 and RFC 8656 §19.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorCode {
    /// 300: the relay is draining; another one is named.
    TryAlternate,
    /// 400: the request is malformed, or asks for what cannot be.
    BadRequest,
    /// 401: no, unknown, wrong or expired credentials.
    Unauthenticated,
    /// 403: the peer is one that nobody may reach through this relay, or the allocation has gained
    /// [too many peers](crate::Limits::new_peers_per_second) lately.
    Forbidden,
    /// 405: clients may not take their allocations along: tickets are not given, or not to who comes by TCP, TLS or DTLS.
    MobilityForbidden,
    /// 420: an attribute that may not be ignored is not understood.
    UnknownAttribute,
    /// 437: the 5-tuple has no allocation, or already has one.
    AllocationMismatch,
    /// 438: the nonce is too old, or another source's.
    StaleNonce,
    /// 440: this relay has no address of the family.
    AddressFamilyNotSupported,
    /// 441: the allocation is another user's.
    WrongCredentials,
    /// 442: a transport was asked for in which there are no relayed addresses here.
    UnsupportedTransportProtocol,
    /// 443: the peer's family is not the relayed address's.
    PeerAddressFamilyMismatch,
    /// 446: the client has, or waits for, a connection to this peer.
    ConnectionAlreadyExists,
    /// 447: the peer did not take the connection, or not in time.
    ConnectionTimeoutOrFailure,
    /// 486: the user has as many allocations as it may.
    AllocationQuotaReached,
    /// 508: no port, no such reservation, no place for another permission or channel, or the relay is draining.
    InsufficientCapacity,
}

impl ErrorCode {
    /// The number on the wire.
    pub fn number(self) -> u16 {
        match self {
            Self::TryAlternate => 300,
            Self::BadRequest => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::MobilityForbidden => 405,
            Self::UnknownAttribute => 420,
            Self::AllocationMismatch => 437,
            Self::StaleNonce => 438,
            Self::AddressFamilyNotSupported => 440,
            Self::WrongCredentials => 441,
            Self::UnsupportedTransportProtocol => 442,
            Self::PeerAddressFamilyMismatch => 443,
            Self::ConnectionAlreadyExists => 446,
            Self::ConnectionTimeoutOrFailure => 447,
            Self::AllocationQuotaReached => 486,
            Self::InsufficientCapacity => 508,
        }
    }

    /// The phrase that the RFCs give it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::TryAlternate => "Try Alternate",
            Self::BadRequest => "Bad Request",
            Self::Unauthenticated => "Unauthenticated",
            Self::Forbidden => "Forbidden",
            Self::MobilityForbidden => "Mobility Forbidden",
            Self::UnknownAttribute => "Unknown Attribute",
            Self::AllocationMismatch => "Allocation Mismatch",
            Self::StaleNonce => "Stale Nonce",
            Self::AddressFamilyNotSupported => "Address Family not Supported",
            Self::WrongCredentials => "Wrong Credentials",
            Self::UnsupportedTransportProtocol => "Unsupported Transport Protocol",
            Self::PeerAddressFamilyMismatch => "Peer Address Family Mismatch",
            Self::ConnectionAlreadyExists => "Connection Already Exists",
            Self::ConnectionTimeoutOrFailure => "Connection Timeout or Failure",
            Self::AllocationQuotaReached => "Allocation Quota Reached",
            Self::InsufficientCapacity => "Insufficient Capacity",
        }
    }

    /// The value of ERROR-CODE without the phrase: hundreds and the rest, a byte each.
    pub(crate) fn value(self) -> [u8; 4] {
        let number = self.number();
        let [_, hundreds] = (number / 100).to_be_bytes();
        let [_, rest] = (number % 100).to_be_bytes();
        [0, 0, hundreds, rest]
    }
}
