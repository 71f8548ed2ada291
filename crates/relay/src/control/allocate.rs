use std::{net::SocketAddr, sync::Arc, time::Instant};

use super::{Asker, reflexive};
use crate::{
    Action, AllocationId, Answer, Client, Config, DropReason, ErrorCode, Family, Method, Refusal,
    Relay, RelayedFamily,
    allocation::{Allocation, Terms},
    allocations::{Found, Opening},
    codec::{AddressFamily, Request, Response},
    output::{CloseReason, Open, Output},
    wire::{TransactionId, UnknownAttributes},
};

/// The protocol number of UDP.
const UDP: u8 = 17;

/// RFC 8656 §3.2: shortest lifetime that is granted, and the one of who does not ask.
const DEFAULT_LIFETIME_SECONDS: u64 = 600;

/// RFC 8656 §7.2: longest lifetime that is granted.
const MAX_LIFETIME_SECONDS: u64 = 3600;

/// The lifetime in seconds that is granted to an allocation which may become `rest` seconds older.
pub(super) fn granted_lifetime(requested: Option<u64>, rest: u64) -> u64 {
    requested
        .unwrap_or(DEFAULT_LIFETIME_SECONDS)
        .clamp(DEFAULT_LIFETIME_SECONDS, MAX_LIFETIME_SECONDS)
        .min(rest)
}

/// What an Allocate asks for and is granted, if there is a port.
struct Wanted {
    family: Family,
    even_port: bool,
    /// In seconds.
    lifetime: u64,
}

impl Relay {
    /// RFC 8656 §7.2, in its order.
    pub(super) fn allocate(
        &mut self,
        asker: &Asker<'_>,
        request: &Request,
        unsupported: &UnknownAttributes,
    ) -> Action {
        match self.allocations.find(asker.client, asker.now.monotonic) {
            Found::Nothing => {}
            Found::Opening => return Action::Dropped(DropReason::Opening),
            Found::Open(allocation)
                if allocation.transaction == asker.transaction
                    && asker.claim.is_of(&allocation.user) =>
            {
                let (relayed, lifetime) = (allocation.relayed, allocation.lifetime);
                let response = allocated(asker.transaction, asker.client, relayed, lifetime);
                return self.grant(asker, response);
            }
            Found::Open(_) => return self.refuse(asker, ErrorCode::AllocationMismatch),
            Found::Over(id) => self.end(id, CloseReason::Expired),
        }
        match request.requested_transport() {
            Ok(Some(UDP)) => {}
            Ok(Some(_)) => return self.refuse(asker, ErrorCode::UnsupportedTransportProtocol),
            Ok(None) | Err(_) => return self.refuse(asker, ErrorCode::BadRequest),
        }
        if !unsupported.is_empty() {
            return self.refuse_attributes(asker, unsupported.as_slice());
        }
        match self.terms(asker, request) {
            Ok(wanted) => {
                self.ask_to_open(asker, &wanted);
                Action::Pending
            }
            Err(code) => self.refuse(asker, code),
        }
    }

    /// What to grant.
    fn terms(&self, asker: &Asker<'_>, request: &Request) -> Result<Wanted, ErrorCode> {
        let family = match request.requested_address_family()? {
            Some(AddressFamily::Ipv4) => Family::V4,
            Some(AddressFamily::Ipv6) => Family::V6,
            Some(AddressFamily::Other) => return Err(ErrorCode::AddressFamilyNotSupported),
            None if self.has_family(Family::V4) => Family::V4,
            None => Family::of(reflexive(asker.client)),
        };
        if !self.has_family(family) {
            return Err(ErrorCode::AddressFamilyNotSupported);
        }
        let max_age = self.config.max_allocation_age.as_secs();
        Ok(Wanted {
            family,
            even_port: request.even_port()?,
            lifetime: granted_lifetime(request.lifetime()?, max_age),
        })
    }

    fn ask_to_open(&mut self, asker: &Asker<'_>, wanted: &Wanted) {
        let user = asker.claim.user();
        let allocation = self.allocations.insert(Opening {
            client: asker.client,
            user: user.clone(),
            transaction: asker.transaction,
            has_fingerprint: asker.has_fingerprint,
            key: asker.key.clone(),
            lifetime: wanted.lifetime,
        });
        self.outputs.push_back(Output::Open(Open {
            allocation,
            family: wanted.family,
            even_port: wanted.even_port,
            user,
            username: Arc::from(asker.claim.username()),
            client: asker.client,
        }));
    }

    /// How it went with [`Output::Open`]: the address that the relay socket is bound to, in the family that
    /// was asked for, or why there is none. The action is the answer to the client.
    ///
    /// An allocation that was not asked for is [`DropReason::NoAllocation`], and its socket is to be closed.
    pub fn handle_opened(
        &mut self,
        allocation: AllocationId,
        socket: Result<SocketAddr, Refusal>,
        now: Instant,
    ) -> Action {
        let opened = match socket {
            Ok(bound) => self.open(allocation, bound, now),
            Err(refusal) => self.close(allocation, refusal),
        };
        let Some((opening, response, error)) = opened else {
            return Action::Dropped(DropReason::NoAllocation);
        };
        response.finish(&opening.key, opening.has_fingerprint, &mut self.answer);
        Action::Answer(Answer {
            client: opening.client,
            method: Method::Allocate,
            error,
            verified: true,
        })
    }

    fn open(&mut self, id: AllocationId, bound: SocketAddr, now: Instant) -> Option<Opened> {
        let relayed = told(&self.config, bound);
        let max_age = self.config.max_allocation_age;
        let allocation = |opening: &Opening| {
            let terms = Terms {
                client: opening.client,
                user: opening.user.clone(),
                relayed,
                transaction: opening.transaction,
                lifetime: opening.lifetime,
                max_age,
            };
            Allocation::new(terms, now)
        };
        let opening = self.allocations.promote(id, allocation, now)?;
        let lifetime = opening.lifetime;
        let response = allocated(opening.transaction, opening.client, relayed, lifetime);
        Some((opening, response, None))
    }

    fn close(&mut self, id: AllocationId, refusal: Refusal) -> Option<Opened> {
        let opening = self.allocations.take_opening(id)?;
        let code = match refusal {
            Refusal::QuotaReached => ErrorCode::AllocationQuotaReached,
            Refusal::InsufficientCapacity => ErrorCode::InsufficientCapacity,
        };
        let response = Response::error(Method::Allocate, opening.transaction, code);
        Some((opening, response, Some(code)))
    }
}

type Opened = (Opening, Response, Option<ErrorCode>);

fn allocated(
    transaction: TransactionId,
    client: Client,
    relayed: SocketAddr,
    lifetime: u64,
) -> Response {
    let mut response = Response::success(Method::Allocate, transaction);
    response.xor_relayed_address(relayed);
    response.lifetime(lifetime);
    response.xor_mapped_address(reflexive(client));
    response
}

/// The address under which peers reach the relay socket.
fn told(config: &Config, bound: SocketAddr) -> SocketAddr {
    let external = match bound {
        SocketAddr::V4(_) => match config.ipv4 {
            RelayedFamily::External(ip) => Some(ip.into()),
            RelayedFamily::AsBound | RelayedFamily::None => None,
        },
        SocketAddr::V6(_) => match config.ipv6 {
            RelayedFamily::External(ip) => Some(ip.into()),
            RelayedFamily::AsBound | RelayedFamily::None => None,
        },
    };
    SocketAddr::new(external.unwrap_or_else(|| bound.ip()), bound.port())
}
