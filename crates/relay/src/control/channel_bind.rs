use std::ops::RangeInclusive;

use super::Asker;
use crate::{
    ErrorCode, Family, Protocol, Relay,
    codec::{Request, Response},
};

/// RFC 8656 §12; the rest up to 0xFFFF is reserved, so that other protocols can share the port.
const CHANNELS: RangeInclusive<u16> = 0x4000..=0x4FFF;

/// RFC 5766 §11.
const OLD_CHANNELS: RangeInclusive<u16> = 0x4000..=0x7FFF;

impl Relay {
    /// RFC 8656 §12.2.
    pub(super) fn channel_bind(
        &mut self,
        asker: &Asker<'_>,
        request: &Request,
    ) -> Result<Response, ErrorCode> {
        let now = asker.now.monotonic;
        let policy = self.config.peer_policy.clone();
        let (max_permissions, max_channels) =
            (self.config.max_permissions, self.config.max_channels);
        let limits = self.config.limits;
        let channels = if self.config.old_channels {
            OLD_CHANNELS
        } else {
            CHANNELS
        };
        let (_, allocation) = self.own_allocation(asker)?;
        // Connections have no channels.
        if allocation.protocol == Protocol::Tcp {
            return Err(ErrorCode::Forbidden);
        }
        let (Some(number), Some(peer)) = (request.channel_number()?, request.peer()?) else {
            return Err(ErrorCode::BadRequest);
        };
        if !channels.contains(&number) {
            return Err(ErrorCode::BadRequest);
        }
        let is_bound = allocation
            .is_bound(number, peer, now)
            .map_err(|_| ErrorCode::BadRequest)?;
        let ruling = policy
            .judge(peer.ip())
            .filter(|ruling| policy.admits(*ruling, peer))
            .ok_or(ErrorCode::Forbidden)?;
        if !allocation.has(Family::of(peer), now) {
            return Err(ErrorCode::PeerAddressFamilyMismatch);
        }
        if !is_bound && allocation.channels(now) >= max_channels {
            return Err(ErrorCode::InsufficientCapacity);
        }
        let new = allocation
            .room_for([peer.ip()], max_permissions, now)
            .ok_or(ErrorCode::InsufficientCapacity)?;
        if !allocation.meter.gain_peers(new, &limits, now) {
            self.new_peers_refused += 1;
            return Err(ErrorCode::Forbidden);
        }
        allocation.bind(number, peer, now);
        allocation.permit(peer.ip(), ruling, now);
        Ok(Response::success(asker.method, asker.transaction))
    }
}
