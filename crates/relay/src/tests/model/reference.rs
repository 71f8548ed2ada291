use super::*;

mod allocating;
mod connections;
mod ends;
mod moves;
mod packets;

/// What a step leads to.
#[derive(Debug, PartialEq)]
pub(super) enum Expected {
    Nothing,
    Success(Success),
    Error(u16),
    ToPeer(String),
    ChannelData(String, u16),
    DataIndication(String, String),
    Dropped(DropReason),
    Elsewhere,
    /// From which allocation, and where to.
    Connecting(usize, String),
    /// Of a peer, told to a client.
    Attempt(String, String),
}

/// How many relayed addresses are charged for, by client and by login.
pub(super) type Charges = BTreeMap<(usize, usize), usize>;

/// What a success tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Success {
    /// In seconds.
    pub(super) lifetime: Option<u64>,
    /// Of each relayed address, whether it is of IPv4.
    pub(super) relayed: Vec<bool>,
    /// Why there is none of the other family.
    pub(super) missing: Option<u16>,
    /// Whether there is a token for the next port.
    pub(super) reserved: bool,
    /// Which of the tickets that were given there is.
    pub(super) ticket: Option<usize>,
    /// The id of a connection with a peer.
    pub(super) connection: Option<u32>,
}

impl Success {
    fn with_lifetime(lifetime: u64) -> Self {
        Self {
            lifetime: Some(lifetime),
            ..Self::default()
        }
    }
}

/// What an Allocate asked for.
struct Asked {
    is_tcp: bool,
    ports: Ports,
    wish: Option<Wish>,
}

/// Times are milliseconds.
#[derive(Default)]
pub(super) struct Model {
    now: u64,
    /// Whether the relay has addresses of IPv4, and of IPv6.
    families: [bool; 2],
    mobility: bool,
    streams: bool,
    /// By number. What is over is as if it were not there.
    allocations: BTreeMap<usize, Allocation>,
    /// How many were made.
    made: usize,
    /// How many Allocates each client has sent.
    transactions: [usize; CLIENTS.len()],
    /// Whether the relay drains, and until when, if that was said.
    drain: Option<Option<u64>>,
    /// Whether the last token that was given is of IPv4, and who was given it, if it is still good.
    last_token: Option<bool>,
    reserved: Option<usize>,
    /// Those that were given: the allocation's number, and how many it was given before.
    tickets: Vec<(usize, usize)>,
    /// Of which allocation and in which family; none if it was answered.
    connects: Vec<Option<(usize, usize)>>,
}

struct Allocation {
    number: usize,
    client: usize,
    is_tcp: bool,
    /// Where the client says that it is.
    next: Option<usize>,
    /// The last ticket that was used, if it was given any.
    ticket: Option<usize>,
    login: usize,
    /// Who sent it, and how many Allocates it had sent.
    transaction: (usize, usize),
    answer: Success,
    /// When the relayed address ends, of IPv4 and of IPv6.
    until: [u64; 2],
    last: u64,
    permissions: BTreeMap<IpAddr, u64>,
    channels: BTreeMap<u16, (SocketAddr, u64)>,
}

impl Model {
    pub(super) fn new(setting: Setting) -> Self {
        Self {
            families: setting.families,
            // Who ends with its stream has nothing to take along.
            mobility: setting.mobility && !setting.streams,
            streams: setting.streams,
            ..Self::default()
        }
    }

    fn has_family(&self, is_ipv4: bool) -> bool {
        self.families[usize::from(!is_ipv4)]
    }

    /// Relayed addresses that are not over.
    pub(super) fn live(&self) -> usize {
        self.charges().values().sum()
    }

    pub(super) fn perform(&mut self, step: &Step) -> Expected {
        let result = match step {
            Step::Advance(millis) => {
                self.now += millis;
                return Expected::Nothing;
            }
            Step::Timeout => {
                self.timeout();
                return Expected::Nothing;
            }
            Step::Disconnected { client } => {
                self.allocations
                    .retain(|_, allocation| !allocation.is_of(*client));
                return Expected::Nothing;
            }
            Step::End { since } => {
                self.made_since(*since)
                    .and_then(|number| self.allocations.remove(&number));
                return Expected::Nothing;
            }
            Step::Kick { login } => {
                self.kick(*login);
                return Expected::Nothing;
            }
            Step::Drain { seconds } => {
                self.drain(*seconds);
                return Expected::Nothing;
            }
            Step::Allocate {
                who,
                transport,
                family,
                lifetime,
                ports,
                wish,
                refusals,
                again,
            } => {
                if !again {
                    self.transactions[who.client] += 1;
                }
                let families = self.wanted(*who, *transport, *family, *ports, *wish);
                families.and_then(|families| {
                    let is_tcp = *transport == Some(6);
                    let asked = Asked {
                        is_tcp,
                        ports: *ports,
                        wish: *wish,
                    };
                    self.allocate(*who, families, *lifetime, asked, *refusals)
                })
            }
            Step::Refresh {
                who,
                family,
                lifetime,
            } => self.refresh(*who, *family, *lifetime),
            Step::Move {
                who,
                shown: Shown::Elsewhere,
                ..
            } if self.takes_to_elsewhere(who.client) => return Expected::Elsewhere,
            Step::Move {
                who,
                shown,
                family,
                lifetime,
            } => self.take_along(*who, *shown, *family, *lifetime),
            Step::CreatePermission { who, peers } => self.create_permission(*who, peers),
            Step::ChannelBind { who, number, peer } => self.channel_bind(*who, *number, *peer),
            Step::Forged { forgery, .. } => Err(match forgery {
                Forgery::Unsigned | Forgery::WrongPassword => 401,
                Forgery::NoNonce => 400,
                Forgery::StaleNonce => 438,
            }),
            Step::Connect { who, peer } => return self.connect(*who, *peer),
            Step::Connected { since, outcome } => return self.connected(*since, *outcome),
            Step::ConnectionBind { who, id, is_known } => {
                self.connection_bind(*who, *id, *is_known)
            }
            Step::Send { client, peer } => return self.send(*client, peer),
            Step::ChannelData { client, number } => return self.channel_data(*client, *number),
            Step::FromPeer { since, peer } => return self.receive_from_peer(*since, peer),
        };
        match result {
            Ok(success) => Expected::Success(success),
            Err(code) => Expected::Error(code),
        }
    }

