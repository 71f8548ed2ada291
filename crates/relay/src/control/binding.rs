use super::reflexive;
use crate::{
    Action, Answer, Client, DropReason, ErrorCode, Relay, Time,
    discovery::Place,
    wire::{AnswerWriter, Class, DiscoveryAttributes, Message, attribute},
};

/// PADDING of an answer, in bytes at most: as much as makes fragments of it.
const MAX_PADDING_BYTES: usize = 1500;

/// Of CHANGE-REQUEST, RFC 5780 §7.2.
const CHANGE_IP: u32 = 0b100;
const CHANGE_PORT: u32 = 0b010;

/// What a request wants of its answer, RFC 5780 §6.1.
struct Wanted {
    changes_ip: bool,
    changes_port: bool,
    port: Option<u16>,
    padding_bytes: Option<usize>,
}

impl Relay {
    /// Answers a Binding request, of whomever.
    pub(crate) fn handle_binding(
        &mut self,
        client: Client,
        message: &Message<'_>,
        now: Time,
    ) -> Action {
        self.authentication = None;
        if !message.unknown.is_empty() {
            return self.refuse_unverified(client, message, ErrorCode::UnknownAttribute, now);
        }
        let Some(wanted) = Wanted::read(&message.discovery) else {
            return self.refuse_unverified(client, message, ErrorCode::BadRequest, now);
        };
        let discovery = self.config.discovery.clone();
        let place = discovery
            .as_ref()
            .and_then(|discovery| discovery.place(client.listener));
        // What such a client is told is more than three times what it sends. Beyond the limit it is told what any STUN
        // server tells, unless it wants an answer that this would not be.
        let place = match place {
            Some(_) if !self.may_challenge(client, message, now) => {
                if !wanted.is_plain() {
                    return Action::Dropped(DropReason::ChallengeRate);
                }
                None
            }
            place => place,
        };
        let transaction = message.transaction;
        let buffer = &mut self.answer;
        let mut answer = AnswerWriter::new(buffer, message.method, Class::Success, transaction);
        let mapped = reflexive(client);
        answer.xor_mapped_address(mapped);
        let mut to = client;
        if let Some(place) = place {
            answer.address(attribute::MAPPED_ADDRESS, mapped);
            to = wanted.write(place, client, &mut answer);
        }
        if message.has_fingerprint {
            answer.fingerprint();
        }
        Action::Answer(Answer {
            client: to,
            method: message.method,
            error: None,
            verified: false,
        })
    }
}

impl Wanted {
    /// `None` where the request is none.
    fn read(attributes: &DiscoveryAttributes<'_>) -> Option<Self> {
        let flags = match attributes.change_request {
            Some(flags) => u32::from_be_bytes(flags.try_into().ok()?),
            None => 0,
        };
        let port = match attributes.response_port {
            // RFC 5780 §7.5: two bytes, and two that are reserved.
            Some(&[high, low] | &[high, low, _, _]) => Some(u16::from_be_bytes([high, low])),
            Some(_) => return None,
            None => None,
        };
        // §6.1: both together would have somebody flooded with fragments.
        if port == Some(0) || port.is_some() && attributes.padding.is_some() {
            return None;
        }
        Some(Self {
            changes_ip: flags & CHANGE_IP != 0,
            changes_port: flags & CHANGE_PORT != 0,
            port,
            // Never more than was sent.
            padding_bytes: attributes
                .padding
                .map(|padding| padding.len().min(MAX_PADDING_BYTES)),
        })
    }

    /// Whether a server that knows nothing of RFC 5780 would answer from where it was asked, and to where it was asked
    /// from.
    fn is_plain(&self) -> bool {
        !self.changes_ip
            && !self.changes_port
            && self.port.is_none()
            && self.padding_bytes.is_none()
    }

    /// Writes what a client of RFC 5780 is told besides; tells where the answer goes, and from where.
    fn write(&self, place: &Place, client: Client, answer: &mut AnswerWriter<'_>) -> Client {
        let from = place.answering(self.changes_ip, self.changes_port);
        answer.address(attribute::RESPONSE_ORIGIN, from.address);
        answer.address(
            attribute::OTHER_ADDRESS,
            place.answering(true, true).address,
        );
        if let Some(bytes) = self.padding_bytes {
            answer.attribute(attribute::PADDING, &[0; MAX_PADDING_BYTES][..bytes]);
        }
        let mut to = Client {
            listener: from.listener,
            ..client
        };
        if let Some(port) = self.port {
            to.address.set_port(port);
        }
        to
    }
}
