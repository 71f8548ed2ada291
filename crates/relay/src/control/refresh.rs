use std::time::Duration;

use super::{Asker, allocate::granted_lifetime};
use crate::{
    ErrorCode, Family, Relay,
    codec::{AddressFamily, Request, Response},
    mobility::Ticket,
    output::CloseReason,
};

impl Relay {
    /// RFC 8656 §8.2: of an allocation of both families, both relayed addresses or the one that is named.
    pub(super) fn refresh(
        &mut self,
        asker: &Asker<'_>,
        request: &Request,
        ticket: Option<Ticket>,
    ) -> Result<Response, ErrorCode> {
        let now = asker.now.monotonic;
        let drained = self.drain.as_ref().and_then(|drain| drain.until);
        let (id, allocation) = match ticket {
            Some(ticket) => self.allocation_of_ticket(asker, ticket)?,
            None => self.own_allocation(asker)?,
        };
        let is_meant = match request.requested_address_family()? {
            Some(AddressFamily::Known(family)) if allocation.has(family, now) => {
                Family::ALL.map(|other| other == family)
            }
            Some(_) => return Err(ErrorCode::PeerAddressFamilyMismatch),
            None => Family::ALL.map(|family| allocation.has(family, now)),
        };
        let requested = request.lifetime()?;
        if allocation.secret.as_ref() != asker.claim.secret() {
            allocation.secret = asker.claim.secret().cloned();
        }
        let last = allocation.last;
        let last = drained.map_or(last, |until| last.min(until));
        let rest = last.saturating_duration_since(now);
        let lifetime = match requested {
            Some(0) => 0,
            requested => granted_lifetime(requested, rest.as_secs()),
        };
        for (family, is_meant) in Family::ALL.into_iter().zip(is_meant) {
            if is_meant && requested == Some(0) {
                self.end(id, family, CloseReason::Deleted);
            } else if is_meant {
                let until = now + Duration::from_secs(lifetime);
                self.allocations.prolong(id, family, until, now);
            }
        }
        let next = ticket.and_then(|ticket| self.use_ticket(asker, ticket));
        let mut response = Response::success(asker.method, asker.transaction);
        response.lifetime(lifetime);
        if let Some(next) = next {
            response.mobility_ticket(&next);
        }
        Ok(response)
    }
}
