//! Nodes, a store, clients and what goes wrong, on virtual time: one run is one seed.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque},
    time::Duration,
};

use backplane::{
    partition::{Config as PartitionConfig, Request},
    store::{Defect, Delivery},
};
use switchboard::Config;

use crate::{
    clients::{Client, room_id},
    directory::Directory,
    faults::{Data, Fault, Mixture},
    natives::{Natives, Turn},
    network::{Delays, Lane, Link, Server, Swallower, ToStore},
    node::{Effect, Input, MILLISECOND, NativeDefect, Node, Planted, SECOND, Time},
    oracle::{Oracle, Truth, person},
    random::Random,
};

/// Between two comparisons of a room's version, so that quiet comes soon.
const COMPARE: Time = 10 * SECOND;

/// What is special about a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    /// One of the usual ones where there is none.
    pub(crate) mixture: Option<Mixture>,
    pub(crate) defect: Option<Defect>,
    pub(crate) swallows_naks: bool,
    pub(crate) blind_to_epochs: bool,
    pub(crate) traced: bool,
    /// Whether there is a directory beside the rooms.
    pub(crate) directory: bool,
    /// Whether there are native peers beside the others.
    pub(crate) natives: bool,
    pub(crate) native_defect: Option<NativeDefect>,
}

/// How a run went.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) hash: u64,
    pub(crate) violation: Option<String>,
    pub(crate) trace: Vec<String>,
    pub(crate) happenings: u64,
}

#[derive(Debug)]
pub(crate) enum Happening {
    AtStore(usize, u64, ToStore),
    AtNode(usize, Input),
    Connect(usize),
    Act(usize),
    Dwell(usize),
    Native(Turn),
    Fault(Fault),
    Thaw(usize),
    ThawStore,
    StoreBack(Data),
    NewNode,
    /// A client closes this connection.
    Drop(usize, u64),
}

#[derive(Debug)]
pub(crate) struct World {
    plan: Plan,
    pub(crate) mixture: Mixture,
    pub(crate) now: Time,
    pub(crate) random: Random,
    pub(crate) oracle: Oracle,
    pub(crate) clients: Vec<Client>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) directory: Option<Directory>,
    pub(crate) natives: Option<Natives>,
    links: Vec<Link>,
    pub(crate) server: Server,
    swallower: Swallower,
    delays: Delays,
    pub(crate) window: Time,
    lease: Time,
    timing: (Config, PartitionConfig),
    pub(crate) persons: usize,
    pub(crate) rooms: usize,
    pub(crate) connections: u64,
    /// Which client each connection belongs to.
    pub(crate) owners: BTreeMap<u64, usize>,
    killed: BTreeSet<usize>,
    /// When the last trouble is over.
    quiet_from: Time,
    /// When a client last did something by itself.
    pub(crate) last_act: Time,
    calendar: BinaryHeap<Reverse<(Time, u64, usize)>>,
    happenings: Vec<Option<Happening>>,
    free: Vec<usize>,
    serial: u64,
    hash: u64,
    trace: VecDeque<String>,
}

/// Runs a seed.
pub(crate) fn run(seed: u64, plan: Plan) -> Outcome {
    let mut world = World::new(seed, plan);
    world.live();
    Outcome {
        hash: world.hash,
        violation: world.oracle.violation().cloned(),
        trace: world.trace.into(),
        happenings: world.serial,
    }
}

