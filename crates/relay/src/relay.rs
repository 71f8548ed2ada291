use std::{collections::VecDeque, net::SocketAddr, time::Instant};

use crate::{
    Action, AllocationId, Authentication, Client, CloseReason, Config, Drain, DropReason, Family,
    ListenerId, Mobility, Output, ToClient, Traffic,
    allocations::{Allocations, Found},
    control::Connections,
    kicked::Kicked,
    output::Close,
    passage::{Way, forward, permitted},
    wire::{
        CHANNEL_DATA_HEADER_BYTES, ChannelData, Class, Message, Method, TransactionId,
        decode_xor_address,
    },
};

/// Most allocations that one [`Relay::handle_timeout`] ends, so that packets do not wait for a thousand
/// sockets to be closed; the rest is due at once again.
const MAX_ENDS_PER_TIMEOUT: usize = 64;

/// Room for the longest answer to an unverified source, so that it is written without heap.
const ANSWER_BYTES: usize = 2048;

/// The state machine of one thread's clients; see the crate's documentation for how it is driven.
#[derive(Debug)]
pub struct Relay {
    pub(crate) config: Config,
    pub(crate) allocations: Allocations,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) answer: Vec<u8>,
    pub(crate) authentication: Option<Authentication>,
    pub(crate) kicked: Kicked,
    pub(crate) drain: Option<Drain>,
    pub(crate) connections: Connections,
    pub(crate) new_peers_refused: u64,
    pub(crate) mobility: Option<Mobility>,
    pub(crate) indications: Indications,
}

/// The two clocks: expiries are counted on one that never jumps, nonces and credentials on one that all
/// nodes have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// This host's monotonic clock.
    pub monotonic: Instant,
    /// Seconds since the Unix epoch.
    pub unix: u64,
}

