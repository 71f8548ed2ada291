//! What an operator does, and what connections do that end.

use relay::{Client, Drain, UserId};

use super::{Place, World};
use crate::{
    USERS,
    places::{thread, transport},
    settings::{INTERNAL, config},
};

impl World {
    /// Has both relays serve by another configuration, of which one byte is replaced.
    pub fn configure(&mut self, byte: usize, value: u8) {
        self.settings[byte] = value;
        self.is_open_inside |= self.settings[1] & INTERNAL != 0;
        for thread in [0, 1] {
            let config = config(self.settings, &mut self.challenges);
            self.relays[thread].handle_config(config);
            self.carry_out(thread).are_none();
            self.check(thread);
        }
    }

    pub fn drain(&mut self, drain: Option<&Drain>) {
        for thread in [0, 1] {
            self.relays[thread].handle_drain(drain.cloned());
            self.carry_out(thread).are_none();
            self.check(thread);
        }
    }

    /// Puts a user out until `seconds` from now.
    pub fn kick(&mut self, user: u8, seconds: u64) {
        let user = USERS[usize::from(user) % USERS.len()];
        let until = self.now.unix + seconds;
        let longest = self.kicked.entry(user).or_default();
        *longest = until.max(*longest);
        for thread in [0, 1] {
            let theirs = self.sockets_of_user(thread, user);
            let ended = self.relays[thread].handle_kick(user, until, self.now);
            self.carry_out(thread).are_none();
            assert_eq!(self.sockets_of_user(thread, user), 0);
            assert!(ended <= theirs && theirs <= 2 * ended);
            self.check(thread);
        }
    }

    /// Who was put out asks for nothing that is granted, unless there were too many to remember.
    pub(super) fn check_user(&self, thread: usize, user: &UserId) {
        let until = self.kicked.get(user.as_str()).copied().unwrap_or_default();
        let is_forgotten = self.relays[thread].kicks_forgotten() > 0;
        assert!(is_forgotten || until < self.now.unix, "{user:?} is put out");
    }

    /// But for those of allocations that wait for another one: they are granted yet.
    fn sockets_of_user(&self, thread: usize, user: &str) -> usize {
        let sockets = self.sockets.iter();
        let theirs = sockets.filter(|(place, socket)| {
            place.thread == thread && socket.user.as_str() == user && !self.is_opening(**place)
        });
        theirs.count()
    }

    /// Whether an Allocate waits, perhaps for another socket than this one.
    fn is_opening(&self, place: Place) -> bool {
        let mut opening = self.opening.iter().map(|opening| opening.place);
        opening.any(|other| (other.thread, other.allocation) == (place.thread, place.allocation))
    }

    /// Ends one allocation, of the socket at `index`, or of one that waits.
    pub fn end_one(&mut self, index: u8, is_waiting: bool) {
        let place = match is_waiting {
            true => self.opening.get(usize::from(index)).map(|open| open.place),
            false => self.sockets.keys().nth(index.into()).copied(),
        };
        let Some(place) = place else {
            return;
        };
        let is_open = !self.is_opening(place);
        let before = self.sockets.len();
        let was_there = self.relays[place.thread].handle_end(place.allocation);
        self.carry_out(place.thread).are_none();
        assert_eq!(was_there, is_open);
        assert_eq!(self.sockets.len() < before, is_open);
        assert_eq!(self.sockets.contains_key(&place), !is_waiting && !is_open);
        self.check(place.thread);
    }

    /// The stream that a client came by, or its association of DTLS, is over.
    pub fn disconnect(&mut self, client: Client) {
        if !transport(client).proves_source() {
            return;
        }
        let thread = thread(client);
        let relay = &mut self.relays[thread];
        let id = relay.allocation_of(client, self.now.monotonic);
        relay.handle_disconnected(client);
        for opening in &mut self.opening {
            let place = opening.place;
            if place.thread == thread && Some(place.allocation) == id {
                opening.is_given_up = true;
            }
        }
        self.carry_out(thread).are_none();
        let is_left = id.is_some_and(|id| self.sockets_of(thread, id).next().is_some());
        assert!(!is_left, "it has outlived its stream");
        let relay = &self.relays[thread];
        assert!(!relay.has_allocation(client, self.now.monotonic));
        self.check(thread);
    }
}
