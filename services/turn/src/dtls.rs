//! One thread's clients over DTLS 1.2, RFC 6347: between its sockets of datagrams and its state machine.
//!
//! A client is first asked to show that datagrams reach it: nothing is kept for it until it has, and who only writes
//! others' addresses on datagrams is none. After that it is counted with its source's connections, and ended as one is that
//! is of no use.
//!
//! - a `client_hello` is answered without anything that is kept, but for the key of `cookies`;
//! - an `association` is the library's, with that answer in place of the library's own.
//!
//! The library is `dimpl`. The other one that is maintained, webrtc-rs's `dtls` 0.17, was tried with OpenSSL at the other
//! end: its listener makes one handshake at a time, so that a client which stopped after its hello kept all others out,
//! and it draws its cookies for each association too. Neither signs with RSA.

mod association;
mod client_hello;
mod cookies;

use std::{
    collections::HashMap,
    io, mem,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use dimpl::Config;
use relay::{Client, ListenerId, Transport};

pub(crate) use self::association::can_sign_with;
use self::{
    association::{Association, Buffer, MAX_MESSAGE, Over, Sink},
    client_hello::{Alert, COOKIE, ClientHello},
    cookies::Cookies,
};
use crate::{
    streams::{Ended, Refused, SourceSlot, Terms},
    tls::Certificates,
};

/// Associations that a thread has at most. Each has some kilobytes, and 64 more at most while it is being agreed on.
const MAX_ASSOCIATIONS: usize = 1 << 16;

/// Handshakes begun in one round: each costs a signature, for which calls should not wait in a row. The hello of who
/// comes after that is dropped, and sent again by its client a second later, RFC 6347 §4.2.4.
const HANDSHAKE_BUDGET: usize = 8;

/// Associations ended in one round, and the pause before more are.
const END_BUDGET: usize = 256;
const END_PAUSE: Duration = Duration::from_millis(10);

/// How often associations are looked at that nothing happens on, and what was not answered is sent again.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// One thread's clients over DTLS.
#[derive(Debug)]
pub(crate) struct Associations {
    /// The listeners that they come to.
    listeners: Range<u16>,
    /// None where there are no listeners.
    config: Option<Arc<Config>>,
    cookies: Cookies,
    by_client: HashMap<Client, Known>,
    buffer: Buffer,
    /// Room for one that is to be encrypted.
    message: Vec<u8>,
    messages: Messages,
    handshakes: usize,
    next_sweep: Option<Instant>,
    terms: Arc<Terms>,
}

#[derive(Debug)]
struct Known {
    association: Association,
    /// Of its hello: another one begins another association.
    random: [u8; 32],
    /// Nothing can be sent over it any more; the next sweep ends it.
    is_broken: bool,
    without_allocation_since: Option<Instant>,
    #[expect(dead_code, reason = "it is held, and given back when it is dropped")]
    slot: SourceSlot,
}

/// Messages that came over an association in a datagram, one after another.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Messages {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        let ranges = starts.zip(self.ends.iter().copied());
        ranges.map(|(start, end)| &self.bytes[start..end])
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

/// Datagrams go out at once, messages wait until the association is left alone.
struct Outlet<'a, S> {
    send: S,
    messages: &'a mut Messages,
}

impl<S: FnMut(&[u8])> Sink for Outlet<'_, S> {
    fn send(&mut self, datagram: &[u8]) {
        (self.send)(datagram);
    }

    fn receive(&mut self, message: &[u8]) {
        self.messages.bytes.extend_from_slice(message);
        self.messages.ends.push(self.messages.bytes.len());
    }
}

