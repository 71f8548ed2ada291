use std::{io, mem};

use relay::{Action, Client, Home, ListenerId, Time};

use super::{Worker, receiver::Receiver, time, tokens::Source};

/// Datagrams of a listener's, coalesced or not, after which the others have their turn: all clients' packets come
/// there. A relay socket is asked once for all that there is room for.
const LISTENER_DATAGRAMS: usize = 512;

/// Errors in a row after which a socket is given up for now: what concerns single packets is over by then.
const MAX_ERRORS: usize = 8;

/// The way of datagrams, from listeners to relay sockets and back, up to where they wait to be sent.
impl Worker {
    /// Reads a socket of datagrams to its end, or as much as is its turn; tells whether there may be more.
    ///
    /// # Errors
    /// When a listener gives nothing but errors: its clients must not wait for a thread that hears none of them.
    /// A relay socket that does is left alone until the kernel reports it again.
    pub(super) fn read_datagrams(&mut self, source: Source) -> io::Result<bool> {
        let mut receiver = mem::take(&mut self.receiver);
        let has_more = self.read_into(&mut receiver, source);
        self.receiver = receiver;
        has_more
    }

    fn read_into(&mut self, receiver: &mut Receiver, source: Source) -> io::Result<bool> {
        let (mut datagrams, mut errors) = (0, 0);
        let budget = match matches!(source, Source::Listener(_)) {
            true => LISTENER_DATAGRAMS,
            false => 1,
        };
        while datagrams < budget {
            let read = match source {
                Source::Listener(number) => self.read_clients(receiver, number),
                Source::RelaySocket(place) => self.read_peers(receiver, place),
                Source::StreamListener(_)
                | Source::Stream(_)
                | Source::Pipe(_)
                | Source::PeerListener(_)
                | Source::Connecting(_)
                | Source::Waker => Ok((0, false)),
            };
            match read {
                Ok((count, true)) => (datagrams, errors) = (datagrams + count, 0),
                Ok((_, false)) => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                // An earlier packet's ICMP error, or a signal: of no concern to the next packet.
                Err(error) if errors < MAX_ERRORS => {
                    errors += 1;
                    tracing::trace!(%error, "while receiving");
                }
                Err(error) if matches!(source, Source::Listener(_)) => return Err(error),
                Err(error) => {
                    tracing::debug!(%error, "a relay socket cannot be read");
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Tells how many datagrams were read, and whether there may be more; so does [`Self::read_peers`].
    fn read_clients(
        &mut self,
        receiver: &mut Receiver,
        number: usize,
    ) -> io::Result<(usize, bool)> {
        let Some(socket) = self.sending.listeners.get(number) else {
            return Ok((0, false));
        };
        let (count, has_more) = receiver.receive(&self.sending.offload.state, socket)?;
        let now = time();
        let listener = ListenerId(u16::try_from(number).unwrap_or(u16::MAX));
        let (is_dtls, mut read) = (self.dtls.serve(listener), 0);
        for at in 0..count {
            let (source, datagrams) = receiver.datagrams(at);
            let client = Client {
                listener,
                address: source,
            };
            for datagram in datagrams {
                match is_dtls {
                    true => self.decrypt(client, datagram, now),
                    false => self.handle_client(client, datagram, now),
                }
                read += 1;
            }
        }
        Ok((read, has_more))
    }

    /// A message of a client's, however it came.
    pub(super) fn handle_client(&mut self, client: Client, datagram: &[u8], now: Time) {
        if let Some(home) = self.moves.home_of(client, now.monotonic) {
            self.hand_on(client, home, datagram);
        } else if let Some(home) = self.handle_here(client, datagram, now) {
            self.enter(client, home, datagram, now.monotonic);
        }
    }

    /// Has this thread's relay handle it; tells where its allocation is, if that is not here.
    pub(super) fn handle_here(
        &mut self,
        client: Client,
        message: &[u8],
        now: Time,
    ) -> Option<Home> {
        let (listener, source) = (client.listener, client.address);
        let mut home = None;
        match self.relay.handle_client(listener, source, message, now) {
            Action::ToPeer(to) => self.sending.send_to_peer(&to, to.data(message)),
            Action::Elsewhere(there) => home = Some(there),
            action @ (Action::ToClient(_)
            | Action::Answer(_)
            | Action::Indication(_)
            | Action::Dropped(_)
            | Action::Pending) => self.act(action),
        }
        self.carry_out(now.monotonic);
        home
    }

    fn read_peers(&mut self, receiver: &mut Receiver, place: usize) -> io::Result<(usize, bool)> {
        let Some(opened) = self.sending.opened.at(place) else {
            return Ok((0, false));
        };
        let allocation = opened.allocation;
        let (count, has_more) = receiver.receive(&self.sending.offload.state, &opened.socket)?;
        let now = time().monotonic;
        let mut read = 0;
        for at in 0..count {
            let (source, datagrams) = receiver.datagrams(at);
            for datagram in datagrams {
                let action = self.relay.handle_peer(allocation, source, datagram, now);
                match action {
                    Action::ToClient(to) => self.relay_to_client(&to, datagram),
                    Action::ToPeer(_)
                    | Action::Answer(_)
                    | Action::Indication(_)
                    | Action::Elsewhere(_)
                    | Action::Dropped(_)
                    | Action::Pending => self.act(action),
                }
                read += 1;
            }
        }
        Ok((read, has_more))
    }
}
