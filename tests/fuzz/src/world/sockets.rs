use std::net::SocketAddr;

use relay::{Action, Bound, Family, Port, Refusal, ReservationToken};

use super::{Opening, Socket, World};

impl World {
    /// Answers the wish for a socket that stands at `index`.
    pub fn answer_open(&mut self, index: u8, mut refusal: Option<Refusal>) {
        let Some(index) = usize::from(index).checked_rem(self.opening.len()) else {
            return;
        };
        let Opening {
            place,
            open,
            is_given_up,
        } = self.opening.remove(index);
        if matches!(open.port, Port::Reserved(token) if self.token != Some(token)) {
            refusal = Some(Refusal::InsufficientCapacity);
        }
        let socket = match refusal {
            Some(refusal) => Err(refusal),
            None => Ok(self.bind(place.family, open.port)),
        };
        if let (Ok(bound), false) = (socket, is_given_up) {
            let socket = Socket {
                client: open.client,
                user: open.user,
                protocol: open.protocol,
                port: bound.address.port(),
            };
            self.sockets.insert(place, socket);
        }
        self.answering = place.thread;
        let relay = &mut self.relays[place.thread];
        let now = self.now.monotonic;
        let action = relay.handle_opened(place.allocation, place.family, socket, now);
        self.carry_out(place.thread).are_none();
        let is_same = |other: &Opening| {
            (other.place.thread, other.place.allocation) == (place.thread, place.allocation)
        };
        let is_other_wanted = self.opening.iter().any(is_same);
        match action {
            // It is closed by who opened it.
            Action::Dropped(_) if is_given_up => {}
            Action::Pending if is_other_wanted && !is_given_up => {}
            Action::Answer(answer) if !is_other_wanted && !is_given_up => {
                assert_eq!(answer.client, open.client);
                let own = self.sockets_of(place.thread, place.allocation).next();
                let is_open = own.is_some();
                assert_eq!(answer.error.is_none(), is_open);
                let message = self.check_answer(true);
                self.keep_ticket(&message);
            }
            action => panic!("{action:?}"),
        }
        self.check(place.thread);
    }

    /// Answers for a socket that nobody waits for.
    pub fn answer_again(&mut self, index: u8, refusal: Option<Refusal>) {
        let is_waiting = |place| self.opening.iter().any(|opening| opening.place == place);
        let mut settled = self.seen.iter().filter(|place| !is_waiting(**place));
        let Some(place) = settled.nth(index.into()).copied() else {
            return;
        };
        let socket = refusal.map_or_else(|| Ok(self.bind(place.family, Port::Any)), Err);
        let relay = &mut self.relays[place.thread];
        let now = self.now.monotonic;
        let action = relay.handle_opened(place.allocation, place.family, socket, now);
        self.carry_out(place.thread).are_none();
        assert!(matches!(action, Action::Dropped(_)), "{action:?}");
        self.check(place.thread);
    }

    /// A socket at a port of its own; a token is good for the last port that was reserved.
    fn bind(&mut self, family: Family, port: Port) -> Bound {
        self.next_port = self.next_port.wrapping_add(1);
        let address: SocketAddr = match family {
            Family::V4 => ([198, 51, 100, 1], self.next_port).into(),
            Family::V6 => ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], self.next_port).into(),
        };
        let mut bound = Bound::from(address);
        if port == Port::EvenAndNext {
            self.token = Some(ReservationToken::new(self.next_port.into(), family));
            bound.reserved = self.token;
        }
        bound
    }
}
