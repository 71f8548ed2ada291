use super::*;
use crate::{Mobility, Protocol, Transport};

mod connections;

use connections::{Asked, CONNECTION_ID};

const TICKET: u16 = 0x8030;
const TICKETS_KEY: [u8; 32] = [5; 32];
const OTHER_THREAD: u16 = 1;

/// The relay, with what clients remember.
pub(super) struct Subject {
    pub(super) server: Server,
    /// Of the last Allocate of each client.
    transactions: [[u8; 12]; CLIENTS.len()],
    /// Each that was given, once: a retransmission is told it again.
    tokens: Vec<Vec<u8>>,
    /// Each that was given, once.
    tickets: Vec<Vec<u8>>,
    /// Connects that the caller was told of.
    asked: Vec<Asked>,
}

impl Subject {
    pub(super) fn new(setting: Setting) -> Self {
        let [v4, v6] = setting.families;
        let transports = match setting.streams {
            true => [Transport::Tcp],
            false => [Transport::Udp],
        };
        let mut server = Server::with(Config {
            ipv4: family(v4),
            ipv6: family(v6),
            max_permissions: MAX_PERMISSIONS,
            max_channels: MAX_CHANNELS,
            max_allocation_age: Duration::from_secs(MAX_AGE_SECONDS),
            tcp_peers: setting.streams,
            transports: transports.into(),
            ..config()
        });
        if setting.mobility {
            let mobility = Mobility::new(&TICKETS_KEY, 0);
            server.relay = Relay::new(server.relay.config, 1).with_mobility(mobility);
        }
        Self {
            server,
            transactions: [0xA0, 0xA1, 0xA2, 0xA3, 0xA4].map(|byte| [byte; 12]),
            tokens: Vec::new(),
            tickets: Vec::new(),
            asked: Vec::new(),
        }
    }

    fn ask(&mut self, who: Who, method: StunMethod, attributes: &[Attr<'_>]) -> Expected {
        let reaction = self
            .server
            .ask(CLIENTS[who.client], LOGINS[who.login], method, attributes);
        self.outcome(reaction)
    }

    pub(super) fn perform(&mut self, step: &Step) -> Expected {
        match step {
            Step::Advance(millis) => {
                self.server.advance(Duration::from_millis(*millis));
                Expected::Nothing
            }
            Step::Timeout => {
                self.server.handle_timeout();
                Expected::Nothing
            }
            Step::Disconnected { client } => {
                let client = self::client(*client);
                self.server.relay.handle_disconnected(client);
                self.settle()
            }
            Step::End { since } => {
                if let Some((id, _)) = self.made(*since) {
                    self.server.relay.handle_end(id);
                }
                self.settle()
            }
            Step::Kick { login } => {
                let now = self.server.now;
                let relay = &mut self.server.relay;
                relay.handle_kick(LOGINS[*login].name, now.unix - 1, now);
                self.settle()
            }
            Step::Drain { seconds } => self.drain(*seconds),
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
                let wish = wish.map(|wish| match wish {
                    Wish::Empty => Attr::Raw(TICKET, &[]),
                    Wish::WithValue => Attr::Raw(TICKET, &[1; 31]),
                });
                let wanted = transport.map(Attr::Transport).into_iter().chain(wish);
                let attributes = with_lifetime(wanted, *family, *lifetime);
                self.allocate(*who, &attributes, *ports, *refusals, *again)
            }
            Step::Refresh {
                who,
                family,
                lifetime,
            } => {
                let attributes = with_lifetime([], *family, *lifetime);
                self.ask(*who, METHOD_REFRESH, &attributes)
            }
            Step::Move {
                who,
                shown,
                family,
                lifetime,
            } => {
                let ticket = self.ticket(*shown);
                let attributes = with_lifetime([Attr::Raw(TICKET, &ticket)], *family, *lifetime);
                self.ask(*who, METHOD_REFRESH, &attributes)
            }
            Step::CreatePermission { who, peers } => {
                let attributes: Vec<_> = peers.iter().map(|peer| Attr::Peer(peer)).collect();
                self.ask(*who, METHOD_CREATE_PERMISSION, &attributes)
            }
            Step::ChannelBind { who, number, peer } => {
                let number = number.map(Attr::Channel).into_iter();
                let attributes: Vec<_> = number.chain(peer.map(Attr::Peer)).collect();
                self.ask(*who, METHOD_CHANNEL_BIND, &attributes)
            }
            Step::Forged {
                client,
                method,
                forgery,
            } => self.forge(*client, *method, *forgery),
            Step::Connect { who, peer } => self.connect(*who, *peer),
            Step::Connected { since, outcome } => self.connected(*since, *outcome),
            Step::ConnectionBind { who, id, is_known } => self.bind(*who, *id, *is_known),
            Step::Send { client, peer } => {
                let attributes = [Attr::Peer(peer), Attr::Raw(0x0013, b"data")];
                let datagram = send_indication([1; 12], &attributes);
                self.receive(*client, &datagram)
            }
            Step::ChannelData { client, number } => {
                let datagram = channel_data(*number, b"data");
                self.receive(*client, &datagram)
            }
            Step::FromPeer { since, peer } => self.receive_from_peer(*since, peer),
        }
    }

