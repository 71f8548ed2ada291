//! Two relays of one process, and their surroundings.

mod carrying_out;
mod connections;
mod ending;
mod operator;
mod peers;
mod sockets;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::{Duration, Instant},
};

use relay::{
    Action, AllocationId, Bind, Client, Connect, ConnectId, ConnectionId, Family, Home, Method,
    Mobility, Open, Protocol, Relay, ReservationToken, Time, UserId,
};
use stun::{
    attributes::ATTR_NONCE,
    message::{METHOD_ALLOCATE, Message},
};

use crate::{
    UNIX,
    messages::{MOBILITY_TICKET, Signature, Told, add_transport, request, sign},
    places::{DISCOVERY, is_same, thread},
    settings::{Challenges, INTERNAL, WITHOUT_DISCOVERY, config},
};

pub struct World {
    relays: [Relay; 2],
    pub now: Time,
    /// What was told last.
    pub told: Told,
    settings: [u8; 2],
    challenges: Challenges,
    /// Whether a policy lets, or has let, clients reach what is denied otherwise: permissions outlive it.
    is_open_inside: bool,
    /// Whose answer is the last one.
    answering: usize,
    /// Wished for, and not answered yet.
    opening: Vec<Opening>,
    /// Open relay sockets.
    sockets: BTreeMap<Place, Socket>,
    /// Every socket that was ever wished for.
    seen: BTreeSet<Place>,
    connecting: Vec<(usize, Connect)>,
    /// Connects that nobody waits for.
    connected: Vec<(usize, ConnectId)>,
    binding: Vec<(usize, Bind)>,
    /// Connections with peers that wait for who brings their id.
    waiting: BTreeMap<ConnectionId, (Place, UserId)>,
    /// The last token that anybody was given.
    token: Option<ReservationToken>,
    /// Until when users are put out.
    kicked: BTreeMap<&'static str, u64>,
    /// Where allocations may be next, RFC 8016.
    expected: BTreeMap<(usize, AllocationId), Client>,
    /// Clients whose allocation is with the other relay.
    abroad: Vec<(Client, Home)>,
    /// Everybody who has ever had an allocation.
    known: Vec<Client>,
    /// Most allocations that each relay has had at a time.
    most: [usize; 2],
    next_port: u16,
    next_connection: u32,
}

/// A relay socket's name: whose it is, of all relays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    thread: usize,
    allocation: AllocationId,
    family: Family,
}

/// A relay socket that is open.
#[derive(Clone, Debug)]
struct Socket {
    client: Client,
    user: UserId,
    protocol: Protocol,
    port: u16,
}

/// A relay socket that is not there yet.
struct Opening {
    place: Place,
    open: Open,
    /// Its client has gone meanwhile.
    is_given_up: bool,
}

impl World {
    pub fn new(settings: [u8; 2]) -> Self {
        let now = Instant::now();
        let mut challenges = Challenges::new(now);
        let relays = [0, 1].map(|thread| {
            let mobility = Mobility::new(&[9; 32], thread);
            Relay::new(config(settings, &mut challenges), 1).with_mobility(mobility)
        });
        Self {
            relays,
            now: Time {
                monotonic: now,
                unix: UNIX,
            },
            told: Told::default(),
            settings,
            challenges,
            is_open_inside: settings[1] & INTERNAL != 0,
            answering: 0,
            opening: Vec::new(),
            sockets: BTreeMap::new(),
            seen: BTreeSet::new(),
            connecting: Vec::new(),
            connected: Vec::new(),
            binding: Vec::new(),
            waiting: BTreeMap::new(),
            token: None,
            kicked: BTreeMap::new(),
            expected: BTreeMap::new(),
            abroad: Vec::new(),
            known: Vec::new(),
            most: [0; 2],
            next_port: 1024,
            next_connection: 0,
        }
    }

    /// Hands a client's message in, where it comes to or where its allocation is, and checks what comes of it.
    pub fn receive(&mut self, client: Client, message: &[u8]) {
        let _ = self.action_of(client, message);
    }

    fn action_of(&mut self, client: Client, message: &[u8]) -> Action {
        let now = self.now.monotonic;
        let relays = &self.relays;
        self.abroad.retain(|(_, home)| {
            relays[usize::from(home.thread)].has_relayed_addresses(home.allocation)
        });
        let mut abroad = self.abroad.iter();
        let home = abroad.find(|(other, _)| is_same(*other, client));
        if let Some((_, home)) = home.copied()
            && self.has(client, home, now)
        {
            return self.receive_at(usize::from(home.thread), client, message);
        }
        self.abroad.retain(|(other, _)| !is_same(*other, client));
        let here = thread(client);
        let action = self.receive_at(here, client, message);
        let Action::Elsewhere(home) = action else {
            return action;
        };
        let there = usize::from(home.thread);
        assert_ne!(here, there, "elsewhere is here");
        let action = self.receive_at(there, client, message);
        assert!(!matches!(action, Action::Elsewhere(_)), "there and back");
        if self.has(client, home, now) {
            self.abroad.push((client, home));
        }
        action
    }

    fn has(&self, client: Client, home: Home, now: Instant) -> bool {
        let relay = &self.relays[usize::from(home.thread)];
        relay.allocation_of(client, now) == Some(home.allocation)
    }

