//! RFC 6062: who may have connections with peers, and what is answered when there is one.

use super::*;

impl Model {
    pub(super) fn connect(&mut self, who: Who, peer: Option<&str>) -> Expected {
        match self.connect_to(who, peer) {
            Ok((number, peer)) => {
                let place = usize::from(!peer.is_ipv4());
                self.connects.push(Some((number, place)));
                Expected::Connecting(number, peer.to_string())
            }
            Err(code) => Expected::Error(code),
        }
    }

    fn connect_to(&mut self, who: Who, peer: Option<&str>) -> Result<(usize, SocketAddr), u16> {
        let now = self.now;
        let allocation = self.own(who)?;
        if !allocation.is_tcp {
            return Err(437);
        }
        let peer = address(peer.ok_or(400_u16)?);
        if is_denied(peer) {
            return Err(403);
        }
        if !allocation.has(peer, now) {
            return Err(443);
        }
        Ok((allocation.number, peer))
    }

    /// Answered once, and only as long as there is the relayed address that the connection is from.
    pub(super) fn connected(
        &mut self,
        since: usize,
        outcome: Result<u32, ConnectFailure>,
    ) -> Expected {
        let Some(connect) = self.connects.iter_mut().rev().nth(since) else {
            return Expected::Nothing;
        };
        let from = connect.take().filter(|(number, place)| {
            let allocation = self.allocations.get(number);
            allocation.is_some_and(|allocation| allocation.until[*place] > 0)
        });
        if from.is_none() {
            return Expected::Dropped(DropReason::NoAllocation);
        }
        match outcome {
            Ok(id) => Expected::Success(Success {
                connection: Some(id),
                ..Success::default()
            }),
            Err(ConnectFailure::AlreadyExists) => Expected::Error(446),
            Err(ConnectFailure::TimeoutOrFailure) => Expected::Error(447),
            Err(ConnectFailure::InsufficientCapacity) => Expected::Error(508),
        }
    }

    /// By a stream that controls no allocation, be that over as long as it was not taken away.
    pub(super) fn connection_bind(
        &self,
        who: Who,
        id: Option<u32>,
        is_known: bool,
    ) -> Result<Success, u16> {
        let is_there = |allocation: &Allocation| allocation.until.iter().any(|until| *until > 0);
        let mut allocations = self.allocations.values();
        let controls = allocations.any(|of| of.is_of(who.client) && is_there(of));
        match self.streams && !controls && id.is_some() && is_known {
            true => Ok(Success::default()),
            false => Err(400),
        }
    }
}
