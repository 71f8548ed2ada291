/// Why a packet was neither answered nor relayed: to be counted, and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DropReason {
    /// Neither STUN nor ChannelData: its first bits, cookie or length are others.
    NotStun,
    /// STUN or ChannelData by its header, but not inside.
    Malformed,
    /// The FINGERPRINT is wrong, or not last.
    BadFingerprint,
    /// RFC 8489 §6.3 has messages with an unknown method discarded.
    UnknownMethod,
    /// A response, or a class that the method does not have.
    UnexpectedClass,
    /// A Binding indication: it has kept a NAT's mapping alive, and that is all it is for.
    KeepAlive,
    /// An indication with an attribute that may not be ignored and is not understood.
    UnknownAttribute,
    /// A Send indication without a peer or without data.
    MissingAttribute,
    /// The 5-tuple, or the relay socket, has no allocation.
    NoAllocation,
    /// The allocation of the 5-tuple waits for its relay socket.
    Opening,
    /// The channel is not bound.
    NoChannel,
    /// The allocation has no permission for the peer.
    NoPermission,
    /// The peer has a permission, but its port is out of reach.
    Forbidden,
    /// Too long for the encapsulation.
    TooLong,
    /// The allocation has relayed too many packets lately.
    PacketRate,
    /// The allocation has relayed too many bits lately.
    BitRate,
    /// A request that would have been refused, of whom nothing is proved; too many were, to clients of its network.
    ChallengeRate,
    /// An ICMP message of a type that clients are not told of.
    IcmpType,
}

impl DropReason {
    /// All of them, for a metric that shows each from the start.
    pub const ALL: [Self; 18] = [
        Self::NotStun,
        Self::Malformed,
        Self::BadFingerprint,
        Self::UnknownMethod,
        Self::UnexpectedClass,
        Self::KeepAlive,
        Self::UnknownAttribute,
        Self::MissingAttribute,
        Self::NoAllocation,
        Self::Opening,
        Self::NoChannel,
        Self::NoPermission,
        Self::Forbidden,
        Self::TooLong,
        Self::PacketRate,
        Self::BitRate,
        Self::ChallengeRate,
        Self::IcmpType,
    ];

    /// A word for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::NotStun => "not-stun",
            Self::Malformed => "malformed",
            Self::BadFingerprint => "bad-fingerprint",
            Self::UnknownMethod => "unknown-method",
            Self::UnexpectedClass => "unexpected-class",
            Self::KeepAlive => "keep-alive",
            Self::UnknownAttribute => "unknown-attribute",
            Self::MissingAttribute => "missing-attribute",
            Self::NoAllocation => "no-allocation",
            Self::Opening => "opening",
            Self::NoChannel => "no-channel",
            Self::NoPermission => "no-permission",
            Self::Forbidden => "forbidden",
            Self::TooLong => "too-long",
            Self::PacketRate => "packet-rate",
            Self::BitRate => "bit-rate",
            Self::ChallengeRate => "challenge-rate",
            Self::IcmpType => "icmp-type",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn all_reasons_are_listed_in_order_and_have_labels_of_their_own() {
        let labels: BTreeSet<_> = DropReason::ALL.map(DropReason::label).into();
        assert_eq!(labels.len(), DropReason::ALL.len());
        assert!(DropReason::ALL.is_sorted());
        let last = DropReason::IcmpType;
        assert_eq!(DropReason::ALL.last(), Some(&last));
        assert_eq!(DropReason::ALL.len(), last as usize + 1);
    }
}
