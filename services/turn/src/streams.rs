//! One thread's connections of clients over TCP and TLS.
//!
//! What is queued for a client is bounded by bytes, and written at the end of the thread's round; media that does not
//! fit is lost as a datagram would be. A connection that is of no use is closed: without an allocation after a while,
//! with a message that is not finished, with what is no message, with answers that are not read.
//!
//! - `setup` binds all listeners of a relay, by `listeners`; `sources` and [`Quotas`] say how many connections there may be;
//! - a `connection` has a `channel`, which is plain or TLS, a deframer, and an `outbox`;
//! - a `pipe` is a connection that carries data of a peer's, and no messages any more, unless it is `held_up`;
//! - `counts` are for `/metrics`.

mod channel;
mod connection;
mod counts;
mod held_up;
mod listeners;
mod outbox;
mod pipe;
mod setup;
mod sources;

use std::{
    collections::HashMap,
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use ipnet::IpNet;
use mio::{
    Interest, Registry, Token,
    net::{TcpListener, TcpStream},
};
use relay::{Client, ListenerId, Transport};
use rustls::{ServerConfig, ServerConnection};
use slab::Slab;

use self::{
    channel::Channel,
    connection::{Connection, Slots},
    held_up::HeldUp,
    pipe::Pipe,
};
pub(crate) use self::{
    connection::STRANGERS_BYTES,
    counts::{Counts, Ended, Exported, Refused},
    setup::{Bound, ListenersOfThread},
    sources::{SourceLimits, SourceSlot, Sources},
};
use crate::{handovers::Handover, proxy_protocol::Header, quotas::Quotas, tls::Certificates};

/// First token of peers' connections whose data a client's carries.
pub(crate) const FIRST_PIPE_TOKEN: usize = 1 << (usize::BITS - 4);

/// First token of listeners of streams; below are those of datagrams and of the worker itself.
pub(crate) const FIRST_LISTENER_TOKEN: usize = 1 << (usize::BITS - 3);

/// First token of connections.
pub(crate) const FIRST_CONNECTION_TOKEN: usize = 1 << (usize::BITS - 2);

/// Connections taken before other sockets have their turn.
const ACCEPT_BUDGET: usize = 64;

/// Steps of handshakes in one round: each may cost a signature, for which calls should not wait in a row.
const HANDSHAKE_BUDGET: usize = 2;

/// How often connections are looked at that nothing happens on.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Bytes that are read at a time, and in one turn: two thousand empty ChannelData messages, each of which may be a
/// datagram to send.
const INPUT_BYTES: usize = 8 * 1024;

/// What all threads' connections go by.
#[derive(Debug)]
pub(crate) struct Terms {
    /// How long a connection may be without an allocation, or stand still.
    pub(crate) patience: Duration,
    /// Who says for whom it connects.
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// What is shown over TLS and DTLS.
    pub(crate) certificates: Option<Arc<Certificates>>,
    pub(crate) sources: Arc<Sources>,
    pub(crate) quotas: Arc<Quotas>,
    pub(crate) counts: Arc<Counts>,
}

/// One thread's connections, and the listeners that they come to.
#[derive(Debug)]
pub(crate) struct Streams {
    /// The number of the first listener; those before it are of datagrams.
    first: u16,
    listeners: Vec<(Transport, TcpListener)>,
    connections: Slab<Connection>,
    by_client: HashMap<Client, usize>,
    /// Connections for which something was queued in this round.
    unflushed: Vec<usize>,
    pub(crate) held_up: HeldUp,
    next_sweep: Option<Instant>,
    /// Whether connections wait that could not be taken.
    is_short: bool,
    handshakes: usize,
    input: Box<[u8]>,
    registry: Registry,
    terms: Arc<Terms>,
}

/// Whose a connection is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Introduced {
    /// The proxy has not said it all.
    NotYet,
    /// This client's.
    As(Client),
    /// This client's, as was the connection at that place.
    Again(Client, usize),
}

impl Streams {
    /// `first` is the number of the first listener.
    ///
    /// # Errors
    /// When a listener cannot be waited for.
    pub(crate) fn new(
        first: usize,
        mut listeners: Vec<(Transport, TcpListener)>,
        terms: Arc<Terms>,
        registry: Registry,
    ) -> io::Result<Self> {
        for (number, (_, listener)) in listeners.iter_mut().enumerate() {
            let token = Token(FIRST_LISTENER_TOKEN + number);
            registry.register(listener, token, Interest::READABLE)?;
        }
        Ok(Self {
            first: u16::try_from(first).unwrap_or(u16::MAX),
            listeners,
            connections: Slab::new(),
            by_client: HashMap::new(),
            unflushed: Vec::new(),
            held_up: HeldUp::default(),
            next_sweep: None,
            is_short: false,
            handshakes: 0,
            input: vec![0; INPUT_BYTES].into_boxed_slice(),
            registry,
            terms,
        })
    }

