use std::net::SocketAddr;

use relay::{Action, Icmp, MAX_PADDING_BYTES, MAX_PREFIX_BYTES, Protocol};
use stun::message::METHOD_DATA;

use super::{Place, Socket, World};
use crate::places::transport;

impl World {
    /// The relay socket of `protocol` at `index`, and whose it is.
    pub(super) fn socket(&self, index: u8, protocol: Protocol) -> Option<(Place, Socket)> {
        let sockets = || {
            let all = self.sockets.iter();
            all.filter(|(_, socket)| socket.protocol == protocol)
        };
        let index = usize::from(index).checked_rem(sockets().count())?;
        let (place, socket) = sockets().nth(index)?;
        Some((*place, socket.clone()))
    }

    /// Hands a peer's datagram in, at the socket at `index`.
    pub fn receive_from_peer(&mut self, index: u8, peer: SocketAddr, datagram: &[u8]) {
        let Some((place, socket)) = self.socket(index, Protocol::Udp) else {
            return;
        };
        let relay = &mut self.relays[place.thread];
        let action = relay.handle_peer(place.allocation, peer, datagram, self.now.monotonic);
        self.carry_out(place.thread).are_none();
        match action {
            Action::ToClient(to) => {
                assert_eq!(to.client, socket.client);
                let (prefix, padding) = (to.prefix().len(), to.padding().len());
                assert!(prefix <= MAX_PREFIX_BYTES && padding <= MAX_PADDING_BYTES);
                // A Data indication is padded over whatever it goes, ChannelData in streams alone.
                let is_channel_data = prefix == 4;
                match is_channel_data && !transport(to.client).is_stream() {
                    true => assert_eq!(padding, 0),
                    false => assert_eq!((prefix + datagram.len() + padding) % 4, 0),
                }
                self.check_peer(peer.ip());
            }
            Action::Dropped(_) => {}
            Action::ToPeer(_)
            | Action::Answer(_)
            | Action::Indication(_)
            | Action::Elsewhere(_)
            | Action::Pending => panic!("{action:?}"),
        }
        self.check(place.thread);
    }

    /// Hands in what answered a packet to a peer, from the socket at `index`.
    pub fn receive_icmp(&mut self, index: u8, peer: SocketAddr, kind: u8, code: u8) {
        let Some((place, socket)) = self.socket(index, Protocol::Udp) else {
            return;
        };
        let icmp = Icmp {
            kind,
            code,
            mtu: 1280,
        };
        self.answering = place.thread;
        let relay = &mut self.relays[place.thread];
        match relay.handle_icmp(place.allocation, peer, icmp, self.now.monotonic) {
            Action::Indication(told) => {
                assert_eq!(told, socket.client);
                self.check_peer(peer.ip());
                let message = self.check_answer(false);
                assert_eq!(message.typ.method, METHOD_DATA);
            }
            Action::Dropped(_) => {}
            action => panic!("{action:?}"),
        }
        self.carry_out(place.thread).are_none();
        self.check(place.thread);
    }
}
