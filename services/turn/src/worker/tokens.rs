//! Which token of the poll is whose: from 0 on the listeners of datagrams, by number; from [`RELAY_SOCKETS`] on the
//! relay sockets, by their place in the table; and the waker.

use mio::Token;

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
    Waker,
}

pub(super) fn relay_socket(place: usize) -> Token {
    Token(RELAY_SOCKETS + place)
}

pub(super) fn source(token: Token) -> Source {
    match token {
        WAKER => Source::Waker,
        Token(number) if number < RELAY_SOCKETS => Source::Listener(number),
        Token(number) => Source::RelaySocket(number - RELAY_SOCKETS),
    }
}