impl World {
    fn new(seed: u64, plan: Plan) -> Self {
        let mut random = Random::new(seed);
        let usual = [
            Mixture::None,
            Mixture::Anything,
            Mixture::Anything,
            Mixture::Anything,
            Mixture::Anything,
            Mixture::Store,
            Mixture::Store,
            Mixture::Zombies,
            Mixture::Loss,
            Mixture::Flush,
        ];
        let drawn = *random.pick(&usual);
        let mixture = plan.mixture.unwrap_or(drawn);
        let slow = random.percent(20) || mixture == Mixture::Zombies;
        let delays = match slow {
            true => Delays {
                least: 5 * MILLISECOND,
                most: 150 * MILLISECOND,
            },
            false => Delays {
                least: 50,
                most: 3 * MILLISECOND,
            },
        };
        let timing = (
            Config {
                lookup_memory: Duration::from_secs(6),
                ..Config::default()
            },
            PartitionConfig {
                compare: Duration::from_micros(COMPARE),
                ..PartitionConfig::default()
            },
        );
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap();
        let window = micros(timing.0.suspend_window);
        let lease = micros(timing.1.lease);
        let persons = usize::try_from(random.between(3, 7)).unwrap();
        let rooms = usize::try_from(random.between(1, 3)).unwrap();
        let mut clients: Vec<Client> = (0..persons)
            .map(|number| Client::new(number, number, random.below(rooms)))
            .collect();
        let mut contested = BTreeSet::new();
        if random.percent(20) {
            let person = random.below(persons);
            contested.insert(person);
            clients.push(Client::new(persons, person, random.below(rooms)));
        }
        let transit = 4 * delays.most + 100 * MILLISECOND;
        let calm = mixture == Mixture::None;
        let mut oracle = Oracle::new((window, lease), transit, calm, contested.clone());
        for person in contested {
            oracle.messages.contest(person);
        }
        let server = Server::new(plan.defect, &mut random);
        let mut world = Self {
            plan,
            mixture,
            now: 0,
            oracle,
            clients,
            nodes: Vec::new(),
            directory: plan.directory.then(Directory::new),
            natives: plan.natives.then(|| Natives::new(seed, window, transit)),
            links: Vec::new(),
            server,
            swallower: Swallower::default(),
            delays,
            window,
            lease,
            timing,
            persons,
            rooms,
            connections: 0,
            owners: BTreeMap::new(),
            killed: BTreeSet::new(),
            quiet_from: 0,
            last_act: 0,
            calendar: BinaryHeap::new(),
            happenings: Vec::new(),
            free: Vec::new(),
            serial: 0,
            hash: 0xCBF2_9CE4_8422_2325,
            trace: VecDeque::new(),
            random,
        };
        for _ in 0..world.random.between(2, 5) {
            world.add_node();
        }
        world
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.mixture == Mixture::None
    }

    fn live(&mut self) {
        self.run_until(3 * SECOND);
        for _ in 0..self.random.between(1, 3) {
            self.round();
            if self.oracle.violation().is_some() {
                return;
            }
        }
        for client in 0..self.clients.len() {
            match self.random.percent(50) {
                true => self.leave(client),
                false => self.drop_socket(client),
            }
            self.clients[client].away_until = Time::MAX;
        }
        self.close_directory();
        self.close_natives();
        self.run_until(self.now + self.window + 2 * SECOND + 8 * self.delays.most);
        self.check_emptiness();
    }

    /// Some life and some troubles, then quiet, and a look at what has come of it.
    fn round(&mut self) {
        let start = self.now;
        let mut active = start + self.random.between(5 * SECOND, 14 * SECOND);
        let faults = self.mixture.draw(self.lease, &mut self.random);
        let is_of_store = matches!(self.mixture, Mixture::Store | Mixture::Flush);
        for fault in faults {
            let at = self.random.between(start + SECOND, active);
            if is_of_store {
                active = at + fault.length();
            }
            self.at(at, Happening::Fault(fault));
        }
        for client in 0..self.clients.len() {
            let acts = self.random.between(6, 18);
            for _ in 0..acts {
                let at = self.random.between(start, active);
                self.act_at(at, client);
            }
        }
        self.plan_directory(start, active);
        self.plan_natives(start, active);
        self.run_until(active);
        if is_of_store {
            // Whoever is away does not come back for now.
            for client in &mut self.clients {
                client.away_until = client.away_until.max(active + 6 * SECOND);
            }
            self.run_until(active + 5 * SECOND);
            self.check_promptly();
            for client in 0..self.clients.len() {
                self.act_at(active + 7 * SECOND, client);
            }
        }
        self.settle();
        self.check_quiet();
        self.check_natives();
        self.probe();
        self.probe_directory();
        self.probe_natives();
        self.look_at_suspended();
        self.run_until(self.now + 3 * SECOND + 8 * self.delays.most);
        self.check_quiet();
        self.check_directory();
        self.check_natives();
        let killed = std::mem::take(&mut self.killed);
        self.oracle.check_messages(&killed, self.now);
        self.killed = killed;
    }

