use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
};

use proptest::{collection::vec, prelude::*, sample::Index};
use relay::RESERVATION_LIFETIME;

use super::*;
use crate::relay_sockets::udp;

const USERS: [&str; 2] = ["ann", "bob"];
const USER_LIMIT: usize = 4;
const TOTAL_LIMIT: usize = 6;

/// Few, so that they run out.
const PORTS: std::ops::RangeInclusive<u16> = 21_001..=21_007;

#[derive(Clone, Debug)]
enum Step {
    Open { user: usize, port: Wanted },
    Close(usize),
    Advance(u64),
    Timeout,
}

#[derive(Clone, Debug)]
enum Wanted {
    New(Port),
    /// With one of the tokens that were given, by whomever.
    Reserved(Index),
    Bogus,
}

fn step() -> impl Strategy<Value = Step> {
    let new = prop_oneof![Just(Port::Any), Just(Port::Even), Just(Port::EvenAndNext)];
    let wanted = prop_oneof![
        4 => new.prop_map(Wanted::New),
        3 => any::<Index>().prop_map(Wanted::Reserved),
        1 => Just(Wanted::Bogus),
    ];
    prop_oneof![
        6 => (0..2_usize, wanted).prop_map(|(user, port)| Step::Open { user, port }),
        3 => any::<usize>().prop_map(Step::Close),
        1 => prop_oneof![Just(1), Just(29_999), Just(30_000)].prop_map(Step::Advance),
        1 => Just(Step::Timeout),
    ]
}

fn user(number: usize) -> UserId {
    UserId::Static(USERS[number].into())
}

/// What is open and reserved, and what the openings must therefore say.
struct World {
    here: Ipv4Addr,
    openings: Openings,
    quotas: Arc<Quotas>,
    now: Instant,
    open: Vec<(usize, UdpSocket)>,
    /// By token: whose, the port, until when, and whether somebody came for it.
    given: BTreeMap<ReservationToken, (usize, u16, Instant, bool)>,
}

impl World {
    /// On an address of loopback that is no other test's.
    fn new(here: Ipv4Addr) -> Self {
        let quotas = Arc::new(Quotas::new(USER_LIMIT, TOTAL_LIMIT));
        let now = Instant::now();
        let addresses = Addresses::of_v4(here);
        let reservations = Arc::new(Reservations::new(now));
        Self {
            here,
            openings: Openings::new(Ports::new(PORTS), addresses, quotas.clone(), reservations),
            quotas,
            now,
            open: Vec::new(),
            given: BTreeMap::new(),
        }
    }

    fn open(&mut self, number: usize, port: Port) {
        let opened = self
            .openings
            .open(Family::V4, port, &user(number), self.now);
        let good = match port {
            Port::Reserved(token) => {
                let given = self.given.get_mut(&token);
                given.filter(|(whose, _, until, taken)| {
                    *whose == number && *until > self.now && !taken
                })
            }
            Port::Any | Port::Even | Port::EvenAndNext => None,
        };
        let is_token = matches!(port, Port::Reserved(_));
        let Ok((socket, bound)) = opened else {
            assert!(good.is_none(), "a token was refused");
            return;
        };
        assert_eq!(socket.local_addr().unwrap(), bound.address);
        assert_eq!(bound.reserved.is_some(), port == Port::EvenAndNext);
        if is_token {
            let (_, port, _, taken) = good.expect("a token was taken");
            assert_eq!(bound.address.port(), *port);
            *taken = true;
        } else if port != Port::Any {
            assert_eq!(bound.address.port() % 2, 0);
        }
        self.open.push((number, socket));
        if let Some(token) = bound.reserved {
            let until = self.now + RESERVATION_LIFETIME;
            let next = bound.address.port() + 1;
            self.given.insert(token, (number, next, until, false));
        }
    }

    fn close(&mut self, index: usize) {
        if !self.open.is_empty() {
            let (number, socket) = self.open.swap_remove(index % self.open.len());
            drop(socket);
            self.openings.release(&user(number));
        }
    }

    fn perform(&mut self, step: &Step) {
        match step {
            Step::Open { user, port } => {
                let port = match port {
                    Wanted::New(port) => *port,
                    Wanted::Bogus => Port::Reserved(ReservationToken::new(7, Family::V4)),
                    Wanted::Reserved(_) if self.given.is_empty() => return,
                    Wanted::Reserved(index) => {
                        let token = self.given.keys().nth(index.index(self.given.len()));
                        Port::Reserved(*token.unwrap())
                    }
                };
                self.open(*user, port);
            }
            Step::Close(index) => self.close(*index),
            Step::Advance(millis) => self.now += Duration::from_millis(*millis),
            Step::Timeout => {
                // A millisecond later all that is over is due.
                self.now += Duration::from_millis(1);
                self.openings.handle_timeout(self.now);
                let held = self
                    .given
                    .values()
                    .filter(|(_, _, until, taken)| !taken && *until > self.now);
                assert_eq!(self.quotas.total(), self.open.len() + held.count());
            }
        }
        assert!(self.quotas.total() >= self.open.len());
        assert!(self.quotas.total() <= TOTAL_LIMIT);
    }

    /// Closes everything, and checks that every port and every charge came back.
    fn end(mut self) {
        while !self.open.is_empty() {
            self.close(0);
        }
        self.now += RESERVATION_LIFETIME + Duration::from_millis(1);
        self.openings.handle_timeout(self.now);
        assert_eq!(self.quotas.total(), 0);
        assert_eq!(self.openings.due_in(self.now), None);
        for port in PORTS {
            udp(SocketAddr::from((self.here, port))).expect("a port that came back");
        }
        for number in [0, 1] {
            for _ in 0..USER_LIMIT {
                self.quotas
                    .charge(&user(number))
                    .expect("a charge that came back");
            }
            for _ in 0..USER_LIMIT {
                self.quotas.release(&user(number));
            }
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_no_port_and_no_charge_is_lost(steps in vec(step(), 1..40)) {
        let mut world = World::new(Ipv4Addr::new(127, 0, 0, 5));
        for step in &steps {
            world.perform(step);
        }
        world.end();
    }
}

#[test]
fn a_pair_is_charged_twice_or_refused_whole() {
    let mut world = World::new(Ipv4Addr::new(127, 0, 0, 6));
    for _ in 0..USER_LIMIT - 1 {
        world.open(0, Port::Any);
    }
    let refused = world
        .openings
        .open(Family::V4, Port::EvenAndNext, &user(0), world.now);
    assert!(matches!(refused, Err(Refusal::QuotaReached)));
    assert_eq!(world.quotas.total(), USER_LIMIT - 1);
    world.close(0);
    world.open(0, Port::EvenAndNext);
    assert_eq!(world.quotas.total(), USER_LIMIT);
    world.end();
}
