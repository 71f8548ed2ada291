use std::{net::SocketAddr, sync::Arc, time::Instant};

use super::{Asker, reflexive};
use crate::{
    Action, AllocationId, Answer, Client, DropReason, ErrorCode, Family, Method, Refusal, Relay,
    Traffic,
    allocation::{Allocation, Granted, Terms},
    allocations::{Found, Opening, Wish},
    codec::{AddressFamily, EvenPort, Request, Response},
    output::{Bound, Close, CloseReason, Open, Output, Port, Protocol},
    wire::attribute,
};

/// The protocol numbers of REQUESTED-TRANSPORT.
const UDP: u8 = 17;
const TCP: u8 = 6;

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

/// What an Allocate asks for and is granted, if there are ports.
struct Wanted {
    /// By family.
    sockets: [Wish; 2],
    protocol: Protocol,
    port: Port,
    is_mobile: bool,
    /// In seconds.
    lifetime: u64,
}

impl Relay {
    /// RFC 8656 §7.2, in its order.
    pub(super) fn allocate(
        &mut self,
        asker: &Asker<'_>,
        request: &Request,
        dont_fragment: bool,
    ) -> Action {
        match self.allocations.find(asker.client, asker.now.monotonic) {
            Found::Nothing => {}
            Found::Opening => return Action::Dropped(DropReason::Opening),
            Found::Open(allocation)
                if allocation.granted.transaction == asker.transaction
                    && asker.claim.is_of(&allocation.user) =>
            {
                let relayed = allocation.relayed().map(|relayed| relayed.address);
                let mut response = allocated(asker.client, &allocation.granted, relayed);
                let id = self.allocations.id_of(asker.client);
                self.add_first_ticket(id, &mut response);
                return self.grant(asker, response);
            }
            Found::Open(_) => return self.refuse(asker, ErrorCode::AllocationMismatch),
            Found::Over(id) => self.end_all(id, CloseReason::Expired),
        }
        let protocol = match request.requested_transport() {
            Ok(Some(UDP)) => Protocol::Udp,
            Ok(Some(TCP)) if self.config.tcp_peers => Protocol::Tcp,
            Ok(Some(_)) => return self.refuse(asker, ErrorCode::UnsupportedTransportProtocol),
            Ok(None) | Err(_) => return self.refuse(asker, ErrorCode::BadRequest),
        };
        // RFC 6062 §5.1.
        let in_stream = self.config.transport(asker.client.listener).is_stream();
        if protocol == Protocol::Tcp && (dont_fragment || !in_stream) {
            return self.refuse(asker, ErrorCode::BadRequest);
        }
        if dont_fragment && !self.config.dont_fragment {
            return self.refuse_attributes(asker, &[attribute::DONT_FRAGMENT]);
        }
        match self.terms(asker, protocol, request) {
            Ok(_) if self.drain.is_some() => self.redirect(asker),
            Ok(wanted) => {
                self.ask_to_open(asker, &wanted);
                Action::Pending
            }
            Err(code) => self.refuse(asker, code),
        }
    }