    /// Where there are native peers, one loses its connection, and all others know.
    fn look_at_suspended(&mut self) {
        if let Some(lost) = self.lose_one_native() {
            self.run_until(self.now + SECOND);
            self.check_suspended(lost);
            self.run_until(self.now + SECOND);
        }
    }

    /// Until a lease and four seconds have passed in which nothing happened, but at most for some minutes.
    fn settle(&mut self) {
        let begin = self.now;
        let limit = begin + 150 * SECOND;
        while self.now <= limit && self.oracle.violation().is_none() {
            let away = self.clients.iter().map(|client| client.away_until);
            let away = away.max().unwrap_or(0);
            let quiet = begin.max(self.quiet_from).max(self.last_act).max(away);
            let quiet = quiet.max(self.natives_busy());
            let until = quiet + self.lease + 4 * SECOND + 8 * self.delays.most;
            if until <= self.now {
                return;
            }
            self.run_until(until);
        }
        if self.now > limit {
            self.oracle
                .wrong(self.now, || "it does not become quiet".to_owned());
        }
    }

    fn add_node(&mut self) {
        let number = self.nodes.len();
        // Up to ten seconds between two clocks, and a ten thousandth too fast or too slow.
        let ahead = self.random.between(100 * SECOND, 110 * SECOND);
        let rate = self.random.between(999_900, 1_000_100);
        let seed = self.random.next();
        let planted = Planted {
            blind_to_epochs: self.plan.blind_to_epochs,
            native: self.plan.native_defect,
        };
        let node = Node::new(number, &self.timing, ahead, rate, seed, planted);
        self.nodes.push(node);
        self.links.push(Link::default());
        self.oracle.add_node();
        self.oracle.is_born(self.now);
        self.at(self.now + MILLISECOND, Happening::Connect(number));
    }

    // Time.

    pub(crate) fn at(&mut self, at: Time, happening: Happening) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.happenings.push(None);
            self.happenings.len() - 1
        });
        self.happenings[place] = Some(happening);
        self.serial += 1;
        self.calendar.push(Reverse((at, self.serial, place)));
    }

    pub(crate) fn act_at(&mut self, at: Time, client: usize) {
        self.at(at, Happening::Act(client));
    }

    pub(crate) fn later(&mut self, at: Time, node: usize, input: Input) {
        self.at(at, Happening::AtNode(node, input));
    }

    fn run_until(&mut self, end: Time) {
        while let Some(Reverse((at, _, place))) = self.calendar.peek().copied() {
            if at > end || self.oracle.violation().is_some() {
                break;
            }
            self.calendar.pop();
            self.now = at;
            if let Some(happening) = self.happenings[place].take() {
                self.free.push(place);
                self.happen(happening);
            }
        }
        self.now = end;
    }

    fn happen(&mut self, happening: Happening) {
        self.stir(self.now);
        match happening {
            Happening::AtStore(node, generation, what) => self.at_store(node, generation, what),
            Happening::AtNode(node, input) => self.input(node, input),
            Happening::Connect(node) => self.connect_link(node),
            Happening::Act(client) => self.act(client),
            Happening::Dwell(dweller) => self.dwell(dweller),
            Happening::Native(turn) => self.native(turn),
            Happening::Fault(fault) => self.fail(fault),
            Happening::Thaw(node) => self.thaw(node),
            Happening::ThawStore => self.thaw_store(),
            Happening::StoreBack(data) => self.store_back(data),
            Happening::NewNode => self.add_node(),
            Happening::Drop(client, connection) => self.start_again(client, connection),
        }
    }
}

mod checks;
mod link;
mod seen;
mod trouble;
