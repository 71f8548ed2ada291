use std::{
    mem,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    Client, ErrorCode, Family, Protocol, ReservationToken, Traffic, UserId, limits::Meter,
    peer_policy::Ruling, wire::TransactionId,
};

/// RFC 8656 §9: "The Permission Lifetime MUST be 300 seconds".
pub(crate) const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);

/// RFC 8656 §12: a channel binding lasts ten minutes.
pub(crate) const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);

/// More than any host is up; what is longer would not fit a clock.
const ENDLESS: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// What a client has, and whom it may reach: a relayed transport address, or one of each family.
///
/// Permissions and channels have no timers: what is over is absent to every look-up from its instant on, and
/// its place is taken back when another is added. Both lists are short and sorted. Those of a family go with
/// its relayed address.
#[derive(Debug)]
pub(crate) struct Allocation {
    pub(crate) client: Client,
    pub(crate) user: UserId,
    pub(crate) granted: Granted,
    /// Where the client says that it is, until it has sent something from there, RFC 8016.
    /// Few move: what they all have is small.
    pub(crate) next_client: Option<Box<Client>>,
    /// The last ticket that was used, by its serial: it and the next one are good.
    pub(crate) ticket: u32,
    pub(crate) protocol: Protocol,
    /// The id of the secret that the client proved itself with last, unless it is a static user.
    pub(crate) secret: Option<Arc<str>>,
    /// When it ends in any case.
    pub(crate) last: Instant,
    pub(crate) meter: Meter,
    /// By family.
    relayed: [Option<Relayed>; 2],
    /// By IP address.
    permissions: Vec<Permission>,
    /// By number.
    channels: Vec<Channel>,
    /// By peer.
    channel_numbers: Vec<(SocketAddr, u16)>,
}

/// A relayed transport address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relayed {
    /// As the client was told.
    pub(crate) address: SocketAddr,
    /// When it ends unless it is refreshed.
    pub(crate) until: Instant,
    pub(crate) traffic: Traffic,
}

/// What an Allocate was answered: a retransmission gets the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Granted {
    pub(crate) transaction: TransactionId,
    /// In seconds.
    pub(crate) lifetime: u64,
    /// Whether the client was given a ticket to move with.
    pub(crate) is_mobile: bool,
    /// For the next port, if that was asked for.
    pub(crate) reserved: Option<ReservationToken>,
    /// Of the two families that were asked for, the one that could not be had.
    pub(crate) missing: Option<(Family, ErrorCode)>,
}

/// A peer's IP address from which and to which packets are relayed.
#[derive(Clone, Copy, Debug)]
struct Permission {
    ip: IpAddr,
    until: Instant,
    ruling: Ruling,
}

/// A number that stands for a peer's transport address.
#[derive(Clone, Copy, Debug)]
struct Channel {
    number: u16,
    until: Instant,
    peer: SocketAddr,
}

/// The number is another peer's, or the peer has another number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound;

/// What is known of an allocation when its relay sockets are open.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) client: Client,
    pub(crate) user: UserId,
    pub(crate) granted: Granted,
    pub(crate) protocol: Protocol,
    pub(crate) secret: Option<Arc<str>>,
    /// By family.
    pub(crate) relayed: [Option<SocketAddr>; 2],
    pub(crate) max_age: Duration,
}

impl Allocation {
    pub(crate) fn new(terms: Terms, now: Instant) -> Self {
        let relayed = |address| Relayed {
            address,
            until: now + Duration::from_secs(terms.granted.lifetime),
            traffic: Traffic::default(),
        };
        Self {
            client: terms.client,
            user: terms.user,
            granted: terms.granted,
            next_client: None,
            ticket: 0,
            protocol: terms.protocol,
            secret: terms.secret,
            last: now + terms.max_age.min(ENDLESS),
            meter: Meter::new(now),
            relayed: terms.relayed.map(|address| address.map(relayed)),
            permissions: Vec::new(),
            channels: Vec::new(),
            channel_numbers: Vec::new(),
        }
    }

    /// Its relayed addresses, over or not; IPv4 first.
    pub(crate) fn relayed(&self) -> impl Iterator<Item = &Relayed> {
        self.relayed.iter().flatten()
    }

    /// Its relayed address of `family`, over or not.
    pub(crate) fn relayed_of(&mut self, family: Family) -> Option<&mut Relayed> {
        self.relayed[family.place()].as_mut()
    }

    /// Whether it has a relayed address of `family` now.
    pub(crate) fn has(&self, family: Family, now: Instant) -> bool {
        self.relayed[family.place()].is_some_and(|relayed| relayed.until > now)
    }

    /// Whether it has any relayed address now.
    pub(crate) fn is_open(&self, now: Instant) -> bool {
        self.relayed().any(|relayed| relayed.until > now)
    }