    /// What to grant.
    fn terms(
        &self,
        asker: &Asker<'_>,
        protocol: Protocol,
        request: &Request,
    ) -> Result<Wanted, ErrorCode> {
        let token = request.reservation_token()?;
        let requested = request.requested_address_family()?;
        let additional = request.additional_address_family()?;
        let even_port = request.even_port()?;
        // RFC 6062 §5.1: of TCP, no port is to be had beforehand.
        if protocol == Protocol::Tcp && (token.is_some() || even_port.is_some()) {
            return Err(ErrorCode::BadRequest);
        }
        let is_one = requested.is_some() || additional.is_some() || even_port.is_some();
        if token.is_some() && is_one || requested.is_some() && additional.is_some() {
            return Err(ErrorCode::BadRequest);
        }
        if even_port == Some(EvenPort::EvenAndNext) && additional.is_some()
            || additional.is_some_and(|family| family != AddressFamily::Known(Family::V6))
        {
            return Err(ErrorCode::BadRequest);
        }
        let wanted = if additional.is_some() {
            [true; 2]
        } else {
            let family = match (token, requested) {
                (Some(token), _) if !self.has_family(token.family()) => {
                    return Err(ErrorCode::InsufficientCapacity);
                }
                (Some(token), _) => token.family(),
                (None, Some(AddressFamily::Known(family))) => family,
                (None, Some(AddressFamily::Other)) => {
                    return Err(ErrorCode::AddressFamilyNotSupported);
                }
                (None, None) if self.has_family(Family::V4) => Family::V4,
                (None, None) => Family::of(reflexive(asker.client)),
            };
            Family::ALL.map(|other| other == family)
        };
        let wish = |family: Family| match (wanted[family.place()], self.has_family(family)) {
            (false, _) => Wish::None,
            (true, true) => Wish::Waiting,
            (true, false) => Wish::Refused(ErrorCode::AddressFamilyNotSupported),
        };
        let sockets = Family::ALL.map(wish);
        // Who waits for no socket would never be answered.
        if !sockets.contains(&Wish::Waiting) {
            return Err(ErrorCode::AddressFamilyNotSupported);
        }
        let is_mobile = self.is_mobile(asker, request)?;
        let max_age = self.config.max_allocation_age.as_secs();
        Ok(Wanted {
            sockets,
            protocol,
            port: match (token, even_port) {
                (Some(token), _) => Port::Reserved(token),
                (None, Some(EvenPort::EvenAndNext)) => Port::EvenAndNext,
                (None, Some(EvenPort::Even)) => Port::Even,
                (None, None) => Port::Any,
            },
            is_mobile,
            lifetime: granted_lifetime(request.lifetime()?, max_age),
        })
    }

    /// RFC 8656 §7.2, the last of its checks: who drains sends clients elsewhere.
    fn redirect(&mut self, asker: &Asker<'_>) -> Action {
        // The alternates' ports are not those of TLS and DTLS.
        let is_encrypted = self.config.transport(asker.client.listener).is_encrypted();
        let drain = self.drain.as_ref().filter(|_| !is_encrypted);
        let alternate = drain.and_then(|drain| drain.alternate(asker.client, asker.transaction));
        let Some(alternate) = alternate else {
            return self.refuse(asker, ErrorCode::InsufficientCapacity);
        };
        let code = ErrorCode::TryAlternate;
        let mut response = Response::error(asker.method, asker.transaction, code);
        response.alternate_server(alternate);
        self.finish(asker, response, Some(code))
    }

    fn ask_to_open(&mut self, asker: &Asker<'_>, wanted: &Wanted) {
        let user = asker.claim.user();
        let username: Arc<str> = Arc::from(asker.claim.username());
        let allocation = self.allocations.insert(Opening {
            client: asker.client,
            user: user.clone(),
            has_fingerprint: asker.has_fingerprint,
            signer: asker.signer.clone(),
            granted: Granted {
                transaction: asker.transaction,
                lifetime: wanted.lifetime,
                is_mobile: wanted.is_mobile,
                reserved: None,
                missing: None,
            },
            protocol: wanted.protocol,
            secret: asker.claim.secret().cloned(),
            sockets: wanted.sockets,
        });
        for (family, socket) in Family::ALL.into_iter().zip(wanted.sockets) {
            if socket == Wish::Waiting {
                self.outputs.push_back(Output::Open(Open {
                    allocation,
                    family,
                    protocol: wanted.protocol,
                    port: wanted.port,
                    user: user.clone(),
                    username: username.clone(),
                    client: asker.client,
                }));
            }
        }
    }

