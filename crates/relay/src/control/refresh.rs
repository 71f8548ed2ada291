use std::time::Duration;

use super::{Asker, allocate::granted_lifetime};
use crate::{
    ErrorCode, Family, Relay,
    codec::{AddressFamily, Request, Response},
    output::CloseReason,
};

impl Relay {
    /// RFC 8656 §8.2.
    pub(super) fn refresh(
        &mut self,
        asker: &Asker<'_>,
        request: &Request,
    ) -> Result<Response, ErrorCode> {
        let now = asker.now.monotonic;
        let (id, allocation) = self.own_allocation(asker)?;
        let family = match request.requested_address_family()? {
            Some(AddressFamily::Ipv4) => Some(Family::V4),
            Some(AddressFamily::Ipv6) => Some(Family::V6),
            Some(AddressFamily::Other) => return Err(ErrorCode::PeerAddressFamilyMismatch),
            None => None,
        };
        if family.is_some_and(|family| family != allocation.family()) {
            return Err(ErrorCode::PeerAddressFamilyMismatch);
        }
        let requested = request.lifetime()?;
        let lifetime = if requested == Some(0) {
            self.end(id, CloseReason::Deleted);
            0
        } else {
            let rest = allocation.last.saturating_duration_since(now);
            let lifetime = granted_lifetime(requested, rest.as_secs());
            self.allocations
                .prolong(id, now + Duration::from_secs(lifetime), now);
            lifetime
        };
        let mut response = Response::success(asker.method, asker.transaction);
        response.lifetime(lifetime);
        Ok(response)
    }
}
