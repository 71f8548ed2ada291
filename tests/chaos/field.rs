//! Many members on several nodes: who they are, where they may go, what they are told to do, what was done to them.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use trunkline_tests::{PATIENCE, Seed};

use crate::{
    history::{Deeds, Ending, History, Micros, NodeNumber, PeerNumber},
    member::{Member, Order, State, live},
};

/// As many as the system lets this process have: each member has a socket.
fn may_have_many_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).expect("a limit that may be raised");
}

/// What members share.
#[derive(Debug)]
pub(crate) struct Shared {
    start: Instant,
    /// The nodes that members may come to.
    pub(crate) open: Mutex<Vec<(NodeNumber, SocketAddr)>>,
}

impl Shared {
    pub(crate) fn now(&self) -> Micros {
        u64::try_from(self.start.elapsed().as_micros()).unwrap()
    }
}

/// All members, and the record of what was done. Members end with it.
#[derive(Debug)]
pub(crate) struct Field {
    shared: Arc<Shared>,
    members: Vec<Member>,
    tasks: JoinSet<()>,
    /// What was done; what the methods here do not say is written down by who does it.
    pub(crate) deeds: Deeds,
    nodes: usize,
    pub(crate) seed: Seed,
}

impl Field {
    pub(crate) fn new(seed: u64) -> Self {
        may_have_many_descriptors();
        Self {
            shared: Arc::new(Shared {
                start: Instant::now(),
                open: Mutex::default(),
            }),
            members: Vec::new(),
            tasks: JoinSet::new(),
            deeds: Deeds::default(),
            nodes: 0,
            seed: Seed::new(seed),
        }
    }

    pub(crate) fn now(&self) -> Micros {
        self.shared.now()
    }

    /// Opens a node, or a new life of one, to members.
    pub(crate) fn open(&mut self, address: SocketAddr) -> NodeNumber {
        self.nodes += 1;
        let mut open = self.shared.open.lock().unwrap();
        open.push((self.nodes, address));
        self.nodes
    }

    /// Opens a node that was closed.
    pub(crate) fn open_again(&self, node: NodeNumber, address: SocketAddr) {
        self.shared.open.lock().unwrap().push((node, address));
    }

    /// From now on nobody comes to this node, as when a load balancer has noticed that it is gone.
    pub(crate) fn close(&self, node: NodeNumber) {
        let mut open = self.shared.open.lock().unwrap();
        open.retain(|(number, _)| *number != node);
    }

    /// To be said before a node is killed.
    pub(crate) fn will_kill(&mut self, node: NodeNumber) {
        self.close(node);
        self.deeds.killed.push((node, self.shared.now()));
    }

    /// To be said before the connections to a node are cut by the network.
    pub(crate) fn will_sever(&mut self, node: NodeNumber) {
        self.deeds.severed.push((node, self.shared.now()));
    }

    /// To be said after a node was thawed.
    pub(crate) fn was_frozen(&mut self, node: NodeNumber, since: Micros) {
        self.deeds.frozen.push((node, since, self.shared.now()));
    }

    /// Brings so many members into each of these rooms, spread over the open nodes, and waits until all are in and
    /// know each other.
    pub(crate) async fn populate(&mut self, rooms: std::ops::Range<u32>, each: usize) {
        let open: Vec<NodeNumber> = {
            let open = self.shared.open.lock().unwrap();
            open.iter().map(|(number, _)| *number).collect()
        };
        let mut entered = Vec::new();
        for room in rooms {
            for n in 0..each {
                let node = open[(room as usize + n) % open.len()];
                entered.push(self.enter(room, Some(node)));
                // So that a listener's backlog holds those who have not been accepted.
                if entered.len() == 256 {
                    self.until_joined(&std::mem::take(&mut entered)).await;
                }
            }
        }
        self.until_joined(&entered).await;
        self.converge(PATIENCE * 3).await;
    }