    fn receive_at(&mut self, thread: usize, client: Client, message: &[u8]) -> Action {
        let (listener, source) = (client.listener, client.address);
        self.answering = thread;
        let relay = &mut self.relays[thread];
        let action = relay.handle_client(listener, source, message, self.now);
        let wished = self.carry_out(thread);
        match action {
            Action::Pending => assert!(wished.is_one_request(), "{wished:?}"),
            Action::ToPeer(_)
            | Action::ToClient(_)
            | Action::Answer(_)
            | Action::Indication(_)
            | Action::Elsewhere(_)
            | Action::Dropped(_) => wished.are_none(),
        }
        match action {
            Action::ToPeer(to) => {
                assert!(to.start <= to.end && to.end <= message.len());
                let place = Place {
                    thread,
                    allocation: to.allocation,
                    family: to.family(),
                };
                let socket = self.sockets.get(&place).expect("the socket is open");
                assert_eq!(socket.protocol, Protocol::Udp);
                assert!(is_same(socket.client, client));
                self.check_peer(to.peer.ip());
            }
            Action::Answer(answer) => {
                let told = self.check_answer(answer.verified);
                assert_eq!(told.transaction_id.0[..], message[8..20]);
                let is_discovery = answer.method == Method::Binding
                    && self.settings[1] & WITHOUT_DISCOVERY == 0
                    && usize::from(client.listener.0) < DISCOVERY.len();
                if is_discovery {
                    assert!(usize::from(answer.client.listener.0) < DISCOVERY.len());
                    assert_eq!(answer.client.address.ip(), client.address.ip());
                } else {
                    assert_eq!(answer.client, client);
                }
                if !answer.verified {
                    let times = if is_discovery { 6 } else { 3 };
                    assert!(told.raw.len() <= times * message.len());
                }
                let is_moving = answer.method == Method::Refresh && told.contains(MOBILITY_TICKET);
                if is_moving {
                    self.expect(thread, client);
                }
                self.keep_ticket(&told);
            }
            Action::ToClient(_) | Action::Indication(_) => panic!("a client's packet goes back"),
            Action::Elsewhere(_) | Action::Dropped(_) | Action::Pending => {}
        }
        self.check(thread);
        action
    }

    /// A client has shown a good ticket.
    fn expect(&mut self, thread: usize, client: Client) {
        let relay = &self.relays[thread];
        // None where the same Refresh has ended it.
        let Some(id) = relay.allocation_of(client, self.now.monotonic) else {
            return;
        };
        self.know(client);
        let is_own = self
            .sockets_of(thread, id)
            .any(|(_, socket)| is_same(socket.client, client));
        match is_own {
            true => self.expected.remove(&(thread, id)),
            false => self.expected.insert((thread, id), client),
        };
    }

    /// The open sockets of an allocation.
    fn sockets_of(
        &self,
        thread: usize,
        allocation: AllocationId,
    ) -> impl Iterator<Item = (&Place, &Socket)> {
        let [first, last] = Family::ALL.map(|family| Place {
            thread,
            allocation,
            family,
        });
        self.sockets.range(first..=last)
    }

    fn know(&mut self, client: Client) {
        if !self.known.iter().any(|known| is_same(*known, client)) {
            self.known.push(client);
        }
    }

    /// Lets time pass, unnoticed until [`Self::handle_timeout`] or the next input.
    pub fn wait(&mut self, duration: Duration) {
        self.now.monotonic += duration;
        self.now.unix += duration.as_secs();
    }

    pub fn handle_timeout(&mut self) {
        for thread in [0, 1] {
            self.relays[thread].handle_timeout(self.now.monotonic);
            self.carry_out(thread).are_none();
            self.check(thread);
        }
    }

    /// A nonce for `client`, from the 401 that it gets for an unsigned request; any one where it gets none.
    pub fn nonce(&mut self, client: Client) -> Vec<u8> {
        let mut unsigned = request(METHOD_ALLOCATE, 0xEE);
        add_transport(&mut unsigned);
        match self.action_of(client, &unsigned.raw) {
            Action::Answer(_) => {
                let mut answer = Message::new();
                let relay = &self.relays[self.answering];
                answer.write(relay.answer()).expect("a STUN message");
                answer.get(ATTR_NONCE).expect("a nonce")
            }
            _ => b"AAAAAAAAAAA".to_vec(),
        }
    }

    /// Whether what is asked for waits for something.
    pub fn ask(&mut self, client: Client, login: u8, mut message: Message) -> bool {
        let nonce = self.nonce(client);
        sign(&mut message, crate::login(login), &nonce, Signature::Sha1);
        self.action_of(client, &message.raw) == Action::Pending
    }

    fn keep_ticket(&mut self, answer: &Message) {
        if let Ok(ticket) = answer.get(MOBILITY_TICKET) {
            self.told.ticket = ticket;
        }
    }

    fn check_peer(&self, ip: IpAddr) {
        assert!(self.is_open_inside || !is_internal(ip), "{ip}");
    }

    /// How many allocations there are, those included that wait for their sockets.
    pub fn allocations(&self) -> usize {
        self.relays.iter().map(Relay::allocations).sum()
    }
}

/// Some of what is denied by default.
fn is_internal(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_multicast(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unspecified() || ip.is_multicast(),
    }
}
