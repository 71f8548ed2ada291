use super::*;

/// What a step leads to.
#[derive(Debug, PartialEq)]
pub(super) enum Expected {
    Nothing,
    /// With the lifetime that was granted, if one was asked.
    Success(Option<u64>),
    Error(u16),
    ToPeer(String),
    ChannelData(String, u16),
    DataIndication(String, String),
    Dropped(DropReason),
}

/// Times are milliseconds.
#[derive(Default)]
pub(super) struct Model {
    now: u64,
    allocations: BTreeMap<usize, Allocation>,
    transactions: [usize; 2],
}

struct Allocation {
    login: usize,
    is_ipv4: bool,
    transaction: usize,
    lifetime: u64,
    until: u64,
    last: u64,
    permissions: BTreeMap<IpAddr, u64>,
    channels: BTreeMap<u16, (SocketAddr, u64)>,
}

impl Model {
    /// Allocations that are not over.
    pub(super) fn live(&self) -> usize {
        let live = self.allocations.values().filter(|a| a.until > self.now);
        live.count()
    }

    pub(super) fn perform(&mut self, step: &Step) -> Expected {
        let result = match step {
            Step::Advance(millis) => {
                self.now += millis;
                return Expected::Nothing;
            }
            Step::Timeout => return Expected::Nothing,
            Step::Disconnected { client } => {
                self.allocations.remove(client);
                return Expected::Nothing;
            }
            Step::Allocate {
                who,
                transport,
                family,
                lifetime,
                refusal,
                again,
            } => {
                if !again {
                    self.transactions[who.client] += 1;
                }
                self.allocate(*who, *transport, *family, *lifetime, *refusal)
            }
            Step::Refresh {
                who,
                family,
                lifetime,
            } => self.refresh(*who, *family, *lifetime),
            Step::CreatePermission { who, peers } => self.create_permission(*who, peers),
            Step::ChannelBind { who, number, peer } => self.channel_bind(*who, *number, *peer),
            Step::Forged { forgery, .. } => Err(match forgery {
                Forgery::Unsigned | Forgery::WrongPassword => 401,
                Forgery::NoNonce => 400,
                Forgery::StaleNonce => 438,
            }),
            Step::Send { client, peer } => return self.send(*client, peer),
            Step::ChannelData { client, number } => return self.channel_data(*client, *number),
            Step::FromPeer { client, peer } => return self.receive_from_peer(*client, peer),
        };
        match result {
            Ok(lifetime) => Expected::Success(lifetime),
            Err(code) => Expected::Error(code),
        }
    }

    fn allocate(
        &mut self,
        who: Who,
        transport: Option<u8>,
        family: Option<u8>,
        lifetime: Option<u32>,
        refusal: Option<Refusal>,
    ) -> Result<Option<u64>, u16> {
        let (now, transaction) = (self.now, self.transactions[who.client]);
        if let Some(allocation) = self.live_of(who.client) {
            return if allocation.transaction == transaction && allocation.login == who.login {
                Ok(Some(allocation.lifetime))
            } else {
                Err(437)
            };
        }
        match transport {
            Some(17) => {}
            Some(_) => return Err(442),
            None => return Err(400),
        }
        if family == Some(3) {
            return Err(440);
        }
        match refusal {
            Some(Refusal::QuotaReached) => return Err(486),
            Some(Refusal::InsufficientCapacity) => return Err(508),
            None => {}
        }
        let lifetime = u64::from(lifetime.unwrap_or(0)).clamp(600, 3600);
        let allocation = Allocation {
            login: who.login,
            is_ipv4: family != Some(2),
            transaction,
            lifetime,
            until: now + lifetime * 1000,
            last: now + MAX_AGE_SECONDS * 1000,
            permissions: BTreeMap::new(),
            channels: BTreeMap::new(),
        };
        self.allocations.insert(who.client, allocation);
        Ok(Some(lifetime))
    }

    fn refresh(
        &mut self,
        who: Who,
        family: Option<u8>,
        lifetime: Option<u32>,
    ) -> Result<Option<u64>, u16> {
        let now = self.now;
        let allocation = self.own(who)?;
        if family.is_some_and(|family| family != if allocation.is_ipv4 { 1 } else { 2 }) {
            return Err(443);
        }
        let mut granted = 0;
        if lifetime != Some(0) {
            let rest = (allocation.last - now) / 1000;
            granted = u64::from(lifetime.unwrap_or(0)).clamp(600, 3600).min(rest);
        }
        allocation.until = now + granted * 1000;
        Ok(Some(granted))
    }

