//! Which token of the poll is whose: from 0 on the listeners of datagrams, by number; from [`RELAY_SOCKETS`] on the
//! relay sockets, by their place in the table; far above, what there is of connections; and the waker.

use mio::Token;

use crate::{
    peers::{self, FIRST_CONNECTING_TOKEN},
    streams::{FIRST_CONNECTION_TOKEN, FIRST_LISTENER_TOKEN, FIRST_PIPE_TOKEN},
};

/// Ends the sleep when the worker is to end.
pub(super) const WAKER: Token = Token(usize::MAX);

/// First token of relay sockets: a process has fewer listeners.
const RELAY_SOCKETS: usize = 1 << 16;

/// What a token stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A listener of datagrams.
    Listener(usize),
    /// The place of a relay socket.
    RelaySocket(usize),
    /// A listener of streams, counted from the first of them.
    StreamListener(usize),
    /// The place of a connection.
    Stream(usize),
    /// The place of a connection that carries the data of a peer's, which this is.
    Pipe(usize),
    /// A socket that takes connections of peers.
    PeerListener(usize),
    /// A connection with a peer that is being made.
    Connecting(usize),
    Waker,
}

pub(super) fn relay_socket(place: usize) -> Token {
    Token(RELAY_SOCKETS + place)
}

pub(super) fn stream(place: usize) -> Token {
    Token(FIRST_CONNECTION_TOKEN + place)
}

pub(super) fn source(token: Token) -> Source {
    match token {
        WAKER => Source::Waker,
        Token(number) if number < RELAY_SOCKETS => Source::Listener(number),
        Token(number) if number < FIRST_CONNECTING_TOKEN => {
            Source::RelaySocket(number - RELAY_SOCKETS)
        }
        Token(number) if number < peers::FIRST_LISTENER_TOKEN => {
            Source::Connecting(number - FIRST_CONNECTING_TOKEN)
        }
        Token(number) if number < FIRST_PIPE_TOKEN => {
            Source::PeerListener(number - peers::FIRST_LISTENER_TOKEN)
        }
        Token(number) if number < FIRST_LISTENER_TOKEN => Source::Pipe(number - FIRST_PIPE_TOKEN),
        Token(number) if number < FIRST_CONNECTION_TOKEN => {
            Source::StreamListener(number - FIRST_LISTENER_TOKEN)
        }
        Token(number) => Source::Stream(number - FIRST_CONNECTION_TOKEN),
    }
}
