use crate::ErrorCode;

/// How it went with the proof that came with a request: to be counted, and no more. Clients are told less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Authentication {
    /// Who it is was proved.
    Accepted,
    /// No MESSAGE-INTEGRITY, as in every client's first request.
    Missing,
    /// MESSAGE-INTEGRITY without USERNAME or USERHASH, REALM or NONCE, or password algorithms other than those that
    /// were offered.
    Malformed,
    /// Another realm.
    WrongRealm,
    /// A user that nobody knows, or a wrong password: which of them, cannot be told of time-limited ones.
    Wrong,
    /// Genuine, but its time is over.
    Expired,
    /// Genuine, but the user was put out.
    Kicked,
    /// The nonce is too old, or another source's.
    StaleNonce,
}

impl Authentication {
    /// All of them, for a metric that shows each from the start.
    pub const ALL: [Self; 8] = [
        Self::Accepted,
        Self::Missing,
        Self::Malformed,
        Self::WrongRealm,
        Self::Wrong,
        Self::Expired,
        Self::Kicked,
        Self::StaleNonce,
    ];

    /// A word for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::WrongRealm => "wrong-realm",
            Self::Wrong => "wrong",
            Self::Expired => "expired",
            Self::Kicked => "kicked",
            Self::StaleNonce => "stale-nonce",
        }
    }

    /// What the client is answered. Who was put out learns no more than a stranger.
    pub(crate) fn code(self) -> ErrorCode {
        match self {
            Self::Malformed => ErrorCode::BadRequest,
            Self::StaleNonce => ErrorCode::StaleNonce,
            Self::Accepted
            | Self::Missing
            | Self::WrongRealm
            | Self::Wrong
            | Self::Expired
            | Self::Kicked => ErrorCode::Unauthenticated,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn all_results_are_listed_in_order_and_have_labels_of_their_own() {
        let labels: BTreeSet<_> = Authentication::ALL.map(Authentication::label).into();
        assert_eq!(labels.len(), Authentication::ALL.len());
        assert!(Authentication::ALL.is_sorted());
        assert_eq!(
            Authentication::ALL.len(),
            Authentication::StaleNonce as usize + 1
        );
    }
}
