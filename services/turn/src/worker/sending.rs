use std::{io, sync::Arc};

use mio::net::UdpSocket;
use relay::{Client, ToPeer};

use super::{
    batch::{Batch, Egress},
    offload::{Offload, twice},
    opened::Opened,
};
use crate::{metrics::Counters, relay_sockets::send_whole};

/// A worker's sockets of datagrams, and what is to be sent from them when the round is over, or there is no more room.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) listeners: Vec<UdpSocket>,
    pub(super) opened: Opened,
    pub(super) offload: Offload,
    batch: Batch,
    counters: Arc<Counters>,
}

impl Sending {
    /// # Errors
    /// When the process is out of descriptors, or there are no random numbers.
    pub(super) fn new(
        listeners: Vec<UdpSocket>,
        opened: Opened,
        counters: Arc<Counters>,
    ) -> io::Result<Self> {
        Ok(Self {
            listeners,
            offload: Offload::new(opened.keeps_icmp)?,
            opened,
            batch: Batch::new(getrandom::u64().map_err(io::Error::other)?),
            counters,
        })
    }

    /// Data for a peer, from the allocation's relay socket.
    pub(super) fn send_to_peer(&mut self, to: &ToPeer, data: &[u8]) {
        let Some(place) = self.opened.place_of(to.allocation, to.family()) else {
            return;
        };
        if to.dont_fragment {
            self.send_whole(place, to, data);
            return;
        }
        self.make_room(data.len());
        let egress = Egress::RelaySocket(place);
        self.batch.push(egress, to.peer, &[data], Some(data.len()));
    }

    /// It goes by itself, and at once: the socket is another while it does. What was before it goes first.
    fn send_whole(&mut self, place: usize, to: &ToPeer, data: &[u8]) {
        self.flush();
        let opened = self.opened.at(place);
        match opened.map(|opened| twice(|| send_whole(&opened.socket, data, to.peer))) {
            Some(Ok(_)) => self.counters.relayed_to_peers(1, data.len() as u64),
            Some(Err(_)) | None => self.counters.unsent.add(1),
        }
    }

    /// One message in parts, from a listener of datagrams; `data` bytes of it are relayed, if any.
    pub(super) fn send_to_client(&mut self, client: Client, parts: &[&[u8]], data: Option<usize>) {
        self.make_room(parts.iter().map(|part| part.len()).sum());
        let egress = Egress::Listener(client.listener.0);
        self.batch.push(egress, client.address, parts, data);
    }

    fn make_room(&mut self, bytes: usize) {
        if !self.batch.has_room_for(bytes) {
            self.flush();
        }
    }

    /// Sends all that waits.
    pub(super) fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        self.batch.sort();
        while let Some(group) = self.batch.next(self.offload.limits()) {
            let socket = match group.egress {
                Egress::Listener(number) => self.listeners.get(usize::from(number)),
                Egress::RelaySocket(place) => self.opened.at(place).map(|opened| &opened.socket),
            };
            // What the kernel does not take for want of a route, or of room, is lost, and nothing else.
            let sent = socket.map_or(0, |socket| self.offload.send(socket, &group));
            self.counters.unsent.add(group.messages - sent);
            // Of a group of which a part was taken, that part.
            let relayed = group.relaying.min(sent);
            let bytes = group.data * sent / group.messages;
            match group.egress {
                Egress::Listener(_) => self.counters.relayed_to_clients(relayed, bytes),
                Egress::RelaySocket(_) => self.counters.relayed_to_peers(relayed, bytes),
            }
        }
        self.batch.clear();
    }
}
