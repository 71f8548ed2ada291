use std::{net::IpAddr, time::Duration};

use relay::{Client, ListenerId, Refusal};
use stun::message::METHOD_ALLOCATE;

use super::World;
use crate::messages::{add_transport, request};

impl World {
    /// Lets everything expire and answers what waits, too late or not, and checks that nothing is left.
    pub fn end(mut self) {
        while !self.opening.is_empty() {
            self.answer_open(0, Some(Refusal::InsufficientCapacity));
        }
        self.wait(Duration::from_secs(24 * 60 * 60));
        while self
            .relays
            .iter()
            .any(|relay| relay.poll_timeout().is_some())
        {
            let before = self.sockets.len();
            self.handle_timeout();
            assert!(self.sockets.len() < before, "a timeout that ends nothing");
        }
        assert!(self.sockets.is_empty() && self.waiting.is_empty() && self.expected.is_empty());
        while !self.connecting.is_empty() {
            self.answer_connect(0, None);
        }
        while !self.binding.is_empty() {
            self.answer_bind(0, false);
        }
        assert_eq!(self.allocations(), 0);
        self.take_places_again();
    }

    /// Nobody who has had an allocation has another's, when all places of those that ended are taken again: their
    /// 5-tuples were forgotten.
    fn take_places_again(&mut self) {
        self.drain(None);
        self.configure(0, 0);
        self.configure(1, 0);
        for thread in [0, 1] {
            for number in 0..self.most[thread] {
                let port = 20_000 + 2 * number + thread;
                let client = Client {
                    listener: ListenerId(0),
                    address: ([192, 0, 2, 99], port as u16).into(),
                };
                let mut allocate = request(METHOD_ALLOCATE, 1);
                add_transport(&mut allocate);
                assert!(self.ask(client, 0, allocate));
            }
        }
        for client in &self.known {
            let now = self.now.monotonic;
            let mut relays = self.relays.iter();
            let is_own = client.address.ip() == IpAddr::from([192, 0, 2, 99]);
            assert!(is_own || relays.all(|relay| !relay.has_allocation(*client, now)));
        }
    }
}