    /// Whether clients of `listener` come by connections.
    pub(crate) fn serve(&self, listener: ListenerId) -> bool {
        listener.0 >= self.first
    }

    /// Takes connections that wait at a listener; tells whether there may be more.
    pub(crate) fn accept(&mut self, number: usize, now: Instant) -> bool {
        for _ in 0..ACCEPT_BUDGET {
            let Some((transport, listener)) = self.listeners.get(number) else {
                return false;
            };
            match listener.accept() {
                Ok((socket, address)) => {
                    let transport = *transport;
                    match self.admit(number, transport, socket, address, now) {
                        Ok(()) => self.terms.counts.opened(transport),
                        Err(refused) => self.terms.counts.refused(refused),
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                // A signal, or who has gone again.
                Err(error)
                    if [ErrorKind::Interrupted, ErrorKind::ConnectionAborted]
                        .contains(&error.kind()) => {}
                Err(error) => {
                    // The kernel will not say again that somebody waits.
                    tracing::debug!(%error, "connections cannot be taken");
                    self.is_short = true;
                    self.next_sweep.get_or_insert(now + SWEEP_EVERY);
                    return false;
                }
            }
        }
        true
    }

    fn admit(
        &mut self,
        number: usize,
        transport: Transport,
        mut socket: TcpStream,
        address: SocketAddr,
        now: Instant,
    ) -> Result<(), Refused> {
        let terms = &self.terms;
        let descriptor = terms.quotas.enter_connection().ok_or(Refused::Full)?;
        let source = match self.is_trusted(address.ip()) {
            true => None,
            false => Some(
                terms
                    .sources
                    .enter(address.ip(), now)
                    .ok_or(Refused::Source)?,
            ),
        };
        let channel = match (transport, &terms.tls) {
            (Transport::Tls, Some(tls)) => {
                let tls = ServerConnection::new(tls.clone()).map_err(|_| Refused::Full)?;
                Channel::Tls(Box::new(tls))
            }
            (Transport::Udp | Transport::Tcp | Transport::Tls | Transport::Dtls, _) => {
                Channel::Plain
            }
        };
        // A frame of sound must not wait for the next one.
        let _ = socket.set_nodelay(true);
        let place = self.connections.vacant_entry();
        let token = Token(FIRST_CONNECTION_TOKEN + place.key());
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.registry
            .register(&mut socket, token, interest)
            .map_err(|_| Refused::Full)?;
        let listener = ListenerId(self.first + u16::try_from(number).unwrap_or_default());
        let client = Client { listener, address };
        let slots = Slots { descriptor, source };
        place.insert(Connection::new(client, socket, channel, slots, now));
        self.next_sweep.get_or_insert(now + SWEEP_EVERY);
        Ok(())
    }

    fn is_trusted(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let mut proxies = self.terms.trusted_proxies.iter();
        proxies.any(|network| network.contains(&ip))
    }

    /// Finds out whose a connection is, if that is not known.
    ///
    /// # Errors
    /// When it has to end.
    pub(crate) fn introduce(&mut self, place: usize) -> Result<Introduced, Ended> {
        let connection = self.connections.get_mut(place).ok_or(Ended::Client)?;
        if connection.awaits_header() {
            let Some(header) = connection.read_header()? else {
                return Ok(Introduced::NotYet);
            };
            let mut client = connection.client;
            if let Header::Of(address) = header {
                // One client, however its address is written.
                client.address = SocketAddr::new(address.ip().to_canonical(), address.port());
            }
            let sources = &self.terms.sources;
            let source = sources.enter(client.address.ip(), Instant::now());
            let Some(source) = source else {
                return Err(Ended::Source);
            };
            connection.introduce(client, source);
        }
        let client = connection.client;
        if self.by_client.get(&client) == Some(&place) {
            return Ok(Introduced::As(client));
        }
        Ok(match self.by_client.insert(client, place) {
            None => Introduced::As(client),
            Some(older) => Introduced::Again(client, older),
        })
    }

    /// Whether this connection's handshake may go on in this round.
    pub(crate) fn may_go_on(&mut self, place: usize) -> bool {
        let connection = self.connections.get(place);
        if !connection.is_some_and(Connection::is_handshaking) {
            return true;
        }
        self.handshakes += 1;
        self.handshakes <= HANDSHAKE_BUDGET
    }

    /// The room that connections are read into, to be given back.
    pub(crate) fn take_input(&mut self) -> Box<[u8]> {
        std::mem::take(&mut self.input)
    }

    pub(crate) fn return_input(&mut self, input: Box<[u8]>) {
        self.input = input;
    }

    /// # Errors
    /// When it is gone.
    pub(crate) fn connection(&mut self, place: usize) -> Result<&mut Connection, Ended> {
        self.connections.get_mut(place).ok_or(Ended::Client)
    }

    /// Lets a client's connection carry the data of a peer's from now on; false when that cannot be.
    pub(crate) fn carry(&mut self, client: Client, mut peer: Handover) -> bool {
        let place = self.by_client.get(&client).copied();
        let Some(place) = place.filter(|place| self.connections.contains(*place)) else {
            return false;
        };
        let _ = peer.socket.set_nodelay(true);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = Token(FIRST_PIPE_TOKEN + place);
        let registered = self.registry.register(&mut peer.socket, token, interest);
        if let (Ok(()), Some(connection)) = (registered, self.connections.get_mut(place)) {
            connection.carry(Pipe::new(peer));
            return true;
        }
        false
    }

    /// Queues media, a message in parts; false when it is lost.
    pub(crate) fn relay(&mut self, client: Client, parts: &[&[u8]]) -> bool {
        self.queue(client, |connection| connection.relay(parts))
    }

    /// Queues an answer, to a client that has an allocation or may be anybody; false when it is lost, and the
    /// connection with it.
    pub(crate) fn answer(&mut self, client: Client, message: &[u8], is_known: bool) -> bool {
        self.queue(client, |connection| connection.answer(message, is_known))
    }

    fn queue(&mut self, client: Client, queue: impl FnOnce(&mut Connection) -> bool) -> bool {
        let Some(place) = self.by_client.get(&client) else {
            return false;
        };
        let Some(connection) = self.connections.get_mut(*place) else {
            return false;
        };
        let is_queued = queue(connection);
        if connection.must_be_flushed(is_queued) {
            self.unflushed.push(*place);
        }
        is_queued
    }

    /// A connection for which something was queued, or which has to end.
    pub(crate) fn next_unflushed(&mut self) -> Option<usize> {
        self.unflushed.pop()
    }

    /// When [`Self::overdue`] is to be asked.
    pub(crate) fn next_sweep(&self) -> Option<Instant> {
        self.next_sweep
    }

    /// Starts a new round; tells which connections are to end, if it is time to look.
    pub(crate) fn overdue(
        &mut self,
        now: Instant,
        mut has_allocation: impl FnMut(Client) -> bool,
    ) -> Vec<(usize, Ended)> {
        self.handshakes = 0;
        if self.next_sweep.is_none_or(|at| at > now) {
            return Vec::new();
        }
        if std::mem::take(&mut self.is_short) {
            for number in 0..self.listeners.len() {
                // More than a turn's worth have another chance in a second.
                self.is_short |= self.accept(number, now);
            }
        }
        let is_idle = self.connections.is_empty() && !self.is_short;
        self.next_sweep = (!is_idle).then(|| now + SWEEP_EVERY);
        let patience = self.terms.patience;
        self.connections
            .iter_mut()
            .filter_map(|(place, connection)| {
                let has_allocation = has_allocation(connection.client);
                let ended = connection.overdue(has_allocation, patience, now)?;
                Some((place, ended))
            })
            .collect()
    }

    /// Closes a connection; gives whose it was, if that was known.
    pub(crate) fn remove(&mut self, place: usize, ended: Ended) -> Option<Client> {
        let mut connection = self.connections.try_remove(place)?;
        self.terms.counts.ended(ended);
        connection.say_goodbye();
        // Closing it would take it out of the poll as well; this says so.
        let _ = self.registry.deregister(connection.socket_mut());
        if let Some(peer) = connection.peer_socket_mut() {
            let _ = self.registry.deregister(peer);
        }
        let client = connection.client;
        if self.by_client.get(&client) != Some(&place) {
            return None;
        }
        self.by_client.remove(&client);
        Some(client)
    }
}