    fn refresh(
        &mut self,
        who: Who,
        family: Option<u8>,
        lifetime: Option<u32>,
    ) -> Result<Success, u16> {
        let (now, latest) = (self.now, self.latest());
        let allocation = self.own(who)?;
        let granted = allocation.prolong(family, lifetime, now, latest)?;
        Ok(Success::with_lifetime(granted))
    }

    fn create_permission(&mut self, who: Who, peers: &[&str]) -> Result<Success, u16> {
        let now = self.now;
        let allocation = self.own(who)?;
        let peers: Vec<_> = peers.iter().map(|peer| address(peer)).collect();
        if peers.is_empty() {
            return Err(400);
        }
        if peers.iter().any(|peer| is_denied(*peer)) {
            return Err(403);
        }
        if peers.iter().any(|peer| !allocation.has(*peer, now)) {
            return Err(443);
        }
        let mut permissions = allocation.permissions_at(now);
        permissions.extend(peers.iter().map(|peer| (peer.ip(), now + 300_000)));
        if permissions.len() > MAX_PERMISSIONS {
            return Err(508);
        }
        allocation.permissions = permissions;
        Ok(Success::default())
    }

    fn channel_bind(
        &mut self,
        who: Who,
        number: Option<u16>,
        peer: Option<&str>,
    ) -> Result<Success, u16> {
        let now = self.now;
        let allocation = self.own(who)?;
        if allocation.is_tcp {
            return Err(403);
        }
        let number = number.ok_or(400_u16)?;
        let peer = address(peer.ok_or(400_u16)?);
        let mut channels = allocation.channels.clone();
        channels.retain(|_, (peer, until)| *until > now && allocation.has(*peer, now));
        let clashes = |(other, (bound, _)): (&u16, &(SocketAddr, u64))| {
            (*other == number) != (*bound == peer)
        };
        if number > 0x4FFF || channels.iter().any(clashes) {
            return Err(400);
        }
        if is_denied(peer) {
            return Err(403);
        }
        if !allocation.has(peer, now) {
            return Err(443);
        }
        let mut permissions = allocation.permissions_at(now);
        permissions.insert(peer.ip(), now + 300_000);
        channels.insert(number, (peer, now + 600_000));
        if permissions.len() > MAX_PERMISSIONS || channels.len() > MAX_CHANNELS {
            return Err(508);
        }
        (allocation.permissions, allocation.channels) = (permissions, channels);
        Ok(Success::default())
    }

    fn live_of(&mut self, client: usize) -> Option<&mut Allocation> {
        let now = self.now;
        let mut allocations = self.allocations.values_mut();
        allocations.find(|allocation| allocation.is_live(now) && allocation.is_of(client))
    }

    fn own(&mut self, who: Who) -> Result<&mut Allocation, u16> {
        let allocation = self.live_of(who.client).ok_or(437_u16)?;
        if allocation.login == who.login {
            allocation.settle(who.client);
            Ok(allocation)
        } else {
            Err(441)
        }
    }

    /// The number of the allocation since which so many were made.
    fn made_since(&self, since: usize) -> Option<usize> {
        self.made.checked_sub(1 + since)
    }
}

impl Allocation {
    fn is_live(&self, now: u64) -> bool {
        self.until.iter().any(|until| *until > now)
    }

    /// What is granted, in seconds.
    fn prolong(
        &mut self,
        family: Option<u8>,
        lifetime: Option<u32>,
        now: u64,
        latest: u64,
    ) -> Result<u64, u16> {
        let is_meant = [1, 2].map(|number| {
            family.is_none_or(|family| family == number)
                && self.until[usize::from(number - 1)] > now
        });
        if is_meant == [false, false] {
            return Err(443);
        }
        let mut granted = 0;
        if lifetime != Some(0) {
            let rest = self.last.min(latest).saturating_sub(now) / 1000;
            granted = u64::from(lifetime.unwrap_or(0)).clamp(600, 3600).min(rest);
        }
        for place in (0..2).filter(|place| is_meant[*place]) {
            self.until[place] = match lifetime {
                Some(0) => 0,
                _ => now + granted * 1000,
            };
        }
        Ok(granted)
    }

    /// Whether it has a relayed address of the peer's family.
    fn has(&self, peer: SocketAddr, now: u64) -> bool {
        self.until[usize::from(!peer.is_ipv4())] > now
    }

    fn permissions_at(&self, now: u64) -> BTreeMap<IpAddr, u64> {
        let mut permissions = self.permissions.clone();
        permissions.retain(|ip, until| *until > now && self.has((*ip, 0).into(), now));
        permissions
    }

    fn permits(&self, peer: SocketAddr, now: u64) -> bool {
        self.permissions_at(now).contains_key(&peer.ip())
    }
}

fn is_denied(peer: SocketAddr) -> bool {
    peer.to_string().starts_with("10.")
}
