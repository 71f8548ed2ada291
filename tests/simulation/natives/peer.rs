//! A native peer: the client's session and dialer as they are, and what its application has asked of them.

use std::collections::BTreeMap;

use client::{Config, Dialer, Keepsake, PeerId, RoomId, Session, Ticket};
use std::time::Duration;

use crate::node::{SECOND, Time, instant, time};

/// After how long a client gives up what it has said.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Peer {
    pub(super) session: Session,
    pub(super) dialer: Dialer,
    /// The room, and the id by its number.
    pub(super) room: usize,
    pub(super) key: usize,
    /// Takes ids of others.
    pub(super) is_thief: bool,
    /// Which session object this is: one that was loaded anew begins another life.
    pub(super) life: u64,
    /// What a receiver tells apart: another one after leaving, too.
    pub(super) stint: u64,
    /// The connection that is open or being opened.
    pub(super) line: Option<u64>,
    pub(super) is_open: bool,
    /// Since when the node has told on this connection who is in the room.
    pub(super) present_since: Option<Time>,
    /// No socket can be had before.
    pub(super) offline_until: Time,
    /// Whether the application wants it to be in the room.
    pub(super) wants: bool,
    /// Whether its life has ended, and when another one begins.
    pub(super) over: Option<Time>,
    pub(super) kept: Option<Keepsake>,
    pub(super) tickets: BTreeMap<Ticket, What>,
    /// How many tickets were given, which requests are named after.
    pub(super) issued: u64,
    pub(super) wake_at: Option<Time>,
    pub(super) last_node: Option<usize>,
}

/// What a ticket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Announce,
    /// The number of a message.
    Said(usize),
    /// The number of a request.
    Asked(usize),
}

pub(super) fn peer_id(key: usize) -> PeerId {
    PeerId::new(format!("v{key}")).unwrap()
}

/// The number of an id.
pub(super) fn key_of(peer: &PeerId) -> usize {
    peer.as_str()[1..].parse().unwrap()
}

pub(super) fn room_id(room: usize) -> RoomId {
    RoomId::new(format!("v{room}")).unwrap()
}

impl Peer {
    pub(super) fn new(room: usize, key: usize, is_thief: bool) -> Self {
        Self {
            session: session(room, key, 0, None),
            dialer: Dialer::new(1, instant(0), 0.0),
            room,
            key,
            is_thief,
            life: 0,
            stint: 0,
            line: None,
            is_open: false,
            present_since: None,
            offline_until: 0,
            wants: false,
            over: Some(0),
            kept: None,
            tickets: BTreeMap::new(),
            issued: 0,
            wake_at: None,
            last_node: None,
        }
    }

    /// Begins another life, of the peer that it was if it has kept what that takes.
    pub(super) fn begin(&mut self, life: u64, at: Time) {
        let kept = self.kept.take();
        self.session = session(self.room, self.key, life, kept);
        self.dialer = Dialer::new(1, instant(at), 0.0);
        self.life = life;
        self.stint = life;
        self.line = None;
        self.is_open = false;
        self.present_since = None;
        self.wants = false;
        self.over = None;
        self.tickets.clear();
        self.issued = 0;
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.is_some()
    }

    /// Whether all that was asked has come to something, and it is where it wants to be.
    pub(super) fn is_at_rest(&self, at: Time) -> bool {
        match self.over {
            Some(next) => self.is_thief || next == Time::MAX || next + 2 * SECOND < at,
            None => {
                let is_there = self.is_open && self.session.is_present();
                self.tickets.is_empty() && (!self.wants || is_there) && !self.is_thief
            }
        }
    }

    /// When something is to be done if nothing happens before.
    pub(super) fn deadline(&self) -> Option<Time> {
        let all = [self.session.poll_timeout(), self.dialer.poll_timeout()];
        let next = all.into_iter().flatten().min()?;
        (!self.is_over()).then(|| time(next))
    }
}

fn session(room: usize, key: usize, life: u64, resume: Option<Keepsake>) -> Session {
    Session::new(Config {
        room: room_id(room),
        peer: Some(peer_id(key)),
        token: None,
        resume,
        patience: PATIENCE,
        seed: u128::from(life),
    })
}

/// What a client calls the request with its ticket of this number.
pub(super) fn request_name(life: u64, ticket: u64) -> String {
    format!("{life:032x}-{ticket}")
}