    /// Takes the relayed address of `family` away, and with it its permissions and channels.
    pub(crate) fn remove(&mut self, family: Family) -> Option<Relayed> {
        let relayed = self.relayed[family.place()].take()?;
        let is_other = |ip| Family::of_ip(ip) != family;
        self.permissions
            .retain(|permission| is_other(permission.ip));
        self.channels.retain(|channel| is_other(channel.peer.ip()));
        self.channel_numbers.retain(|(peer, _)| is_other(peer.ip()));
        Some(relayed)
    }

    /// What was decided about `ip`, if it has a permission now.
    pub(crate) fn permission(&self, ip: IpAddr, now: Instant) -> Option<Ruling> {
        let at = self.permission_at(ip).ok()?;
        let permission = self.permissions[at];
        self.is_live(permission.ip, permission.until, now)
            .then_some(permission.ruling)
    }

    /// Whether what an address may do until then, it may do now: only as long as there is a relayed address of its
    /// family.
    fn is_live(&self, ip: IpAddr, until: Instant, now: Instant) -> bool {
        until > now && self.has(Family::of_ip(ip), now)
    }

    /// The peer of a channel that is bound now.
    pub(crate) fn peer(&self, number: u16, now: Instant) -> Option<SocketAddr> {
        self.channel(number, now).map(|channel| channel.peer)
    }

    /// The number of the channel that is bound to `peer` now.
    pub(crate) fn channel_number(&self, peer: SocketAddr, now: Instant) -> Option<u16> {
        let at = self.channel_number_at(peer).ok()?;
        let (_, number) = self.channel_numbers[at];
        self.channel(number, now).map(|channel| channel.number)
    }

    /// How many of `ips` have no permission yet, unless there is no room for them; drops those that are over.
    pub(crate) fn room_for(
        &mut self,
        ips: impl IntoIterator<Item = IpAddr>,
        max: usize,
        now: Instant,
    ) -> Option<usize> {
        let mut permissions = mem::take(&mut self.permissions);
        permissions.retain(|permission| self.is_live(permission.ip, permission.until, now));
        self.permissions = permissions;
        let mut new: Vec<_> = ips
            .into_iter()
            .filter(|ip| self.permission_at(*ip).is_err())
            .collect();
        new.sort_unstable();
        new.dedup();
        (self.permissions.len() + new.len() <= max).then_some(new.len())
    }

    /// Installs or refreshes a permission.
    pub(crate) fn permit(&mut self, ip: IpAddr, ruling: Ruling, now: Instant) {
        let until = now + PERMISSION_LIFETIME;
        let permission = Permission { ip, until, ruling };
        match self.permission_at(ip) {
            Ok(at) => self.permissions[at] = permission,
            Err(at) => self.permissions.insert(at, permission),
        }
    }

    /// Whether `number` may be bound to `peer`; tells whether it already is.
    pub(crate) fn is_bound(
        &self,
        number: u16,
        peer: SocketAddr,
        now: Instant,
    ) -> Result<bool, Bound> {
        match (self.peer(number, now), self.channel_number(peer, now)) {
            (None, None) => Ok(false),
            (Some(bound), _) if bound == peer => Ok(true),
            (Some(_), _) | (None, Some(_)) => Err(Bound),
        }
    }

    /// Channels that are bound now.
    pub(crate) fn channels(&self, now: Instant) -> usize {
        let is_bound = |channel: &&Channel| self.is_live(channel.peer.ip(), channel.until, now);
        self.channels.iter().filter(is_bound).count()
    }

    /// Binds or refreshes a channel, of which [`Self::is_bound`] must have been asked; drops those that are
    /// over.
    pub(crate) fn bind(&mut self, number: u16, peer: SocketAddr, now: Instant) {
        let mut channels = mem::take(&mut self.channels);
        channels.retain(|channel| {
            self.is_live(channel.peer.ip(), channel.until, now) && channel.number != number
        });
        self.channels = channels;
        let at = self
            .channels
            .partition_point(|channel| channel.number < number);
        let until = now + CHANNEL_LIFETIME;
        let channel = Channel {
            number,
            until,
            peer,
        };
        self.channels.insert(at, channel);
        self.channel_numbers = self
            .channels
            .iter()
            .map(|channel| (channel.peer, channel.number))
            .collect();
        self.channel_numbers.sort_unstable();
    }

    fn channel(&self, number: u16, now: Instant) -> Option<&Channel> {
        let at = self
            .channels
            .binary_search_by_key(&number, |channel| channel.number)
            .ok()?;
        let channel = &self.channels[at];
        self.is_live(channel.peer.ip(), channel.until, now)
            .then_some(channel)
    }

    fn permission_at(&self, ip: IpAddr) -> Result<usize, usize> {
        self.permissions
            .binary_search_by_key(&ip, |permission| permission.ip)
    }

    fn channel_number_at(&self, peer: SocketAddr) -> Result<usize, usize> {
        self.channel_numbers
            .binary_search_by_key(&peer, |(peer, _)| *peer)
    }
}