    fn create_permission(&mut self, who: Who, peers: &[&str]) -> Result<Option<u64>, u16> {
        let now = self.now;
        let allocation = self.own(who)?;
        let peers: Vec<_> = peers.iter().map(|peer| address(peer)).collect();
        if peers.is_empty() {
            return Err(400);
        }
        if peers.iter().any(|peer| is_denied(*peer)) {
            return Err(403);
        }
        if peers
            .iter()
            .any(|peer| peer.is_ipv4() != allocation.is_ipv4)
        {
            return Err(443);
        }
        let mut permissions = allocation.permissions.clone();
        permissions.retain(|_, until| *until > now);
        permissions.extend(peers.iter().map(|peer| (peer.ip(), now + 300_000)));
        if permissions.len() > MAX_PERMISSIONS {
            return Err(508);
        }
        allocation.permissions = permissions;
        Ok(None)
    }

    fn channel_bind(
        &mut self,
        who: Who,
        number: Option<u16>,
        peer: Option<&str>,
    ) -> Result<Option<u64>, u16> {
        let now = self.now;
        let allocation = self.own(who)?;
        let number = number.ok_or(400_u16)?;
        let peer = address(peer.ok_or(400_u16)?);
        let mut channels = allocation.channels.clone();
        channels.retain(|_, (_, until)| *until > now);
        let clashes = |(other, (bound, _)): (&u16, &(SocketAddr, u64))| {
            (*other == number) != (*bound == peer)
        };
        if number > 0x4FFF || channels.iter().any(clashes) {
            return Err(400);
        }
        if is_denied(peer) {
            return Err(403);
        }
        if peer.is_ipv4() != allocation.is_ipv4 {
            return Err(443);
        }
        let mut permissions = allocation.permissions.clone();
        permissions.retain(|_, until| *until > now);
        permissions.insert(peer.ip(), now + 300_000);
        channels.insert(number, (peer, now + 600_000));
        if permissions.len() > MAX_PERMISSIONS || channels.len() > MAX_CHANNELS {
            return Err(508);
        }
        (allocation.permissions, allocation.channels) = (permissions, channels);
        Ok(None)
    }

    fn send(&mut self, client: usize, peer: &str) -> Expected {
        let now = self.now;
        let Some(allocation) = self.live_of(client) else {
            return Expected::Dropped(DropReason::NoAllocation);
        };
        let address = address(peer);
        if !allocation.permits(address, now) {
            return Expected::Dropped(DropReason::NoPermission);
        }
        Expected::ToPeer(peer.to_owned())
    }

    fn channel_data(&mut self, client: usize, number: u16) -> Expected {
        let now = self.now;
        let Some(allocation) = self.live_of(client) else {
            return Expected::Dropped(DropReason::NoAllocation);
        };
        match allocation.channels.get(&number) {
            Some((peer, until)) if *until > now => {
                let peer = peer.to_string();
                self.send(client, &peer)
            }
            Some(_) | None => Expected::Dropped(DropReason::NoChannel),
        }
    }

    fn receive_from_peer(&mut self, client: usize, peer: &str) -> Expected {
        let now = self.now;
        let Some(allocation) = self.live_of(client) else {
            return Expected::Dropped(DropReason::NoAllocation);
        };
        let address = address(peer);
        if !allocation.permits(address, now) {
            return Expected::Dropped(DropReason::NoPermission);
        }
        let client = CLIENTS[client].to_owned();
        let mut channels = allocation.channels.iter();
        match channels.find(|(_, (bound, until))| *bound == address && *until > now) {
            Some((number, _)) => Expected::ChannelData(client, *number),
            None => Expected::DataIndication(client, peer.to_owned()),
        }
    }

    fn live_of(&mut self, client: usize) -> Option<&mut Allocation> {
        let now = self.now;
        self.allocations
            .get_mut(&client)
            .filter(|allocation| allocation.until > now)
    }

    fn own(&mut self, who: Who) -> Result<&mut Allocation, u16> {
        let allocation = self.live_of(who.client).ok_or(437_u16)?;
        if allocation.login == who.login {
            Ok(allocation)
        } else {
            Err(441)
        }
    }
}

impl Allocation {
    fn permits(&self, peer: SocketAddr, now: u64) -> bool {
        let until = self.permissions.get(&peer.ip());
        until.is_some_and(|until| *until > now)
    }
}

fn is_denied(peer: SocketAddr) -> bool {
    peer.to_string().starts_with("10.")
}