    fn drain(&mut self, seconds: Option<Option<u64>>) -> Expected {
        let now = self.server.now.monotonic;
        let until = |seconds: u64| now + Duration::from_secs(seconds);
        let drain = seconds.map(|seconds| Drain {
            until: seconds.map(until),
            ..Drain::default()
        });
        self.server.relay.handle_drain(drain);
        Expected::Nothing
    }

    fn receive(&mut self, client: usize, datagram: &[u8]) -> Expected {
        let reaction = self.server.receive(CLIENTS[client], datagram);
        self.outcome(reaction)
    }

    fn allocate(
        &mut self,
        who: Who,
        attributes: &[Attr<'_>],
        ports: Ports,
        refusals: [Option<Refusal>; 2],
        again: bool,
    ) -> Expected {
        let fresh = self.server.transaction();
        let transaction = &mut self.transactions[who.client];
        if !again {
            *transaction = fresh;
        }
        let client = CLIENTS[who.client];
        let mut message = request(METHOD_ALLOCATE, *transaction, attributes);
        if let Some(family) = ports.additional {
            message.add(AttrType(0x8000), &[family, 0, 0, 0]);
        }
        if let Some(bits) = ports.even_port {
            message.add(AttrType(0x0018), &[bits]);
        }
        if let Some(token) = ports.token {
            let token = match token {
                Token::Last => self.tokens.last().cloned().unwrap_or_else(|| vec![0; 8]),
                Token::Bogus => vec![0x55; 8],
            };
            message.add(AttrType(0x0022), &token);
        }
        let nonce = self.server.nonce(client);
        let login = LOGINS[who.login];
        sign(&mut message, login.name, login.password, &nonce);
        self.server.refusals = refusals;
        let reaction = self.server.receive(client, &message.raw);
        self.server.refusals = [None; 2];
        if let Reaction::Success(reply) = &reaction
            && reply.contains(0x0022)
            && !self.tokens.contains(&reply.get(0x0022))
        {
            self.tokens.push(reply.get(0x0022));
        }
        self.outcome(reaction)
    }

    fn forge(&mut self, client: usize, method: u16, forgery: Forgery) -> Expected {
        let client = CLIENTS[client];
        let mut typ = MessageType::default();
        typ.read_value(method);
        let mut message = message(typ, [1; 12], &[Attr::Transport(17), Attr::Peer(PEERS[0])]);
        let nonce = self.server.nonce(client);
        match forgery {
            Forgery::Unsigned => {}
            Forgery::WrongPassword => sign(&mut message, ALICE.name, "wrong", &nonce),
            Forgery::NoNonce => key(ALICE).add_to(&mut message).unwrap(),
            Forgery::StaleNonce => sign(&mut message, ALICE.name, ALICE.password, b"AAAAAAAAAAA"),
        }
        let reaction = self.server.receive(client, &message.raw);
        self.outcome(reaction)
    }

    /// What is left to be done after what is no client's doing.
    fn settle(&mut self) -> Expected {
        let action = self.server.carry_out(Action::Pending);
        assert_eq!(action, Action::Pending);
        Expected::Nothing
    }

    /// What was allocated, whether or not it is still there.
    fn all_made(&self) -> Vec<(AllocationId, Protocol)> {
        let opened = self.server.opened.iter();
        let mut made: Vec<_> = opened
            .map(|open| (open.allocation, open.protocol))
            .collect();
        // One of both families was opened twice.
        made.dedup();
        made
    }

    /// The allocation since which so many were made.
    fn made(&self, since: usize) -> Option<(AllocationId, Protocol)> {
        self.all_made().into_iter().rev().nth(since)
    }

    fn ticket(&self, shown: Shown) -> Vec<u8> {
        match shown {
            Shown::Empty => Vec::new(),
            Shown::Elsewhere => {
                let nobody = AllocationId::from_bits(0);
                Mobility::new(&TICKETS_KEY, OTHER_THREAD).seal(nobody, 0)
            }
            Shown::Given(since) => self.given(since),
            Shown::Changed(since) => {
                let mut ticket = self.given(since);
                ticket[20] ^= 1;
                ticket
            }
        }
    }

    /// Where there is none, one that nobody was given.
    fn given(&self, since: usize) -> Vec<u8> {
        let ticket = self.tickets.iter().rev().nth(since);
        ticket.cloned().unwrap_or_else(|| vec![1; 31])
    }

    /// Which of those that were given this is.
    fn number_of(&mut self, ticket: Vec<u8>) -> usize {
        let number = self.tickets.iter().position(|given| *given == ticket);
        number.unwrap_or_else(|| {
            self.tickets.push(ticket);
            self.tickets.len() - 1
        })
    }

    pub(super) fn five_tuples(&self) -> usize {
        self.server.relay.allocations.five_tuples()
    }

    /// What a caller has charged for and not released, who does as [`Output`] says.
    pub(super) fn charges(&self) -> Charges {
        let mut charges = Charges::new();
        for (client, user) in self.server.charged.values() {
            let client = CLIENTS.iter().position(|at| address(at) == client.address);
            let login = LOGINS.iter().position(|login| login.name == user.as_str());
            let charge = charges.entry((client.unwrap(), login.unwrap()));
            *charge.or_default() += 1;
        }
        charges
    }

    /// To the socket of an allocation, if there was one.
    fn receive_from_peer(&mut self, since: usize, peer: &str) -> Expected {
        let Some((id, protocol)) = self.made(since) else {
            return Expected::Dropped(DropReason::NoAllocation);
        };
        if protocol == Protocol::Tcp {
            return self.connect_from_peer(id, peer);
        }
        let now = self.server.now.monotonic;
        let source = peer.parse().unwrap();
        let action = self.server.relay.handle_peer(id, source, b"data", now);
        let reaction = self.server.reaction(action, b"data");
        self.outcome(reaction)
    }

    fn outcome(&mut self, reaction: Reaction) -> Expected {
        match reaction {
            Reaction::Success(reply) => {
                let has_ticket = reply.contains(TICKET);
                let ticket = has_ticket.then(|| self.number_of(reply.get(TICKET)));
                let connection = reply
                    .contains(CONNECTION_ID)
                    .then(|| reply.get(CONNECTION_ID));
                let missing = reply.contains(0x8001).then(|| reply.get(0x8001));
                Expected::Success(Success {
                    lifetime: reply.contains(0x000D).then(|| reply.lifetime()),
                    relayed: reply
                        .all_relayed()
                        .iter()
                        .map(SocketAddr::is_ipv4)
                        .collect(),
                    missing: missing.map(|value| u16::from(value[2]) * 100 + u16::from(value[3])),
                    reserved: reply.contains(0x0022),
                    ticket,
                    connection: connection.map(|id| u32::from_be_bytes(id.try_into().unwrap())),
                })
            }
            Reaction::Error(code, _) => Expected::Error(code),
            Reaction::ToPeer(peer, data) => {
                assert_eq!(data, b"data");
                Expected::ToPeer(peer)
            }
            Reaction::ToClient(client, message) if message[0] == 0x40 => {
                assert_eq!(message[2..], *b"\0\x04data");
                let number = u16::from_be_bytes([message[0], message[1]]);
                Expected::ChannelData(client, number)
            }
            Reaction::ToClient(client, message) => {
                let (peer, data) = data_indication(&message);
                assert_eq!(data, b"data");
                Expected::DataIndication(client, peer)
            }
            Reaction::Dropped(reason) => Expected::Dropped(reason),
            Reaction::Elsewhere(home) => {
                assert_eq!(home.thread, OTHER_THREAD);
                Expected::Elsewhere
            }
        }
    }
}

fn client(number: usize) -> Client {
    Client {
        listener: ListenerId(0),
        address: address(CLIENTS[number]),
    }
}

fn with_lifetime<'a>(
    attributes: impl IntoIterator<Item = Attr<'a>>,
    family: Option<u8>,
    lifetime: Option<u32>,
) -> Vec<Attr<'a>> {
    let family = family.map(Attr::Family).into_iter();
    let more = family.chain(lifetime.map(Attr::Lifetime));
    attributes.into_iter().chain(more).collect()
}

fn family<Ip>(is_there: bool) -> RelayedFamily<Ip> {
    match is_there {
        true => RelayedFamily::AsBound,
        false => RelayedFamily::None,
    }
}