impl Associations {
    /// `listeners` are the numbers of those that serve DTLS.
    ///
    /// # Errors
    /// When there are no random numbers, or no ciphers.
    pub(crate) fn new(listeners: Range<usize>, terms: Arc<Terms>) -> io::Result<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        let number = |number| u16::try_from(number).unwrap_or(u16::MAX);
        Ok(Self {
            listeners: number(listeners.start)..number(listeners.end),
            config: (!listeners.is_empty())
                .then(association::config)
                .transpose()
                .map_err(io::Error::other)?,
            cookies: Cookies::new(&key, Instant::now()),
            by_client: HashMap::new(),
            buffer: Buffer::default(),
            message: Vec::new(),
            messages: Messages::default(),
            handshakes: 0,
            next_sweep: None,
            terms,
        })
    }

    /// Whether clients of `listener` speak DTLS.
    pub(crate) fn serve(&self, listener: ListenerId) -> bool {
        self.listeners.contains(&listener.0)
    }

    /// Handles what came from a client's address, and puts what it says into `messages`; tells whether an association of
    /// the client's is over, be it that another has taken its place.
    pub(crate) fn receive(
        &mut self,
        client: Client,
        datagram: &[u8],
        now: Instant,
        messages: &mut Messages,
        send: impl FnMut(&[u8]),
    ) -> bool {
        let mut outlet = Outlet { send, messages };
        if let Some(hello) = ClientHello::read(datagram) {
            return self.greet(client, &hello, datagram, now, &mut outlet);
        }
        self.hear(client, datagram, now, &mut outlet)
    }

    /// What came over an association, if there is one.
    fn hear(
        &mut self,
        client: Client,
        datagram: &[u8],
        now: Instant,
        outlet: &mut Outlet<'_, impl FnMut(&[u8])>,
    ) -> bool {
        let Some(known) = self.by_client.get_mut(&client) else {
            self.terms.counts.stray();
            return false;
        };
        let association = &mut known.association;
        match association.handle(datagram, now, &mut self.buffer, outlet) {
            Ok(()) => false,
            Err(Over::Closed) => self.end(client, Ended::Client),
            Err(Over::Failed) => self.end(client, Ended::NotTurn),
        }
    }

    fn greet(
        &mut self,
        client: Client,
        hello: &ClientHello<'_>,
        datagram: &[u8],
        now: Instant,
        outlet: &mut Outlet<'_, impl FnMut(&[u8])>,
    ) -> bool {
        if !hello.is_of_our_version() {
            outlet.send(&hello.refusal(Alert::ProtocolVersion));
            self.terms.counts.refused(Refused::Version);
            return false;
        }
        let Some(cookie) = self.cookies.check(client.address, hello, now) else {
            let cookie = self.cookies.make(client.address, hello, now);
            outlet.send(&hello.verify_request(&cookie));
            self.terms.counts.challenged();
            return false;
        };
        let known = self.by_client.get(&client);
        if known.is_some_and(|known| known.random == hello.random) {
            // It has not heard our answer.
            return self.hear(client, datagram, now, outlet);
        }
        self.accept(client, hello, datagram, cookie, now, outlet)
    }

    /// A client that has come back with its cookie. An association that it had is over then, RFC 6347 §4.2.8.
    fn accept(
        &mut self,
        client: Client,
        hello: &ClientHello<'_>,
        datagram: &[u8],
        cookie: [u8; COOKIE],
        now: Instant,
        outlet: &mut Outlet<'_, impl FnMut(&[u8])>,
    ) -> bool {
        if self.handshakes >= HANDSHAKE_BUDGET {
            self.terms.counts.refused(Refused::Busy);
            return false;
        }
        if self.by_client.len() >= MAX_ASSOCIATIONS {
            self.terms.counts.refused(Refused::Full);
            return false;
        }
        let Some(slot) = self.terms.sources.enter(client.address.ip(), now) else {
            self.terms.counts.refused(Refused::Source);
            return false;
        };
        let certificates = self.terms.certificates.as_deref();
        let certificate = certificates.and_then(Certificates::for_dtls);
        let (Some(config), Some(certificate)) = (&self.config, certificate) else {
            return false;
        };
        self.handshakes += 1;
        self.terms.counts.opened(Transport::Dtls);
        let accepted = Association::accept(
            config,
            &certificate,
            datagram,
            cookie,
            now,
            &mut self.buffer,
            outlet,
        );
        let had_one = self.end(client, Ended::Replaced);
        let Ok(association) = accepted else {
            outlet.send(&hello.refusal(Alert::HandshakeFailure));
            self.terms.counts.ended(Ended::NotTurn);
            return had_one;
        };
        let mut random = [0; 32];
        random.copy_from_slice(hello.random);
        self.next_sweep.get_or_insert(now + SWEEP_EVERY);
        self.by_client.insert(
            client,
            Known {
                association,
                random,
                is_broken: false,
                without_allocation_since: Some(now),
                slot,
            },
        );
        had_one
    }

    /// Sends a message, in parts, to a client; false when it is lost.
    pub(crate) fn send(
        &mut self,
        client: Client,
        parts: &[&[u8]],
        send: impl FnMut(&[u8]),
    ) -> bool {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let Some(known) = self.by_client.get_mut(&client) else {
            return false;
        };
        if length > MAX_MESSAGE {
            return false;
        }
        self.message.clear();
        parts
            .iter()
            .for_each(|part| self.message.extend_from_slice(part));
        // None can have come since it was read out.
        let messages = &mut Messages::default();
        let mut outlet = Outlet { send, messages };
        let association = &mut known.association;
        let sent = association.send(&self.message, &mut self.buffer, &mut outlet);
        known.is_broken |= sent.is_err();
        sent.is_ok()
    }

    /// When [`Self::overdue`] is to be asked.
    pub(crate) fn next_sweep(&self) -> Option<Instant> {
        self.next_sweep
    }

    /// Starts a new round; tells whose associations have ended, if it is time to look, and sends again what was not
    /// answered.
    pub(crate) fn overdue(
        &mut self,
        now: Instant,
        mut has_allocation: impl FnMut(Client) -> bool,
        mut send: impl FnMut(Client, &[u8]),
    ) -> Vec<Client> {
        self.handshakes = 0;
        if self.next_sweep.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.next_sweep = (!self.by_client.is_empty()).then(|| now + SWEEP_EVERY);
        let (patience, mut ended) = (self.terms.patience, Vec::new());
        for (client, known) in &mut self.by_client {
            if ended.len() >= END_BUDGET {
                // The others have their turn soon.
                self.next_sweep = Some(now + END_PAUSE);
                break;
            }
            let mut outlet = Outlet {
                send: |datagram: &[u8]| send(*client, datagram),
                messages: &mut Messages::default(),
            };
            let association = &mut known.association;
            let handled = association.handle_timeout(now, &mut self.buffer, &mut outlet);
            let since = &mut known.without_allocation_since;
            *since = match has_allocation(*client) {
                true => None,
                false => Some(since.unwrap_or(now)),
            };
            let is_idle =
                since.is_some_and(|since| now.saturating_duration_since(since) > patience);
            if handled.is_err() || known.is_broken {
                ended.push((*client, Ended::NotTurn));
            } else if is_idle {
                association.close(&mut self.buffer, &mut outlet);
                ended.push((*client, Ended::Unauthenticated));
            }
        }
        ended
            .into_iter()
            .map(|(client, why)| {
                self.end(client, why);
                client
            })
            .collect()
    }

    /// Forgets an association; false when there is none.
    fn end(&mut self, client: Client, why: Ended) -> bool {
        let had_one = self.by_client.remove(&client).is_some();
        if had_one {
            self.terms.counts.ended(why);
        }
        had_one
    }

    /// The room for messages, to be given back.
    pub(crate) fn take_messages(&mut self) -> Messages {
        mem::take(&mut self.messages)
    }

    pub(crate) fn return_messages(&mut self, mut messages: Messages) {
        messages.clear();
        self.messages = messages;
    }
}

#[cfg(test)]
mod tests;
