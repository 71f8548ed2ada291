use super::Asker;
use crate::{
    ErrorCode, Family, Relay,
    codec::{Request, Response},
};

impl Relay {
    /// RFC 8656 §10.2, all or nothing. A refused peer is told as 403 before a foreign family is as 443, so
    /// that it is a 403 in every encoding.
    pub(super) fn create_permission(
        &mut self,
        asker: &Asker<'_>,
        request: &Request,
    ) -> Result<Response, ErrorCode> {
        let now = asker.now.monotonic;
        let policy = self.config.peer_policy.clone();
        let (max, limits) = (self.config.max_permissions, self.config.limits);
        let (_, allocation) = self.own_allocation(asker)?;
        let peers = request.peers()?;
        if peers.is_empty() {
            return Err(ErrorCode::BadRequest);
        }
        let mut rulings = Vec::with_capacity(peers.len());
        for peer in &peers {
            let ruling = policy.judge(peer.ip()).ok_or(ErrorCode::Forbidden)?;
            rulings.push((peer.ip(), ruling));
        }
        if peers
            .iter()
            .any(|peer| !allocation.has(Family::of(*peer), now))
        {
            return Err(ErrorCode::PeerAddressFamilyMismatch);
        }
        let new = allocation
            .room_for(peers.iter().map(|peer| peer.ip()), max, now)
            .ok_or(ErrorCode::InsufficientCapacity)?;
        if !allocation.meter.gain_peers(new, &limits, now) {
            self.new_peers_refused += 1;
            return Err(ErrorCode::Forbidden);
        }
        for (ip, ruling) in rulings {
            allocation.permit(ip, ruling, now);
        }
        Ok(Response::success(asker.method, asker.transaction))
    }
}