impl Relay {
    /// `seed` is random: it makes the hash of 5-tuples unpredictable. The same seed and inputs give the same
    /// outputs.
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            config,
            allocations: Allocations::new(seed),
            outputs: VecDeque::new(),
            answer: Vec::with_capacity(ANSWER_BYTES),
            authentication: None,
            kicked: Kicked::default(),
            drain: None,
            connections: Connections::default(),
            new_peers_refused: 0,
            mobility: None,
            indications: Indications { seed, count: 0 },
        }
    }

    /// Lets clients of datagrams take their allocations along, RFC 8016.
    pub fn with_mobility(mut self, mobility: Mobility) -> Self {
        self.mobility = Some(mobility);
        self
    }

    /// Serves by another configuration from now on. What was granted before stays granted, unless its secret is gone
    /// and [`Config::end_revoked`] says that it ends then; outputs must have been carried out before.
    pub fn handle_config(&mut self, config: Config) {
        self.config = config;
        self.end_revoked();
    }

    /// A datagram came from a client, or from somebody who wants to be one.
    pub fn handle_client(
        &mut self,
        listener: ListenerId,
        source: SocketAddr,
        payload: &[u8],
        now: Time,
    ) -> Action {
        let client = Client {
            listener,
            address: source,
        };
        // RFC 7983: STUN starts with the bits 00, ChannelData with 01.
        match payload.first().map(|first| first >> 6) {
            Some(0b01) => self.handle_channel_data(client, payload, now.monotonic),
            Some(0b00) => match Message::parse(payload, self.config.offers_discovery(listener)) {
                Ok(message) => self.handle_message(client, &message, now),
                Err(reason) => Action::Dropped(reason),
            },
            Some(_) | None => Action::Dropped(DropReason::NotStun),
        }
    }

    /// A datagram came from `source` to the relay socket of `allocation`.
    pub fn handle_peer(
        &mut self,
        allocation: AllocationId,
        source: SocketAddr,
        payload: &[u8],
        now: Instant,
    ) -> Action {
        let policy = &self.config.peer_policy;
        let Some(allocation) = self.allocations.open(allocation, now) else {
            return Action::Dropped(DropReason::NoAllocation);
        };
        let peer = match permitted(policy, allocation, source, now) {
            Ok(peer) => peer,
            Err(reason) => return Action::Dropped(reason),
        };
        let Ok(length) = u16::try_from(payload.len()) else {
            return Action::Dropped(DropReason::TooLong);
        };
        let limits = &self.config.limits;
        if let Err(reason) = allocation.meter.pass_to_client(payload.len(), limits, now) {
            return Action::Dropped(reason);
        }
        let client = allocation.client;
        let to_client = match allocation.channel_number(peer, now) {
            Some(number) => {
                let in_stream = self.config.transport(client.listener).is_stream();
                ToClient::channel_data(client, number, length, in_stream)
            }
            None => {
                let transaction = self.indications.next();
                match ToClient::data_indication(client, transaction, peer, length) {
                    Some(to_client) => to_client,
                    None => return Action::Dropped(DropReason::TooLong),
                }
            }
        };
        if let Some(relayed) = allocation.relayed_of(Family::of(peer)) {
            relayed.traffic.packets_to_client += 1;
            relayed.traffic.bytes_to_client += u64::from(length);
        }
        Action::ToClient(to_client)
    }

    fn handle_channel_data(&mut self, client: Client, payload: &[u8], now: Instant) -> Action {
        let Some(data) = ChannelData::parse(payload) else {
            return Action::Dropped(DropReason::Malformed);
        };
        let Some((id, allocation)) = self.allocations.open_of(client, now) else {
            return Action::Dropped(DropReason::NoAllocation);
        };
        let Some(peer) = allocation.peer(data.number, now) else {
            return Action::Dropped(DropReason::NoChannel);
        };
        let start = CHANNEL_DATA_HEADER_BYTES;
        let way = Way {
            peer,
            range: (start, start + data.length),
            dont_fragment: false,
        };
        let action = forward(&self.config, id, allocation, way, now);
        self.settle_by(&action, client, now);
        action
    }

    fn handle_message(&mut self, client: Client, message: &Message<'_>, now: Time) -> Action {
        match (message.method, message.class) {
            (Method::Binding, Class::Request) => self.handle_binding(client, message, now),
            (
                Method::Allocate
                | Method::Refresh
                | Method::CreatePermission
                | Method::ChannelBind
                | Method::Connect
                | Method::ConnectionBind,
                Class::Request,
            ) => self.handle_control(client, message, now),
            (Method::Send, Class::Indication) => self.handle_send(client, message, now.monotonic),
            (Method::Binding, Class::Indication) => Action::Dropped(DropReason::KeepAlive),
            (_, Class::Request | Class::Indication | Class::Success | Class::Error) => {
                Action::Dropped(DropReason::UnexpectedClass)
            }
        }
    }

    fn handle_send(&mut self, client: Client, message: &Message<'_>, now: Instant) -> Action {
        // RFC 8656 §11.3: DONT-FRAGMENT is unknown to who cannot honour it.
        let dont_fragment = message.dont_fragment;
        if !message.unknown.is_empty() || dont_fragment && !self.config.dont_fragment {
            return Action::Dropped(DropReason::UnknownAttribute);
        }
        let (Some(peer), Some(data)) = (message.peer, message.data) else {
            return Action::Dropped(DropReason::MissingAttribute);
        };
        let Some(peer) = decode_xor_address(peer, message.transaction) else {
            return Action::Dropped(DropReason::Malformed);
        };
        let Some((id, allocation)) = self.allocations.open_of(client, now) else {
            return Action::Dropped(DropReason::NoAllocation);
        };
        let way = Way {
            peer,
            range: data,
            dont_fragment,
        };
        let action = forward(&self.config, id, allocation, way, now);
        self.settle_by(&action, client, now);
        action
    }

    /// The stream that `client` came by has ended, and with it the client's allocation, RFC 8656 §5. An allocation
    /// that waits for a relay socket is given up; [`Self::handle_opened`] then says so.
    pub fn handle_disconnected(&mut self, client: Client) {
        let Some(id) = self.allocations.id_of(client) else {
            return;
        };
        match self.allocations.take_opening(id) {
            Some(opening) => self.give_up(id, &opening),
            None => self.end_all(id, CloseReason::Disconnected),
        }
    }

    /// Whether `client` has an allocation, or will when its relay socket is open.
    pub fn has_allocation(&self, client: Client, now: Instant) -> bool {
        match self.allocations.find(client, now) {
            Found::Opening | Found::Open(_) => true,
            Found::Nothing | Found::Over(_) => false,
        }
    }

    /// The client's allocation, if it has one, or will when its relay socket is open.
    pub fn allocation_of(&self, client: Client, now: Instant) -> Option<AllocationId> {
        let has_one = self.has_allocation(client, now);
        self.allocations.id_of(client).filter(|_| has_one)
    }

    /// Whether an allocation has relayed addresses that were not taken away yet.
    pub fn has_relayed_addresses(&self, allocation: AllocationId) -> bool {
        self.allocations.traffic(allocation).is_some()
    }

    /// The next thing to carry out.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] is to be called, if nothing happens before, or earlier; in the past when not
    /// all that was due has been done.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let first = self.allocations.first_end()?;
        let drained = self.drain.as_ref().and_then(|drain| drain.until);
        Some(drained.map_or(first, |until| first.min(until)))
    }

    /// Ends relayed addresses that are over at `now`, a bounded number of them.
    pub fn handle_timeout(&mut self, now: Instant) {
        for _ in 0..MAX_ENDS_PER_TIMEOUT {
            let Some((id, family)) = self.allocations.next_over(now) else {
                break;
            };
            self.end(id, family, CloseReason::Expired);
        }
        if self.drain.as_ref().is_some_and(|drain| drain.is_over(now)) {
            let left = self.allocations.open_from(0).map(|(id, _)| id);
            let left: Vec<_> = left.take(MAX_ENDS_PER_TIMEOUT).collect();
            for id in left {
                self.end_all(id, CloseReason::Drained);
            }
        }
    }

    /// The message of the last [`Action::Answer`], until the next input.
    pub fn answer(&self) -> &[u8] {
        &self.answer
    }

    /// How many allocations there are, those included that wait for their relay socket.
    pub fn allocations(&self) -> usize {
        self.allocations.len()
    }

    /// What an allocation has relayed so far, until it is closed.
    pub fn traffic(&self, allocation: AllocationId) -> Option<Traffic> {
        self.allocations.traffic(allocation)
    }

    /// Ends both relayed addresses of an allocation, or the only one.
    pub(crate) fn end_all(&mut self, id: AllocationId, reason: CloseReason) {
        for family in Family::ALL {
            self.end(id, family, reason);
        }
    }

    pub(crate) fn end(&mut self, id: AllocationId, family: Family, reason: CloseReason) {
        if let Some(removed) = self.allocations.remove(id, family) {
            self.connections.forget(id, family);
            self.outputs.push_back(Output::Close(Close {
                allocation: id,
                family,
                user: removed.user,
                client: removed.client,
                relayed: removed.relayed.address,
                reason,
                traffic: removed.relayed.traffic,
            }));
        }
    }

    /// Whether clients can be given relayed addresses of `family`.
    pub(crate) fn has_family(&self, family: Family) -> bool {
        match family {
            Family::V4 => self.config.ipv4.is_some(),
            Family::V6 => self.config.ipv6.is_some(),
        }
    }
}

/// Numbers the Data indications. Nobody answers one, so that it is enough that no two are alike.
#[derive(Debug)]
pub(crate) struct Indications {
    seed: u64,
    count: u64,
}

impl Indications {
    pub(crate) fn next(&mut self) -> TransactionId {
        self.count = self.count.wrapping_add(1);
        let mut id = [0; 12];
        id[..4].copy_from_slice(&self.seed.to_be_bytes()[..4]);
        id[4..].copy_from_slice(&self.count.to_be_bytes());
        TransactionId(id)
    }
}
