use crate::{
    Action, Answer, Authentication, Client, Credentials, DropReason, ErrorCode, Method, Relay,
    Time,
    credentials::{Claim, Name},
    long_term_key::{PASSWORD_ALGORITHMS, PasswordAlgorithm, Signer},
    nonce::has_password_algorithms,
    wire::{AnswerWriter, Class, IntegrityHash, Message, attribute},
};

/// Shortest request of which the challenge may have all that belongs there: an Allocate that says for which
/// transport. See the budget in [`crate::nonce`].
const SHORTEST_FULL_CHALLENGE_BYTES: usize = 28;

impl Relay {
    /// RFC 8489 §9.2.4, in its order: a wrong password is told before an old nonce.
    pub(super) fn authenticate<'a>(
        &self,
        credentials: &'a Credentials,
        client: Client,
        message: &Message<'a>,
        now: Time,
    ) -> Result<(Claim<'a>, Signer), Authentication> {
        let integrity = message.integrity.ok_or(Authentication::Missing)?;
        let name = message
            .username
            .map(Name::Plain)
            .or_else(|| message.userhash.map(Name::Hash));
        let (Some(name), Some(realm), Some(nonce)) = (name, message.realm, message.nonce) else {
            return Err(Authentication::Malformed);
        };
        let (algorithm, hash) = algorithm(message, nonce)?;
        if realm != credentials.realm().as_bytes() {
            return Err(Authentication::WrongRealm);
        }
        let (claim, key) = credentials
            .verify(name, algorithm, |key| integrity.is_by(key.as_bytes()))
            .ok_or(Authentication::Wrong)?;
        // An allocation outlives the credential that it was made with, up to its greatest age.
        let valid_until = now.unix.saturating_sub(self.config.expiry_leeway.as_secs());
        if message.method == Method::Allocate && claim.is_expired_at(valid_until) {
            return Err(Authentication::Expired);
        }
        if self.kicked.holds(claim.user_name(), now.unix) {
            return Err(Authentication::Kicked);
        }
        let lifetime = self.config.nonce_lifetime;
        let features = credentials.features();
        let nonce_key = &self.config.nonce_key;
        if !nonce_key.is_valid(nonce, client.address, now.unix, lifetime, features) {
            return Err(Authentication::StaleNonce);
        }
        Ok((claim, Signer { key, hash }))
    }

    /// Refuses what somebody asked who has not proved who it is, in few bytes and without heap. 401 and 438
    /// tell how to prove it.
    pub(super) fn refuse_unverified(
        &mut self,
        client: Client,
        message: &Message<'_>,
        code: ErrorCode,
        now: Time,
    ) -> Action {
        if !self.may_challenge(client, message, now) {
            return Action::Dropped(DropReason::ChallengeRate);
        }
        let transaction = message.transaction;
        let buffer = &mut self.answer;
        let mut answer = AnswerWriter::new(buffer, message.method, Class::Error, transaction);
        answer.error_code(code);
        if code == ErrorCode::UnknownAttribute {
            answer.unknown_attributes(message.unknown.as_slice());
        }
        if matches!(code, ErrorCode::Unauthenticated | ErrorCode::StaleNonce) {
            let (source, credentials) = (client.address, &self.config.credentials);
            let nonce_key = &self.config.nonce_key;
            answer.attribute(attribute::REALM, credentials.realm().as_bytes());
            if message.content.len() < SHORTEST_FULL_CHALLENGE_BYTES {
                answer.attribute(attribute::NONCE, &nonce_key.mint_stale(source, now.unix));
            } else {
                let nonce = nonce_key.mint(source, now.unix, credentials.features());
                answer.attribute(attribute::NONCE, &nonce);
                answer.attribute(attribute::PASSWORD_ALGORITHMS, &PASSWORD_ALGORITHMS);
            }
        }
        if message.has_fingerprint {
            answer.fingerprint();
        }
        Action::Answer(Answer {
            client,
            method: message.method,
            error: Some(code),
            verified: false,
        })
    }
}

/// How the password becomes a key, and how the answer is signed.
///
/// Whoever was told of algorithms, which its nonce says, repeats all of them and names one, so that it is noticed
/// if somebody had changed the list on its way; who has never heard of algorithms names none. §9.2.3.2 lets later
/// requests leave the list out, but §9.2.4, which is followed here, refuses them.
fn algorithm(
    message: &Message<'_>,
    nonce: &[u8],
) -> Result<(PasswordAlgorithm, IntegrityHash), Authentication> {
    match (message.password_algorithm, message.password_algorithms) {
        (None, None) => Ok((PasswordAlgorithm::Md5, IntegrityHash::Sha1)),
        (Some(one), Some(all)) if all == PASSWORD_ALGORITHMS => {
            let algorithm = PasswordAlgorithm::parse(one).ok_or(Authentication::Malformed)?;
            Ok((algorithm, IntegrityHash::Sha256))
        }
        (_, _) if has_password_algorithms(nonce) => Err(Authentication::Malformed),
        // The nonce is nobody's: at best the answer is a 438.
        (one, _) => Ok((
            one.and_then(PasswordAlgorithm::parse)
                .unwrap_or(PasswordAlgorithm::Md5),
            IntegrityHash::Sha256,
        )),
    }
}
