//! ICMP errors of peers, as their client is told of them: RFC 8656 §11.5.

use std::{net::SocketAddr, time::Instant};

use crate::{
    Action, AllocationId, DropReason, Relay,
    passage::permitted,
    wire::{AnswerWriter, Class, Method, attribute},
};

/// An ICMP message of the peer's family that answers a packet to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// Its type, which the two families number differently.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// The MTU, where it says one.
    pub mtu: u32,
}

impl Icmp {
    /// Destination unreachable and time exceeded; of IPv6, packet too big besides. Of others no client is told.
    fn is_told(self, is_ipv4: bool) -> bool {
        match is_ipv4 {
            true => matches!(self.kind, 3 | 11),
            false => matches!(self.kind, 1..=3),
        }
    }

    /// RFC 8656 §18.13: the error data are the MTU where a packet was too big for one, and else nothing.
    fn value(self, is_ipv4: bool) -> [u8; 8] {
        let is_too_big = match is_ipv4 {
            true => (self.kind, self.code) == (3, 4),
            false => self.kind == 2,
        };
        let mtu = if is_too_big { self.mtu } else { 0 };
        // Seven bits of type and nine of code.
        let kind_and_code = u16::from(self.kind & 0x7F) << 9 | u16::from(self.code);
        let [kind, code] = kind_and_code.to_be_bytes();
        let [m0, m1, m2, m3] = mtu.to_be_bytes();
        [0, 0, kind, code, m0, m1, m2, m3]
    }
}

impl Relay {
    /// What an allocation sent to `peer` was answered by an ICMP message.
    pub fn handle_icmp(
        &mut self,
        allocation: AllocationId,
        peer: SocketAddr,
        icmp: Icmp,
        now: Instant,
    ) -> Action {
        let policy = &self.config.peer_policy;
        let Some(allocation) = self.allocations.open(allocation, now) else {
            return Action::Dropped(DropReason::NoAllocation);
        };
        let is_ipv4 = peer.is_ipv4();
        if !icmp.is_told(is_ipv4) {
            return Action::Dropped(DropReason::IcmpType);
        }
        let peer = match permitted(policy, allocation, peer, now) {
            Ok(peer) => peer,
            Err(reason) => return Action::Dropped(reason),
        };
        if let Err(reason) = allocation.meter.pass_to_client(0, &self.config.limits, now) {
            return Action::Dropped(reason);
        }
        let (client, transaction) = (allocation.client, self.indications.next());
        let buffer = &mut self.answer;
        let mut indication =
            AnswerWriter::new(buffer, Method::Data, Class::Indication, transaction);
        indication.xor_peer_address(peer);
        indication.attribute(attribute::ICMP, &icmp.value(is_ipv4));
        Action::Indication(client)
    }
}
