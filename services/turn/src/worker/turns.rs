use std::collections::{HashSet, VecDeque};

use mio::Token;

/// Sockets that were not read to their end, in the order in which they have their next turn. The kernel reports a
/// socket once, so that who leaves one before its end must come back by itself.
#[derive(Debug, Default)]
pub(super) struct Turns {
    waiting: VecDeque<Token>,
    /// The same as a set.
    is_waiting: HashSet<Token>,
}

impl Turns {
    /// Gives the socket a turn after the others.
    pub(super) fn add(&mut self, token: Token) {
        if self.is_waiting.insert(token) {
            self.waiting.push_back(token);
        }
    }

    /// Whose turn it is.
    pub(super) fn next(&mut self) -> Option<Token> {
        let token = self.waiting.pop_front()?;
        self.is_waiting.remove(&token);
        Some(token)
    }

    pub(super) fn contains(&self, token: Token) -> bool {
        self.is_waiting.contains(&token)
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}