    /// How it went with [`Output::Open`]: the address that the relay socket is bound to, or why there is none.
    /// The action is the answer to the client; of two sockets the first to be reported leaves it
    /// [`Action::Pending`].
    ///
    /// A socket that was not asked for is [`DropReason::NoAllocation`], and is to be closed.
    pub fn handle_opened(
        &mut self,
        allocation: AllocationId,
        family: Family,
        socket: Result<Bound, Refusal>,
        now: Instant,
    ) -> Action {
        let Some(opening) = self.allocations.opening(allocation) else {
            return Action::Dropped(DropReason::NoAllocation);
        };
        let wish = &mut opening.sockets[family.place()];
        if *wish != Wish::Waiting {
            return Action::Dropped(DropReason::NoAllocation);
        }
        *wish = match socket {
            Ok(bound) => Wish::Bound(bound),
            Err(Refusal::QuotaReached) => Wish::Refused(ErrorCode::AllocationQuotaReached),
            Err(Refusal::InsufficientCapacity) => Wish::Refused(ErrorCode::InsufficientCapacity),
        };
        if opening.is_waiting() {
            return Action::Pending;
        }
        let opened = match opening.is_bound() {
            true => self.open(allocation, now),
            false => self.close(allocation),
        };
        let Some((opening, response, error)) = opened else {
            return Action::Dropped(DropReason::NoAllocation);
        };
        response.finish(&opening.signer, opening.has_fingerprint, &mut self.answer);
        Action::Answer(Answer {
            client: opening.client,
            method: Method::Allocate,
            error,
            verified: true,
        })
    }

    /// Has the sockets closed that are open already.
    pub(crate) fn give_up(&mut self, id: AllocationId, opening: &Opening) {
        for (family, socket) in Family::ALL.into_iter().zip(opening.sockets) {
            if let Wish::Bound(bound) = socket {
                self.outputs.push_back(Output::Close(Close {
                    allocation: id,
                    family,
                    user: opening.user.clone(),
                    client: opening.client,
                    relayed: self.config.told(bound.address),
                    reason: CloseReason::Disconnected,
                    traffic: Traffic::default(),
                }));
            }
        }
    }

    fn open(&mut self, id: AllocationId, now: Instant) -> Option<Opened> {
        let (config, max_age) = (&self.config, self.config.max_allocation_age);
        let opening = self.allocations.opening(id)?;
        let mut relayed = [None; 2];
        for ((family, wish), relayed) in Family::ALL
            .into_iter()
            .zip(opening.sockets)
            .zip(&mut relayed)
        {
            match wish {
                Wish::Bound(bound) => {
                    *relayed = Some(config.told(bound.address));
                    opening.granted.reserved = opening.granted.reserved.or(bound.reserved);
                }
                Wish::Refused(code) => opening.granted.missing = Some((family, code)),
                Wish::None | Wish::Waiting => {}
            }
        }
        let allocation = |opening: &Opening| {
            let terms = Terms {
                client: opening.client,
                user: opening.user.clone(),
                granted: opening.granted,
                protocol: opening.protocol,
                secret: opening.secret.clone(),
                relayed,
                max_age,
            };
            Allocation::new(terms, now)
        };
        let opening = self.allocations.promote(id, allocation, now)?;
        let relayed = relayed.into_iter().flatten();
        let mut response = allocated(opening.client, &opening.granted, relayed);
        self.add_first_ticket(Some(id), &mut response);
        Some((opening, response, None))
    }

    /// With the reason why there is no address of the first family.
    fn close(&mut self, id: AllocationId) -> Option<Opened> {
        let opening = self.allocations.take_opening(id)?;
        let code = opening.sockets.iter().find_map(|socket| match socket {
            Wish::Refused(code) => Some(*code),
            Wish::None | Wish::Waiting | Wish::Bound(_) => None,
        })?;
        let response = Response::error(Method::Allocate, opening.granted.transaction, code);
        Some((opening, response, Some(code)))
    }
}

type Opened = (Opening, Response, Option<ErrorCode>);

fn allocated(
    client: Client,
    granted: &Granted,
    relayed: impl Iterator<Item = SocketAddr>,
) -> Response {
    let mut response = Response::success(Method::Allocate, granted.transaction);
    for address in relayed {
        response.xor_relayed_address(address);
    }
    response.lifetime(granted.lifetime);
    if let Some(token) = granted.reserved {
        response.reservation_token(token);
    }
    response.xor_mapped_address(reflexive(client));
    if let Some((family, code)) = granted.missing {
        response.address_error_code(family, code);
    }
    response
}
