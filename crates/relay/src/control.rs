//! Requests: who may ask, in which order that is checked, and how it is answered.

mod allocate;
mod authenticate;
mod binding;
mod channel_bind;
mod connections;
mod create_permission;
mod mobility;
mod refresh;

use std::net::SocketAddr;

pub(crate) use self::connections::Connections;

use crate::{
    Action, AllocationId, Answer, Authentication, Client, DropReason, ErrorCode, Relay, Time,
    allocation::Allocation,
    codec::{Malformed, Request, Response},
    credentials::Claim,
    long_term_key::Signer,
    wire::{Message, Method, TransactionId},
};

/// Who asks, for what, and with which key that was proved.
#[derive(Debug)]
struct Asker<'a> {
    client: Client,
    method: Method,
    transaction: TransactionId,
    has_fingerprint: bool,
    claim: Claim<'a>,
    signer: Signer,
    now: Time,
}

impl Relay {
    /// Checks who asks, and hands the request to its method.
    pub(crate) fn handle_control(
        &mut self,
        client: Client,
        message: &Message<'_>,
        now: Time,
    ) -> Action {
        let credentials = self.config.credentials.clone();
        let (claim, signer) = match self.authenticate(&credentials, client, message, now) {
            Ok(verified) => verified,
            Err(failure) => {
                self.authentication = Some(failure);
                return self.refuse_unverified(client, message, failure.code(), now);
            }
        };
        self.authentication = Some(Authentication::Accepted);
        self.know_network(client, now);
        let asker = Asker {
            client,
            method: message.method,
            transaction: message.transaction,
            has_fingerprint: message.has_fingerprint,
            claim,
            signer,
            now,
        };
        if !message.unknown.is_empty() {
            return self.refuse_attributes(&asker, message.unknown.as_slice());
        }
        let Ok(request) = Request::decode(message.content, message.transaction) else {
            return self.refuse(&asker, ErrorCode::BadRequest);
        };
        let response = match message.method {
            Method::Allocate => return self.allocate(&asker, &request, message.dont_fragment),
            Method::Refresh => match self.ticket(&asker, &request) {
                Ok(Some(ticket)) if self.is_elsewhere(ticket) => {
                    return Action::Elsewhere(ticket.home());
                }
                Ok(ticket) => self.refresh(&asker, &request, ticket),
                Err(code) => Err(code),
            },
            Method::CreatePermission => self.create_permission(&asker, &request),
            Method::ChannelBind => self.channel_bind(&asker, &request),
            Method::Connect => return self.connect(&asker, &request),
            Method::ConnectionBind => return self.connection_bind(&asker, &request),
            Method::Binding | Method::Send | Method::Data | Method::ConnectionAttempt => {
                return Action::Dropped(DropReason::UnexpectedClass);
            }
        };
        match response {
            Ok(response) => self.grant(&asker, response),
            Err(code) => self.refuse(&asker, code),
        }
    }

    fn grant(&mut self, asker: &Asker<'_>, response: Response) -> Action {
        self.finish(asker, response, None)
    }

    fn refuse(&mut self, asker: &Asker<'_>, code: ErrorCode) -> Action {
        let response = Response::error(asker.method, asker.transaction, code);
        self.finish(asker, response, Some(code))
    }

    fn refuse_attributes(&mut self, asker: &Asker<'_>, attributes: &[u16]) -> Action {
        let code = ErrorCode::UnknownAttribute;
        let mut response = Response::error(asker.method, asker.transaction, code);
        response.unknown_attributes(attributes);
        self.finish(asker, response, Some(code))
    }

    fn finish(
        &mut self,
        asker: &Asker<'_>,
        response: Response,
        error: Option<ErrorCode>,
    ) -> Action {
        response.finish(&asker.signer, asker.has_fingerprint, &mut self.answer);
        Action::Answer(Answer {
            client: asker.client,
            method: asker.method,
            error,
            verified: true,
        })
    }

    /// The allocation of the asker's 5-tuple, if it is the asker's.
    fn own_allocation(
        &mut self,
        asker: &Asker<'_>,
    ) -> Result<(AllocationId, &mut Allocation), ErrorCode> {
        let (client, now) = (asker.client, asker.now.monotonic);
        let found = self.allocations.open_of(client, now);
        let (_, allocation) = found.ok_or(ErrorCode::AllocationMismatch)?;
        if !asker.claim.is_of(&allocation.user) {
            return Err(ErrorCode::WrongCredentials);
        }
        self.settle(client, now);
        let found = self.allocations.open_of(client, now);
        found.ok_or(ErrorCode::AllocationMismatch)
    }
}

/// The client's address as it sees it, where a socket of both families maps IPv4 into IPv6.
fn reflexive(client: Client) -> SocketAddr {
    SocketAddr::new(client.address.ip().to_canonical(), client.address.port())
}

impl From<Malformed> for ErrorCode {
    fn from(Malformed: Malformed) -> Self {
        Self::BadRequest
    }
}
