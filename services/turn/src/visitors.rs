use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use relay::{Client, Home};

/// Clients that may be known at a time. Whom there is no room for cannot take its allocation along.
const MAX: usize = 16_384;

/// No allocation lasts longer without a word from its client: RFC 8656 §7.2 has an hour as the longest lifetime.
const IDLE: Duration = Duration::from_secs(3600);

/// Between two searches for those who are gone.
const SEARCH: Duration = Duration::from_secs(1);

/// Clients whose packets come to this thread, and whose allocations are at home with others.
///
/// Of one allocation there are two at most, as it has two 5-tuples at most while it moves: nobody can fill the table
/// by moving to and fro.
#[derive(Debug, Default)]
pub(crate) struct Visitors {
    by_client: HashMap<Client, Visit>,
    by_home: HashMap<Home, [Option<Client>; 2]>,
    searched: Option<Instant>,
}

#[derive(Debug)]
struct Visit {
    home: Home,
    /// When it last sent something.
    last: Instant,
}

impl Visitors {
    /// Where the client's allocation is, if not here.
    #[inline]
    pub(crate) fn home_of(&mut self, client: Client, now: Instant) -> Option<Home> {
        if self.by_client.is_empty() {
            return None;
        }
        let visit = self.by_client.get_mut(&client)?;
        visit.last = now;
        Some(visit.home)
    }

    /// Remembers a client; tells whether there was room. The one of the same allocation that was silent for longest
    /// goes for it.
    pub(crate) fn enter(&mut self, client: Client, home: Home, now: Instant) -> bool {
        self.forget(client);
        if !self.has_room(now) {
            return false;
        }
        let of_home = self.by_home.entry(home).or_default();
        let last = |place: &Option<Client>| {
            let visit = place.and_then(|client| self.by_client.get(&client));
            visit.map(|visit| visit.last)
        };
        let place = of_home.iter_mut().min_by_key(|place| last(place));
        if let Some(place) = place
            && let Some(longest) = place.replace(client)
        {
            self.by_client.remove(&longest);
        }
        self.by_client.insert(client, Visit { home, last: now });
        true
    }

    /// The allocation is over.
    pub(crate) fn end(&mut self, home: Home) {
        for client in self.by_home.remove(&home).into_iter().flatten().flatten() {
            self.by_client.remove(&client);
        }
    }

    /// The client is not at home there any more.
    pub(crate) fn leave(&mut self, client: Client, home: Home) {
        let visit = self.by_client.get(&client);
        if visit.is_some_and(|visit| visit.home == home) {
            self.forget(client);
        }
    }

    fn forget(&mut self, client: Client) {
        let Some(visit) = self.by_client.remove(&client) else {
            return;
        };
        if let Some(places) = self.by_home.get_mut(&visit.home) {
            for place in places.iter_mut().filter(|place| **place == Some(client)) {
                *place = None;
            }
            if places.iter().all(Option::is_none) {
                self.by_home.remove(&visit.home);
            }
        }
    }

    fn has_room(&mut self, now: Instant) -> bool {
        let is_due = |at: Instant| now.saturating_duration_since(at) >= SEARCH;
        if self.by_client.len() >= MAX && self.searched.is_none_or(is_due) {
            self.searched = Some(now);
            let is_gone = |visit: &Visit| now.saturating_duration_since(visit.last) > IDLE;
            let gone = self.by_client.iter().filter(|(_, visit)| is_gone(visit));
            let gone: Vec<Client> = gone.map(|(client, _)| *client).collect();
            for client in gone {
                self.forget(client);
            }
        }
        self.by_client.len() < MAX
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use relay::{AllocationId, ListenerId};

    use super::*;

    fn client(number: u32) -> Client {
        Client {
            listener: ListenerId(0),
            address: (Ipv4Addr::from_bits(number), 4000).into(),
        }
    }

    fn home(number: u64) -> Home {
        Home {
            thread: 1,
            allocation: AllocationId::from_bits(number),
        }
    }

    fn is_empty(visitors: &Visitors) -> bool {
        visitors.by_client.is_empty() && visitors.by_home.is_empty()
    }

    #[test]
    fn a_client_is_at_home_elsewhere_until_its_allocation_is_over() {
        let (mut visitors, now) = (Visitors::default(), Instant::now());
        assert!(visitors.enter(client(1), home(1), now));
        assert!(visitors.enter(client(2), home(2), now));
        assert_eq!(visitors.home_of(client(1), now), Some(home(1)));
        assert_eq!(visitors.home_of(client(3), now), None);
        visitors.end(home(1));
        visitors.end(home(1));
        assert_eq!(visitors.home_of(client(1), now), None);
        assert_eq!(visitors.home_of(client(2), now), Some(home(2)));
        visitors.leave(client(2), home(1));
        assert_eq!(visitors.home_of(client(2), now), Some(home(2)));
        // It moves with another allocation.
        assert!(visitors.enter(client(2), home(3), now));
        visitors.end(home(2));
        assert_eq!(visitors.home_of(client(2), now), Some(home(3)));
        visitors.leave(client(2), home(3));
        assert!(is_empty(&visitors));
    }

    #[test]
    fn of_one_allocation_the_two_5_tuples_are_known_that_were_used_last() {
        let (mut visitors, start) = (Visitors::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for number in 1..=2 {
            assert!(visitors.enter(client(number), home(1), at(number.into())));
        }
        visitors.home_of(client(1), at(3));
        assert!(visitors.enter(client(3), home(1), at(4)));
        assert_eq!(visitors.home_of(client(2), at(5)), None);
        for number in [1, 3] {
            assert_eq!(visitors.home_of(client(number), at(5)), Some(home(1)));
        }
        // Again, and nobody goes.
        assert!(visitors.enter(client(3), home(1), at(6)));
        assert_eq!(visitors.home_of(client(1), at(7)), Some(home(1)));
        visitors.end(home(1));
        assert!(is_empty(&visitors));
    }

    #[test]
    fn when_there_is_no_room_those_are_looked_for_who_are_gone() {
        let (mut visitors, start) = (Visitors::default(), Instant::now());
        let most = u32::try_from(MAX).unwrap();
        let enter = |visitors: &mut Visitors, number: u32, at| {
            visitors.enter(client(number), home(number.into()), at)
        };
        for number in 0..most {
            assert!(enter(&mut visitors, number, start));
        }
        assert!(!enter(&mut visitors, most, start));
        // One that is known needs no room.
        assert!(enter(&mut visitors, 7, start));
        let later = start + IDLE + Duration::from_secs(1);
        visitors.home_of(client(8), later);
        assert!(enter(&mut visitors, most, later));
        assert_eq!(visitors.by_client.len(), 2);
        assert_eq!(visitors.by_home.len(), 2);
    }
}
