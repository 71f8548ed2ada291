use std::time::Instant;

use relay::{Client, Home, Moved};

use super::{Worker, time};
use crate::moves::{Message, Note, QUEUE};

/// The way of messages whose client's allocation is with another thread.
impl Worker {
    /// A client has moved here with an allocation of another thread's.
    pub(super) fn enter(&mut self, client: Client, home: Home, message: &[u8], now: Instant) {
        let has_room = self.moves.enter(client, home, message, now);
        self.count_lost(!has_room);
    }

    pub(super) fn hand_on(&mut self, client: Client, home: Home, message: &[u8]) {
        let has_room = self.moves.hand_on(client, home, message);
        self.count_lost(!has_room);
    }

    /// Handles what other threads have handed on, as much as there may be at a time; more wakes this thread again.
    pub(super) fn receive_moved(&mut self) {
        for _ in 0..QUEUE {
            match self.moves.next() {
                Some(Note::Message(message)) => self.receive_from_thread(message),
                Some(Note::Back(message)) => {
                    let client = message.client;
                    self.handle_client(client, &message.bytes, time());
                }
                Some(Note::Over(_) | Note::Left(..)) => {}
                None => return,
            }
        }
    }

    /// What is for no allocation of this thread's goes back: the client may want one where it comes to.
    fn receive_from_thread(&mut self, message: Message) {
        let (client, now) = (message.client, time());
        let allocation = Some(message.home.allocation);
        let is_here =
            |worker: &Self| worker.relay.allocation_of(client, now.monotonic) == allocation;
        if !message.is_first && !is_here(self) {
            let has_room = self.moves.give_back(message);
            self.count_lost(!has_room);
            return;
        }
        // A ticket for here is for nowhere else.
        let _ = self.handle_here(client, &message.bytes, now);
        if is_here(self) {
            self.moves.is_abroad(&message);
        } else {
            self.moves.refused(&message);
        }
    }

    fn count_lost(&self, is_lost: bool) {
        self.counters.not_handed_on.add(u64::from(is_lost));
    }

    /// An allocation's client is elsewhere now: so is what was charged for it.
    pub(super) fn follow(&mut self, moved: &Moved, now: Instant) {
        self.sending
            .opened
            .follow(moved.allocation, moved.to.address.ip());
        self.counters.moved.add(1);
        self.audit.moved(moved, now);
    }
}
