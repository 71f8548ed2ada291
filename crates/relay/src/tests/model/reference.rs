use super::*;

mod ends;
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
}

impl Success {
    fn with_lifetime(lifetime: u64) -> Self {
        Self {
            lifetime: Some(lifetime),
            ..Self::default()
        }
    }
}

/// Times are milliseconds.
#[derive(Default)]
pub(super) struct Model {
    now: u64,
    /// Whether the relay has addresses of IPv4, and of IPv6.
    families: [bool; 2],
    allocations: BTreeMap<usize, Allocation>,
    transactions: [usize; 2],
    /// Whether the relay drains, and until when, if that was said.
    drain: Option<Option<u64>>,
    /// Whether the last token that was given is of IPv4, and who was given it, if it is still good.
    last_token: Option<bool>,
    reserved: Option<usize>,
}

struct Allocation {
    login: usize,
    transaction: usize,
    answer: Success,
    /// When the relayed address ends, of IPv4 and of IPv6.
    until: [u64; 2],
    last: u64,
    permissions: BTreeMap<IpAddr, u64>,
    channels: BTreeMap<u16, (SocketAddr, u64)>,
}

impl Model {
    pub(super) fn new(families: [bool; 2]) -> Self {
        Self {
            families,
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
            Step::Disconnected { client } | Step::End { client } => {
                self.allocations.remove(client);
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
                refusals,
                again,
            } => {
                if !again {
                    self.transactions[who.client] += 1;
                }
                let wish = self.wish(*who, *transport, *family, *ports);
                wish.and_then(|wish| self.allocate(*who, wish, *lifetime, *ports, *refusals))
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
            Ok(success) => Expected::Success(success),
            Err(code) => Expected::Error(code),
        }
    }

    /// Of which families addresses are wanted; none for a retransmission.
    fn wish(
        &mut self,
        who: Who,
        transport: Option<u8>,
        family: Option<u8>,
        ports: Ports,
    ) -> Result<Vec<bool>, u16> {
        let transaction = self.transactions[who.client];
        if let Some(allocation) = self.live_of(who.client) {
            let is_again = allocation.transaction == transaction && allocation.login == who.login;
            return if is_again { Ok(Vec::new()) } else { Err(437) };
        }
        match transport {
            Some(17) => {}
            Some(_) => return Err(442),
            None => return Err(400),
        }
        let Ports {
            additional,
            even_port,
            token,
        } = ports;
        let is_one = family.is_some() || additional.is_some() || even_port.is_some();
        if token.is_some() && is_one || family.is_some() && additional.is_some() {
            return Err(400);
        }
        if family == Some(3) {
            return Err(440);
        }
        if additional.is_some() && (additional != Some(2) || even_port == Some(0x80)) {
            return Err(400);
        }
        // A token that is not good any more, or never was, has a family, too.
        let of_token = token.map(|token| match token {
            Token::Last => self.last_token.unwrap_or(true),
            Token::Bogus => true,
        });
        if of_token.is_some_and(|is_ipv4| !self.has_family(is_ipv4)) {
            return Err(508);
        }
        let wish = match (additional, of_token, family) {
            (Some(_), _, _) => vec![true, false],
            (None, Some(is_ipv4), _) => vec![is_ipv4],
            (None, None, Some(family)) => vec![family == 1],
            // That of the client's own address, where there is none of IPv4.
            (None, None, None) => vec![self.has_family(true) || who.client == 0],
        };
        match wish.iter().any(|is_ipv4| self.has_family(*is_ipv4)) {
            true => Ok(wish),
            false => Err(440),
        }
    }

    fn allocate(
        &mut self,
        who: Who,
        wish: Vec<bool>,
        lifetime: Option<u32>,
        ports: Ports,
        refusals: [Option<Refusal>; 2],
    ) -> Result<Success, u16> {
        let now = self.now;
        if wish.is_empty() {
            let allocation = self.live_of(who.client).ok_or(437_u16)?;
            let mut answer = allocation.answer.clone();
            // What was deleted since is not told again.
            answer
                .relayed
                .retain(|is_ipv4| allocation.until[usize::from(!is_ipv4)] > 0);
            return Ok(answer);
        }
        if self.drain.is_some() {
            return Err(508);
        }
        let mut answer = Success::with_lifetime(u64::from(lifetime.unwrap_or(0)).clamp(600, 3600));
        let until = now + answer.lifetime.unwrap_or(0) * 1000;
        let mut ends = [0; 2];
        let mut first_error = None;
        for is_ipv4 in wish {
            let place = usize::from(!is_ipv4);
            let is_good = match (ports.token, self.reserved) {
                (None, _) => true,
                (Some(Token::Last), Some(login)) => login == who.login,
                (Some(_), _) => false,
            };
            let error = match refusals[place] {
                _ if !self.has_family(is_ipv4) => Some(440),
                Some(Refusal::QuotaReached) => Some(486),
                Some(Refusal::InsufficientCapacity) => Some(508),
                None if !is_good => Some(508),
                None => None,
            };
            if error.is_none() {
                ends[place] = until;
                answer.relayed.push(is_ipv4);
                if ports.token.is_some() {
                    self.reserved = None;
                }
                if ports.even_port == Some(0x80) {
                    answer.reserved = true;
                    (self.last_token, self.reserved) = (Some(is_ipv4), Some(who.login));
                }
            }
            first_error = first_error.or(error);
        }
        if answer.relayed.is_empty() {
            return Err(first_error.unwrap_or(508));
        }
        answer.missing = first_error;
        let allocation = Allocation {
            login: who.login,
            transaction: self.transactions[who.client],
            answer: answer.clone(),
            until: ends,
            last: now + MAX_AGE_SECONDS * 1000,
            permissions: BTreeMap::new(),
            channels: BTreeMap::new(),
        };
        self.allocations.insert(who.client, allocation);
        Ok(answer)
    }

    fn refresh(
        &mut self,
        who: Who,
        family: Option<u8>,
        lifetime: Option<u32>,
    ) -> Result<Success, u16> {
        let (now, latest) = (self.now, self.latest());
        let allocation = self.own(who)?;
        let is_meant = [1, 2].map(|number| {
            family.is_none_or(|family| family == number)
                && allocation.until[usize::from(number - 1)] > now
        });
        if is_meant == [false, false] {
            return Err(443);
        }
        let mut granted = 0;
        if lifetime != Some(0) {
            let rest = allocation.last.min(latest).saturating_sub(now) / 1000;
            granted = u64::from(lifetime.unwrap_or(0)).clamp(600, 3600).min(rest);
        }
        for place in (0..2).filter(|place| is_meant[*place]) {
            allocation.until[place] = match lifetime {
                Some(0) => 0,
                _ => now + granted * 1000,
            };
        }
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
        self.allocations
            .get_mut(&client)
            .filter(|allocation| allocation.until.iter().any(|until| *until > now))
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
