//! What was seen of a run.

use protocol::ServerMessage;

use super::World;
use crate::{clients::words, oracle::clock};

impl World {
    /// Makes the hash another one.
    pub(super) fn stir(&mut self, word: u64) {
        self.hash = (self.hash ^ word)
            .wrapping_mul(0x0000_0100_0000_01B3)
            .rotate_left(23);
    }

    pub(crate) fn hash_message(&mut self, connection: u64, message: &ServerMessage) {
        let (kind, peer, text) = words(message);
        self.stir(connection);
        self.stir(u64::from(kind));
        for byte in peer.bytes().chain(text.bytes()) {
            self.stir(u64::from(byte));
        }
    }

    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        if self.plan.traced {
            self.trace
                .push_back(format!("{} {}", clock(self.now), what()));
        }
    }
}
