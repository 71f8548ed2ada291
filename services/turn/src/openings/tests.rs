use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
};

use proptest::{collection::vec, prelude::*, sample::Index};
use relay::RESERVATION_LIFETIME;

use super::*;
use crate::relay_sockets::udp;

const USERS: [&str; 2] = ["ann", "bob"];
/// The last is this machine, which is no source.
const SOURCES: [[u8; 4]; 3] = [[192, 0, 2, 1], [192, 0, 2, 2], [127, 0, 0, 1]];
const HERE: usize = 2;
const USER_LIMIT: usize = 3;
const SOURCE_LIMIT: usize = 4;
const TOTAL_LIMIT: usize = 5;

/// Few, so that they run out.
const PORTS: std::ops::RangeInclusive<u16> = 21_001..=21_006;

#[derive(Clone, Debug)]
enum Step {
    Open {
        user: usize,
        source: usize,
        port: Wanted,
    },
    /// The client of a socket goes to a source.
    Move(usize, usize),
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
    let source = || prop_oneof![4 => 0..2_usize, 1 => Just(HERE)];
    prop_oneof![
        8 => (0..2_usize, source(), wanted)
            .prop_map(|(user, source, port)| Step::Open { user, source, port }),
        5 => (any::<usize>(), source()).prop_map(|(index, to)| Step::Move(index, to)),
        2 => any::<usize>().prop_map(Step::Close),
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
    /// With its user, and the source that it is charged to.
    open: Vec<(usize, usize, UdpSocket, Charge)>,
    given: BTreeMap<ReservationToken, Given>,
}

/// A port that was reserved.
struct Given {
    user: usize,
    source: usize,
    port: u16,
    until: Instant,
    /// Nobody came for it, and it was not closed.
    held: bool,
}

impl World {
    /// On an address of loopback that is no other test's.
    fn new(here: Ipv4Addr) -> Self {
        let quotas = Quotas::new(USER_LIMIT, 100).with_limits(SOURCE_LIMIT, TOTAL_LIMIT);
        let quotas = Arc::new(quotas);
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

    fn open(&mut self, number: usize, source: usize, port: Port) {
        let now = self.now;
        let (user, client) = (user(number), IpAddr::from(SOURCES[source]));
        let fits = self.fits(number, source);
        let opened = self.openings.open(Family::V4, port, &user, client, now);
        let good = match port {
            Port::Reserved(token) => {
                let given = self.given.get_mut(&token);
                given.filter(|given| given.user == number && given.until > now && given.held)
            }
            Port::Any | Port::Even | Port::EvenAndNext => None,
        };
        let is_token = matches!(port, Port::Reserved(_));
        let (socket, bound, charge) = match opened {
            Ok(opened) => opened,
            Err(refusal) => {
                assert!(good.is_none(), "a token was refused");
                let needed = 1 + usize::from(port == Port::EvenAndNext);
                assert!(refusal != Refusal::QuotaReached || fits < needed);
                return;
            }
        };
        assert_eq!(socket.local_addr().unwrap(), bound.address);
        assert_eq!(bound.reserved.is_some(), port == Port::EvenAndNext);
        let mut charged_to = source;
        if is_token {
            let given = good.expect("a token was taken");
            assert_eq!(bound.address.port(), given.port);
            given.held = false;
            charged_to = given.source;
        } else {
            assert!(fits > usize::from(bound.reserved.is_some()));
            assert!(port == Port::Any || bound.address.port() % 2 == 0);
        }
        self.open.push((number, charged_to, socket, charge));
        if let Some(token) = bound.reserved {
            let given = Given {
                user: number,
                source,
                port: bound.address.port() + 1,
                until: now + RESERVATION_LIFETIME,
                held: true,
            };
            self.given.insert(token, given);
        }
    }

    /// Of every socket that is open or reserved, its user, and the source that it is charged to.
    fn charged(&self) -> impl Iterator<Item = (usize, usize)> {
        let held = self.given.values().filter(|given| given.held);
        let held = held.map(|given| (given.user, given.source));
        let open = self.open.iter().map(|(user, source, ..)| (*user, *source));
        open.chain(held)
    }

    fn of_user(&self, number: usize) -> usize {
        self.charged().filter(|(user, _)| *user == number).count()
    }

    fn of_source(&self, source: usize) -> usize {
        let of_source = |(_, it): &(usize, usize)| *it == source && source != HERE;
        self.charged().filter(of_source).count()
    }

    /// How many more sockets the user may have from there, ports aside.
    fn fits(&self, number: usize, source: usize) -> usize {
        let rest = |limit: usize, used: usize| limit.saturating_sub(used);
        let of_user = rest(USER_LIMIT, self.of_user(number));
        let of_source = rest(SOURCE_LIMIT, self.of_source(source));
        let of_all = rest(TOTAL_LIMIT, self.charged().count());
        of_user.min(of_source).min(of_all)
    }

    /// What was charged goes along, unless there is no room for it.
    fn take_along(&mut self, index: usize, to: usize) {
        if self.open.is_empty() {
            return;
        }
        let index = index % self.open.len();
        let has_room = self.of_source(to) < SOURCE_LIMIT;
        let (_, charged_to, _, charge) = &mut self.open[index];
        charge.follow(SOURCES[to].into());
        if has_room {
            *charged_to = to;
        }
    }

    fn close(&mut self, index: usize) {
        if !self.open.is_empty() {
            let closed = self.open.swap_remove(index % self.open.len());
            drop(closed);
        }
    }

    fn perform(&mut self, step: &Step) {
        match step {
            Step::Open { user, source, port } => {
                let port = match port {
                    Wanted::New(port) => *port,
                    Wanted::Bogus => Port::Reserved(ReservationToken::new(7, Family::V4)),
                    Wanted::Reserved(_) if self.given.is_empty() => return,
                    Wanted::Reserved(index) => {
                        let token = self.given.keys().nth(index.index(self.given.len()));
                        Port::Reserved(*token.unwrap())
                    }
                };
                self.open(*user, *source, port);
            }
            Step::Move(index, to) => self.take_along(*index, *to),
            Step::Close(index) => self.close(*index),
            Step::Advance(millis) => self.now += Duration::from_millis(*millis),
            Step::Timeout => {
                // A millisecond later all that is over is due.
                self.now += Duration::from_millis(1);
                self.openings.handle_timeout(self.now);
                for given in self.given.values_mut() {
                    given.held &= given.until > self.now;
                }
            }
        }
        self.check();
    }

    /// Nobody is charged for more or less than it has, nor has more than it may.
    fn check(&self) {
        assert_eq!(self.quotas.total(), self.charged().count());
        assert!(self.quotas.total() <= TOTAL_LIMIT);
        for number in 0..USERS.len() {
            let of_user = self.quotas.of_user(&user(number));
            assert_eq!(of_user, self.of_user(number));
            assert!(of_user <= USER_LIMIT);
        }
        for (source, ip) in SOURCES.into_iter().enumerate() {
            let of_source = self.quotas.of_source(ip.into());
            assert_eq!(of_source, self.of_source(source));
            assert!(of_source <= SOURCE_LIMIT);
        }
    }

    /// Closes everything, and checks that every port and every charge came back.
    fn end(mut self) {
        while !self.open.is_empty() {
            self.close(0);
        }
        self.now += RESERVATION_LIFETIME + Duration::from_millis(1);
        self.openings.handle_timeout(self.now);
        assert!(self.quotas.is_untouched());
        assert_eq!(self.openings.due_in(self.now), None);
        for port in PORTS {
            udp(SocketAddr::from((self.here, port))).expect("a port that came back");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn checklist_08_whatever_happens_no_port_and_no_charge_is_lost(steps in vec(step(), 1..40)) {
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
        world.open(0, 0, Port::Any);
    }
    let client = SOURCES[0].into();
    let refused = world
        .openings
        .open(Family::V4, Port::EvenAndNext, &user(0), client, world.now);
    assert!(matches!(refused, Err(Refusal::QuotaReached)));
    assert_eq!(world.quotas.total(), USER_LIMIT - 1);
    world.close(0);
    world.open(0, 0, Port::EvenAndNext);
    assert_eq!(world.quotas.total(), USER_LIMIT);
    world.end();
}

#[test]
fn a_port_that_was_reserved_stays_charged_to_the_source_that_reserved_it() {
    let mut world = World::new(Ipv4Addr::new(127, 0, 0, 7));
    world.open(0, 0, Port::EvenAndNext);
    let token = *world.given.keys().next().unwrap();
    world.open(0, 1, Port::Reserved(token));
    let charge = |source: usize| world.quotas.charge(&user(1), SOURCES[source].into());
    let of_first: Vec<_> = (0..).map_while(|_| charge(0).ok()).collect();
    assert_eq!(of_first.len(), SOURCE_LIMIT - 2);
    drop(of_first);
    world.end();
}