    /// Brings a member to a node, or to any, without waiting until it is in.
    pub(crate) fn enter(&mut self, room: u32, node: Option<NodeNumber>) -> PeerNumber {
        let peer = u32::try_from(self.members.len()).unwrap();
        let (orders, waiting) = mpsc::unbounded_channel();
        let member = Member {
            state: Arc::new(Mutex::new(State::new(peer, room))),
            orders,
        };
        let (shared, seed) = (self.shared.clone(), self.seed.fork());
        self.tasks
            .spawn(live(shared, member.clone(), waiting, seed, node));
        self.members.push(member);
        peer
    }

    pub(crate) async fn until_joined(&self, peers: &[PeerNumber]) {
        let joined = |peer: PeerNumber| {
            let state = self.members[peer as usize].state.lock().unwrap();
            state.life.last().is_some()
        };
        for &peer in peers {
            self.until("a member to be in", PATIENCE, || joined(peer))
                .await;
        }
    }

    /// Waits for something; panics with what it was when it does not come.
    pub(crate) async fn until(&self, what: &str, bound: Duration, is_so: impl Fn() -> bool) {
        let waiting = async {
            while !is_so() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = timeout(bound, waiting).await;
        assert!(waited.is_ok(), "waited for {what}");
    }

    /// All members, for [`Self::order`].
    pub(crate) fn peers(&self) -> std::ops::Range<PeerNumber> {
        0..u32::try_from(self.members.len()).unwrap()
    }

    /// The peers whose present session is at this node.
    pub(crate) fn at(&self, node: NodeNumber) -> Vec<PeerNumber> {
        let there = |peer: &PeerNumber| {
            let state = self.members[*peer as usize].state.lock().unwrap();
            state.life.last().is_some_and(|last| last.node == node)
        };
        self.peers().filter(there).collect()
    }

    pub(crate) fn order(&self, peer: PeerNumber, order: Order) -> bool {
        self.members[peer as usize].order(order)
    }

    /// Whether and how soon a member comes back when its connection ends.
    pub(crate) fn returns(&self, peer: PeerNumber, soonest: Option<Duration>) {
        self.members[peer as usize].state.lock().unwrap().returns = soonest;
    }

    /// Has random members say so many messages, so many a second; goes on by itself until it is awaited.
    pub(crate) fn talk(&mut self, messages: u64, a_second: u64, broadcast: bool) -> JoinHandle<()> {
        self.have_said(messages, a_second, move |members, seed| {
            let order = match broadcast {
                true => Order::SayToAll,
                false => Order::SayToOne(seed.number()),
            };
            seed.pick(members).order(order)
        })
    }

    /// The same with directed messages to members that are at another node than who says them.
    pub(crate) fn talk_across(&mut self, messages: u64, a_second: u64) -> JoinHandle<()> {
        self.have_said(messages, a_second, |members, seed| {
            let place = |member: &Member| {
                let state = member.state.lock().unwrap();
                Some((state.life.room, state.life.last()?.node, state.life.peer))
            };
            let by = seed.pick(members);
            let Some((room, node, _)) = place(by) else {
                return false;
            };
            let places = members.iter().filter_map(place);
            let across = places.filter(|(theirs, at, _)| *theirs == room && *at != node);
            let across: Vec<PeerNumber> = across.map(|(_, _, peer)| peer).collect();
            !across.is_empty() && by.order(Order::SayTo(*seed.pick(&across)))
        })
    }

    /// `say` returns whether there is somebody who says it.
    fn have_said(
        &mut self,
        messages: u64,
        a_second: u64,
        say: impl Fn(&[Member], &mut Seed) -> bool + Send + 'static,
    ) -> JoinHandle<()> {
        let (members, mut seed) = (self.members.clone(), self.seed.fork());
        tokio::spawn(async move {
            let (start, mut said) = (Instant::now(), 0);
            while said < messages {
                let due = start.elapsed().as_micros() as u64 * a_second / 1_000_000;
                let mut tries = 0;
                while said < messages.min(due) && tries < 1000 {
                    tries += 1;
                    said += u64::from(say(&members, &mut seed));
                }
                sleep(Duration::from_millis(2)).await;
            }
        })
    }

    /// Waits until every roster is what it should be; returns how long that took.
    pub(crate) async fn converge(&self, within: Duration) -> Duration {
        let start = Instant::now();
        let mut wrong = self.wrong_rosters();
        while !wrong.is_empty() {
            let shown = &wrong[..wrong.len().min(5)];
            assert!(
                start.elapsed() < within,
                "{} rosters are wrong, such as {shown:#?}",
                wrong.len()
            );
            sleep(Duration::from_millis(20)).await;
            wrong = self.wrong_rosters();
        }
        start.elapsed()
    }

    /// The living members whose rosters are wrong, with what they have and what they should have.
    fn wrong_rosters(&self) -> Vec<String> {
        let mut rooms = std::collections::BTreeMap::<u32, Vec<_>>::new();
        for member in &self.members {
            let state = member.state.lock().unwrap();
            if let Some(last) = state.life.last() {
                let here = (state.life.peer, last.number, state.roster.clone());
                rooms.entry(state.life.room).or_default().push(here);
            }
        }
        let mut wrong = self.not_back();
        for members in rooms.values() {
            let present = members.iter().map(|(peer, session, _)| (*peer, *session));
            let present: std::collections::BTreeMap<_, _> = present.collect();
            for (peer, session, roster) in members {
                let mut should = present.clone();
                should.remove(peer);
                if *roster != should {
                    wrong.push(format!(
                        "p{peer} in session {session} has {roster:?} and should have {should:?}"
                    ));
                }
            }
        }
        wrong
    }

    /// Members that come back and have not yet.
    fn not_back(&self) -> Vec<String> {
        let states = self.members.iter().map(|it| it.state.lock().unwrap());
        let away = states.filter(|state| {
            let last = state.life.sessions.last();
            let left = last.is_some_and(|last| matches!(last.ended, Some((_, Ending::Left))));
            state.returns.is_some() && !left && state.life.last().is_none()
        });
        away.map(|state| format!("p{} is not back", state.life.peer))
            .collect()
    }

    /// Everybody says a last word to each other and to all; returns when all of it was heard.
    pub(crate) async fn last_words(&self, within: Duration) {
        for member in &self.members {
            let others = member.state.lock().unwrap().roster.len() as u64;
            for nth in 0..others {
                member.order(Order::SayToOne(nth));
            }
            member.order(Order::SayToAll);
        }
        let start = Instant::now();
        while let Some(unheard) = self.unheard() {
            assert!(
                start.elapsed() < within,
                "the last words were not heard: {unheard}"
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Somebody's word that somebody has not heard yet.
    fn unheard(&self) -> Option<String> {
        for member in &self.members {
            let (peer, session, said, broadcasts, roster) = {
                let state = member.state.lock().unwrap();
                let Some(last) = state.life.last() else {
                    continue;
                };
                if state.waiting > 0 {
                    return Some(format!("p{} has yet to speak", state.life.peer));
                }
                let said = state.said.clone();
                let roster = state.roster.clone();
                let from = (state.life.peer, last.number);
                (from.0, from.1, said, state.broadcasts, roster)
            };
            for to in roster.keys() {
                let state = self.members[*to as usize].state.lock().unwrap();
                let heard = state.heard.get(&(peer, session)).copied();
                let should = (said.get(to).copied().unwrap_or(0), broadcasts);
                let heard = heard.unwrap_or_default();
                if heard.0 < should.0 || heard.1 < should.1 {
                    return Some(format!(
                        "of p{peer} in session {session}, p{to} heard {heard:?} of {should:?}"
                    ));
                }
            }
        }
        None
    }

    /// What happened. Nobody does anything any more.
    pub(crate) fn history(&mut self) -> History {
        let end = self.shared.now();
        self.tasks.abort_all();
        let lives = self.members.iter();
        History {
            lives: lives
                .map(|member| member.state.lock().unwrap().life.clone())
                .collect(),
            deeds: self.deeds.clone(),
            end,
        }
    }
}
