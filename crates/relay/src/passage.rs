//! What passes between an allocation and its peers: by permission and port, and not too much of it.

use std::{net::SocketAddr, time::Instant};

use crate::{
    Action, AllocationId, Config, DropReason, Family, PeerPolicy, Protocol, ToPeer,
    allocation::Allocation,
};

/// By which of its names the allocation has a permission for a peer, whose port must be in reach, too.
pub(crate) fn permitted(
    policy: &PeerPolicy,
    allocation: &Allocation,
    source: SocketAddr,
    now: Instant,
) -> Result<SocketAddr, DropReason> {
    let mut reason = DropReason::NoPermission;
    let peer = policy.names(source).find(|name| {
        let ruling = allocation.permission(name.ip(), now);
        if ruling.is_some() {
            reason = DropReason::Forbidden;
        }
        ruling.is_some_and(|ruling| policy.admits(ruling, *name))
    });
    peer.ok_or(reason)
}

/// Data on its way to a peer: whom to, where it stands in the client's packet, and whether it may not be cut.
pub(crate) struct Way {
    pub(crate) peer: SocketAddr,
    pub(crate) range: (usize, usize),
    pub(crate) dont_fragment: bool,
}

/// The one way of data to a peer: both its permission and the port must let it through, whichever message
/// carried it.
pub(crate) fn forward(
    config: &Config,
    id: AllocationId,
    allocation: &mut Allocation,
    way: Way,
    now: Instant,
) -> Action {
    if allocation.protocol == Protocol::Tcp {
        return Action::Dropped(DropReason::NoAllocation);
    }
    let (peer, (start, end)) = (way.peer, way.range);
    let Some(ruling) = allocation.permission(peer.ip(), now) else {
        return Action::Dropped(DropReason::NoPermission);
    };
    if !config.peer_policy.admits(ruling, peer) {
        return Action::Dropped(DropReason::Forbidden);
    }
    if let Err(reason) = allocation
        .meter
        .pass_to_peer(end - start, &config.limits, now)
    {
        return Action::Dropped(reason);
    }
    if let Some(relayed) = allocation.relayed_of(Family::of(peer)) {
        relayed.traffic.packets_to_peers += 1;
        relayed.traffic.bytes_to_peers += (end - start) as u64;
    }
    Action::ToPeer(ToPeer {
        allocation: id,
        peer: SocketAddr::new(ruling.internal, peer.port()),
        start,
        end,
        dont_fragment: way.dont_fragment,
    })
}
