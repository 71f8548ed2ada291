//! What becomes of data.

use super::*;

impl Model {
    pub(super) fn send(&mut self, client: usize, peer: &str) -> Expected {
        let now = self.now;
        let Some(allocation) = self.live_of(client) else {
            return Expected::Dropped(DropReason::NoAllocation);
        };
        if allocation.is_tcp {
            return Expected::Dropped(DropReason::NoAllocation);
        }
        let address = address(peer);
        if !allocation.permits(address, now) {
            return Expected::Dropped(DropReason::NoPermission);
        }
        // Nothing else that comes from there shows that it is the client.
        allocation.settle(client);
        Expected::ToPeer(peer.to_owned())
    }

    pub(super) fn channel_data(&mut self, client: usize, number: u16) -> Expected {
        let now = self.now;
        let Some(allocation) = self.live_of(client) else {
            return Expected::Dropped(DropReason::NoAllocation);
        };
        match allocation.channels.get(&number) {
            Some((peer, until)) if *until > now && allocation.has(*peer, now) => {
                let peer = peer.to_string();
                self.send(client, &peer)
            }
            Some(_) | None => Expected::Dropped(DropReason::NoChannel),
        }
    }

    pub(super) fn receive_from_peer(&self, since: usize, peer: &str) -> Expected {
        let now = self.now;
        let allocation = self
            .made_since(since)
            .and_then(|number| self.allocations.get(&number));
        let Some(allocation) = allocation.filter(|allocation| allocation.is_live(now)) else {
            return Expected::Dropped(DropReason::NoAllocation);
        };
        let address = address(peer);
        if !allocation.permits(address, now) {
            return Expected::Dropped(DropReason::NoPermission);
        }
        let client = CLIENTS[allocation.client].to_owned();
        if allocation.is_tcp {
            return Expected::Attempt(client, peer.to_owned());
        }
        let mut channels = allocation.channels.iter();
        match channels.find(|(_, (bound, until))| *bound == address && *until > now) {
            Some((number, _)) => Expected::ChannelData(client, *number),
            None => Expected::DataIndication(client, peer.to_owned()),
        }
    }
}
