//! Clients that take their allocations along, RFC 8016.

use std::time::Instant;

use super::Asker;
use crate::{
    Action, AllocationId, Client, ErrorCode, Relay, Transport,
    allocation::Allocation,
    allocations::Found,
    codec::{Request, Response},
    mobility::Ticket,
    output::{Moved, Output},
};

impl Relay {
    /// §3.2.1: whether the client of an Allocate wants to move later, and may.
    pub(super) fn is_mobile(
        &self,
        asker: &Asker<'_>,
        request: &Request,
    ) -> Result<bool, ErrorCode> {
        match request.mobility_ticket() {
            None => Ok(false),
            Some(_) if !self.may_move(asker.client) => Err(ErrorCode::MobilityForbidden),
            Some([]) => Ok(true),
            Some(_) => Err(ErrorCode::BadRequest),
        }
    }

    /// Where an allocation ends with the client's connection, or its association of DTLS, there is nothing to take along.
    fn may_move(&self, client: Client) -> bool {
        self.mobility.is_some() && self.config.transport(client.listener) == Transport::Udp
    }

    /// The ticket of a new allocation, if it was to have one.
    pub(super) fn add_first_ticket(&self, id: Option<AllocationId>, response: &mut Response) {
        if let (Some(mobility), Some(id)) = (&self.mobility, id)
            && self.allocations.is_mobile(id)
        {
            response.mobility_ticket(&mobility.seal(id, 0));
        }
    }

    /// What the ticket of a Refresh says, if there is one and it is of this process.
    pub(super) fn ticket(
        &self,
        asker: &Asker<'_>,
        request: &Request,
    ) -> Result<Option<Ticket>, ErrorCode> {
        let Some(sealed) = request
            .mobility_ticket()
            .filter(|sealed| !sealed.is_empty())
        else {
            return Ok(None);
        };
        let ticket = match &self.mobility {
            Some(mobility) if self.may_move(asker.client) => mobility.open(sealed),
            Some(_) | None => return Err(ErrorCode::MobilityForbidden),
        };
        // As for any allocation that is not there: its client is to ask for another.
        let ticket = ticket.ok_or(ErrorCode::AllocationMismatch)?;
        // A 5-tuple has one allocation, and this is of another.
        match self.allocations.id_of(asker.client) {
            Some(own) if own != ticket.allocation || self.is_elsewhere(ticket) => {
                let found = self.allocations.find(asker.client, asker.now.monotonic);
                match found {
                    Found::Over(_) | Found::Nothing => Ok(Some(ticket)),
                    Found::Open(_) | Found::Opening => Err(ErrorCode::AllocationMismatch),
                }
            }
            Some(_) | None => Ok(Some(ticket)),
        }
    }

    /// Whether the ticket is for another thread's relay.
    pub(super) fn is_elsewhere(&self, ticket: Ticket) -> bool {
        let mobility = self.mobility.as_ref();
        mobility.is_some_and(|mobility| mobility.thread() != ticket.thread)
    }

    /// §3.2.2: the allocation of a ticket, if that is good and the asker's.
    pub(super) fn allocation_of_ticket(
        &mut self,
        asker: &Asker<'_>,
        ticket: Ticket,
    ) -> Result<(AllocationId, &mut Allocation), ErrorCode> {
        let (id, now) = (ticket.allocation, asker.now.monotonic);
        let allocation = self.allocations.open(id, now);
        let allocation = allocation.ok_or(ErrorCode::AllocationMismatch)?;
        if !asker.claim.is_of(&allocation.user) {
            return Err(ErrorCode::WrongCredentials);
        }
        // The last one that was used, whose answer may be lost, or the one of that answer.
        let is_good = ticket.serial.wrapping_sub(allocation.ticket) <= 1;
        match is_good && allocation.granted.is_mobile {
            true => Ok((id, allocation)),
            false => Err(ErrorCode::AllocationMismatch),
        }
    }

    /// Lets the allocation have the asker's 5-tuple besides its own, and gives it the next ticket; none where it has
    /// just ended.
    pub(super) fn use_ticket(&mut self, asker: &Asker<'_>, ticket: Ticket) -> Option<Vec<u8>> {
        let (id, now) = (ticket.allocation, asker.now.monotonic);
        let allocation = self.allocations.open(id, now)?;
        allocation.ticket = ticket.serial;
        let next = allocation.next_client.as_deref().copied();
        if next != Some(asker.client) {
            // One of its own that is over may not have been taken away.
            if let Found::Over(old) = self.allocations.find(asker.client, now) {
                self.end_all(old, crate::CloseReason::Expired);
            }
            self.allocations.expect(id, asker.client, now);
        }
        let mobility = self.mobility.as_ref()?;
        Some(mobility.seal(id, ticket.serial.wrapping_add(1)))
    }

    /// Data that passes is its client's; what only has the client's address may be anybody's.
    pub(crate) fn settle_by(&mut self, action: &Action, client: Client, now: Instant) {
        if matches!(action, Action::ToPeer(_)) {
            self.settle(client, now);
        }
    }

    /// The client has sent data, or a request that is no move: §3.2.2 has data go there from now on.
    pub(crate) fn settle(&mut self, client: Client, now: Instant) {
        if let Some((allocation, user, from)) = self.allocations.settle(client, now) {
            self.outputs.push_back(Output::Moved(Moved {
                allocation,
                user,
                from,
                to: client,
            }));
        }
    }
}
