use std::{collections::BTreeSet, mem, time::Instant};

use relay::{AllocationId, Close, Moved, Open, Output, Page, Protocol, Transport};
use stun::{
    attributes::{ATTR_MESSAGE_INTEGRITY, ATTR_MESSAGE_INTEGRITY_SHA256},
    message::Message,
};

use super::{Opening, Place, World};
use crate::{
    places::{is_same, transport},
    settings::WITHOUT_DISCOVERY,
};

/// Most outputs that one input may have.
const MAX_OUTPUTS: usize = 80;

/// Longest answer, so that it is one packet.
const MAX_ANSWER_BYTES: usize = 1500;

/// Most that RFC 5780's PADDING makes it longer, so that it is more than one.
const MAX_PADDING_BYTES: usize = 1504;

/// What an input had the relay wish for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wished {
    sockets: usize,
    connects: usize,
    binds: usize,
}

impl Wished {
    pub(super) fn is_one_request(self) -> bool {
        matches!(
            (self.sockets, self.connects, self.binds),
            (1 | 2, 0, 0) | (0, 1, 0) | (0, 0, 1)
        )
    }

    pub(super) fn are_none(self) {
        assert_eq!(self, Self::default());
    }
}

impl World {
    /// Carries out what is asked for, but leaves wishes open.
    pub(super) fn carry_out(&mut self, thread: usize) -> Wished {
        let (mut outputs, mut wished) = (0, Wished::default());
        while let Some(output) = self.relays[thread].poll_output() {
            outputs += 1;
            assert!(outputs <= MAX_OUTPUTS, "outputs without end");
            match output {
                Output::Open(open) => {
                    wished.sockets += 1;
                    self.check_user(thread, &open.user);
                    self.begin_to_open(thread, open);
                }
                Output::Connect(connect) => {
                    wished.connects += 1;
                    self.check_user(thread, &connect.user);
                    self.begin_to_connect(thread, connect);
                }
                Output::Bind(bind) => {
                    wished.binds += 1;
                    self.check_user(thread, &bind.user);
                    self.begin_to_bind(thread, bind);
                }
                Output::Moved(moved) => self.follow(thread, &moved),
                Output::Close(close) => self.close(thread, &close),
            }
        }
        wished
    }

    fn begin_to_open(&mut self, thread: usize, open: Open) {
        let place = Place {
            thread,
            allocation: open.allocation,
            family: open.family,
        };
        assert!(self.seen.insert(place), "an id used again");
        let is_stream = transport(open.client).is_stream();
        assert!(open.protocol == Protocol::Udp || is_stream);
        self.know(open.client);
        self.opening.push(Opening {
            place,
            open,
            is_given_up: false,
        });
    }

    fn follow(&mut self, thread: usize, moved: &Moved) {
        let place = (thread, moved.allocation);
        let sockets = self.sockets.iter_mut();
        let own = sockets.filter(|(other, _)| (other.thread, other.allocation) == place);
        let mut moved_from = own.map(|(_, socket)| {
            assert_eq!(socket.user, moved.user);
            mem::replace(&mut socket.client, moved.to)
        });
        let first = moved_from.next().expect("moved, but not open");
        assert!(first == moved.from && moved_from.all(|from| from == first));
        assert!(!is_same(moved.from, moved.to));
        assert_eq!(transport(moved.from), Transport::Udp);
        assert_eq!(transport(moved.to), Transport::Udp);
        let expected = self.expected.remove(&place).expect("where it moves to");
        assert!(is_same(expected, moved.to));
    }

    fn close(&mut self, thread: usize, close: &Close) {
        let place = Place {
            thread,
            allocation: close.allocation,
            family: close.family,
        };
        let socket = self.sockets.remove(&place).expect("closed, but not open");
        assert_eq!(close.client, socket.client);
        assert_eq!(close.user, socket.user);
        assert_eq!(close.relayed.port(), socket.port);
        self.waiting.retain(|_, (from, _)| *from != place);
        let is_last = self.sockets_of(thread, place.allocation).next().is_none();
        if is_last {
            self.expected.remove(&(thread, place.allocation));
        }
    }

    /// What holds between inputs, whatever they were.
    pub(super) fn check(&mut self, thread: usize) {
        let now = self.now.monotonic;
        let open = self.sockets.keys();
        let opening = self.opening.iter().filter(|opening| !opening.is_given_up);
        let places = open.chain(opening.map(|opening| &opening.place));
        let own = places.filter(|place| place.thread == thread);
        let allocations: BTreeSet<AllocationId> = own.map(|place| place.allocation).collect();
        let relay = &self.relays[thread];
        assert_eq!(relay.allocations(), allocations.len());
        self.most[thread] = self.most[thread].max(allocations.len());
        self.check_list(thread, now);
        for client in &self.known {
            if let Some(id) = relay.allocation_of(*client, now) {
                let place = (thread, id);
                let mut own = self.sockets_of(thread, id);
                let is_own = own.any(|(_, socket)| is_same(socket.client, *client));
                let mut opening = self.opening.iter();
                let is_opening = opening.any(|opening| {
                    let other = opening.place;
                    (other.thread, other.allocation) == place
                        && is_same(opening.open.client, *client)
                });
                let expected = self.expected.get(&place);
                let is_next = expected.is_some_and(|next| is_same(*next, *client));
                assert!(is_own || is_opening || is_next, "{client:?} has another's");
            }
        }
    }

    /// An operator sees what is there, and clients reach what an operator sees.
    fn check_list(&self, thread: usize, now: Instant) {
        let relay = &self.relays[thread];
        let page = Page {
            limit: usize::MAX,
            ..Page::default()
        };
        for listed in relay.list(page, now) {
            let allocation = listed.allocation;
            let own = self.sockets_of(thread, allocation);
            let ports: Vec<u16> = own
                .map(|(_, socket)| {
                    assert_eq!(socket.client, listed.client);
                    assert_eq!(socket.user, listed.user);
                    socket.port
                })
                .collect();
            let mut relayed = listed.relayed.iter();
            assert!(relayed.all(|relayed| ports.contains(&relayed.port())));
            let is_reached = relay.allocation_of(listed.client, now) == Some(allocation);
            assert!(is_reached, "a client that is lost");
        }
    }

    pub(super) fn check_answer(&self, verified: bool) -> Message {
        let bytes = self.relays[self.answering].answer();
        let padding = match self.settings[1] & WITHOUT_DISCOVERY {
            0 => MAX_PADDING_BYTES,
            _ => 0,
        };
        assert!(bytes.len() <= MAX_ANSWER_BYTES + padding, "{}", bytes.len());
        let mut message = Message::new();
        message.write(bytes).expect("a STUN message");
        assert_eq!(bytes.len(), 20 + message.length as usize);
        let signed = message.contains(ATTR_MESSAGE_INTEGRITY)
            || message.contains(ATTR_MESSAGE_INTEGRITY_SHA256);
        assert_eq!(signed, verified);
        message
    }
}
