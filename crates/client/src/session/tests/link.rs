//! Two sessions, joined by what loses, repeats and reorders all that it likes, and breaks at any point.

use std::collections::{BTreeMap, VecDeque};

use proptest::{collection::vec, prelude::*, sample::Index};
use protocol::native::{
    ServerFrame,
    server::{self, Acked, Message, Undelivered},
};

use super::*;

const NAMES: [&str; 2] = ["bob", "sue"];

/// Sessions of one peer that may begin: receivers know no more of them apart.
const MOST_SESSIONS: u32 = 3;

#[derive(Clone, Debug)]
enum Step {
    Say(usize),
    Cut(usize),
    Connect(usize),
    /// The node reads so many frames of a peer's.
    Read(usize, usize),
    /// A peer hears so many frames.
    Hear(usize, usize),
    /// Something between the nodes arrives; it may do so again.
    Pass(Index, bool),
    /// Something between the nodes is lost.
    Lose(Index),
    /// A node gives a message up, which may arrive for all that.
    GiveUp(Index),
    Wait(u64),
    /// The next node does not know the peer's token.
    Forget(usize),
}

fn steps() -> impl Strategy<Value = Step> {
    let who = 0..2_usize;
    prop_oneof![
        8 => who.clone().prop_map(Step::Say),
        2 => who.clone().prop_map(Step::Cut),
        4 => who.clone().prop_map(Step::Connect),
        12 => (who.clone(), 1..6_usize).prop_map(|(who, count)| Step::Read(who, count)),
        12 => (who.clone(), 1..6_usize).prop_map(|(who, count)| Step::Hear(who, count)),
        12 => (any::<Index>(), any::<bool>()).prop_map(|(at, again)| Step::Pass(at, again)),
        2 => any::<Index>().prop_map(Step::Lose),
        1 => any::<Index>().prop_map(Step::GiveUp),
        4 => (1..8_000_u64).prop_map(Step::Wait),
        1 => who.prop_map(Step::Forget),
    ]
}

struct Side {
    session: Session,
    is_connected: bool,
    is_announced: bool,
    has_token: bool,
    sessions: u32,
    up: VecDeque<ClientFrame>,
    down: VecDeque<ServerFrame>,
    said: u32,
    tickets: BTreeMap<Ticket, u32>,
    delivered: Vec<u32>,
    failed: Vec<u32>,
    told: Vec<u32>,
}

struct World {
    now: Instant,
    sides: [Side; 2],
    /// Messages and acknowledgements, for whom.
    between: Vec<(usize, ServerFrame)>,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let sides = NAMES.map(|name| {
            let mut session = Session::new(config(Some(name)));
            session.announce(now, json("{}"));
            Side {
                session,
                is_connected: false,
                is_announced: false,
                has_token: false,
                sessions: 1,
                up: VecDeque::new(),
                down: VecDeque::new(),
                said: 0,
                tickets: BTreeMap::new(),
                delivered: Vec::new(),
                failed: Vec::new(),
                told: Vec::new(),
            }
        });
        Self {
            now,
            sides,
            between: Vec::new(),
        }
    }

    fn poll(&mut self, who: usize) {
        let side = &mut self.sides[who];
        while let Some(output) = side.session.poll_output() {
            match output {
                Output::Frame(frame) => side.up.push_back(client::decode(&frame).unwrap()),
                Output::Event(Event::Message(said)) => {
                    side.told.push(said.body.as_str().parse().unwrap());
                }
                Output::Event(_) | Output::Reconnect => {}
                Output::Settled(ticket, outcome) => {
                    // The first is the announce.
                    let Some(n) = side.tickets.remove(&ticket) else {
                        continue;
                    };
                    match outcome {
                        Ok(_) => side.delivered.push(n),
                        Err(_) => side.failed.push(n),
                    }
                }
            }
        }
    }

    fn tell(&mut self, who: usize, frame: ServerFrame) {
        if self.sides[who].is_connected {
            self.sides[who].down.push_back(frame);
        }
    }

    fn tell_of(&mut self, who: usize, kind: &str) {
        let peer = NAMES[who];
        let frame =
            format!(r#"{{"type":"{kind}","peer":"{peer}","data":{{}},"tag":"0123456789abcdef0"}}"#);
        self.tell(1 - who, server::decode(&frame).unwrap());
    }

    fn cut(&mut self, who: usize) {
        let side = &mut self.sides[who];
        if !std::mem::take(&mut side.is_connected) {
            return;
        }
        side.up.clear();
        side.down.clear();
        side.session.handle_disconnected(self.now);
        let was_announced = std::mem::take(&mut side.is_announced);
        self.poll(who);
        if was_announced {
            self.tell_of(who, "suspended");
        }
    }

    fn connect(&mut self, who: usize) {
        if !self.sides[who].is_connected {
            self.sides[who].is_connected = true;
            self.sides[who].session.handle_connected(self.now);
            self.poll(who);
        }
    }

    fn session_of(&self, who: usize) -> String {
        format!("{}-{}", NAMES[who], self.sides[who].sessions)
    }

    /// A node reads a frame of `who`.
    fn read(&mut self, who: usize, frame: ClientFrame) {
        let other = 1 - who;
        let session = self.session_of(who);
        match frame {
            ClientFrame::Hello(_) => {
                let welcome = format!(
                    r#"{{"type":"welcome","session":"{session}","resume":"t","node":"n","region":"r","window_ms":8000,
                    "ice_servers":[],"ttl":60,"limits":{{"frame_bytes":1000,"unacknowledged":256}}}}"#
                );
                self.tell(who, server::decode(&welcome).unwrap());
            }
            ClientFrame::Announce(_) => {
                let is_there = self.sides[other].has_token;
                let suspended = !self.sides[other].is_announced;
                let peers = match is_there {
                    true => format!(
                        r#"{{"peer":"{}","data":{{}},"tag":"0123456789abcdef0","suspended":{suspended}}}"#,
                        NAMES[other]
                    ),
                    false => String::new(),
                };
                let members = format!(
                    r#"{{"type":"members","room":"r","peer":"{}","resume":"t","peers":[{peers}]}}"#,
                    NAMES[who]
                );
                self.tell(who, server::decode(&members).unwrap());
                self.sides[who].is_announced = true;
                let is_new = !std::mem::replace(&mut self.sides[who].has_token, true);
                self.tell_of(who, if is_new { "joined" } else { "resumed" });
            }
            ClientFrame::Send(send) => {
                if !self.sides[other].is_announced {
                    let notice = ServerFrame::Undelivered(Undelivered {
                        to: send.to.clone(),
                        session: session.clone().into(),
                        n: send.n,
                        reason: Reason::Suspended,
                    });
                    self.tell(who, notice);
                }
                let message = ServerFrame::Message(Message {
                    from: id(NAMES[who]),
                    session: Some(session.into()),
                    n: Some(send.n),
                    first: send.first,
                    to: Some(send.to),
                    body: send.body,
                });
                self.between.push((other, message));
            }
            ClientFrame::Ack(ack) => {
                let acked = ServerFrame::Acked(Acked {
                    by: id(NAMES[who]),
                    session: ack.session,
                    n: ack.n,
                });
                self.between.push((other, acked));
            }
            other => panic!("{other:?}"),
        }
    }

    fn pass(&mut self, at: usize, again: bool) {
        let (to, frame) = self.between[at].clone();
        if self.sides[to].is_announced {
            self.tell(to, frame);
            if !again {
                self.between.remove(at);
            }
        }
    }

    fn wait(&mut self, until: Instant) {
        for who in 0..2 {
            let session = &mut self.sides[who].session;
            let mut late = session.poll_timeout();
            while let Some(at) = late.filter(|at| *at <= until) {
                session.handle_timeout(at.max(self.now));
                late = session.poll_timeout();
                assert!(late != Some(at), "time stands still");
            }
            self.poll(who);
        }
        self.now = until;
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Say(who) => {
                let side = &mut self.sides[*who];
                side.said += 1;
                let (to, body) = (id(NAMES[1 - who]), json(&side.said.to_string()));
                let ticket = side.session.send(self.now, to, body);
                side.tickets.insert(ticket, side.said);
                self.poll(*who);
            }
            Step::Cut(who) => self.cut(*who),
            Step::Connect(who) => self.connect(*who),
            Step::Read(who, count) => {
                for _ in 0..*count {
                    if let Some(frame) = self.sides[*who].up.pop_front() {
                        self.read(*who, frame);
                    }
                }
            }
            Step::Hear(who, count) => {
                for _ in 0..*count {
                    let side = &mut self.sides[*who];
                    if let Some(frame) = side.down.pop_front() {
                        side.session.handle_frame(self.now, &server::encode(&frame));
                        self.poll(*who);
                    }
                }
            }
            Step::Pass(at, again) if !self.between.is_empty() => {
                self.pass(at.index(self.between.len()), *again);
            }
            Step::Lose(at) if !self.between.is_empty() => {
                self.between.remove(at.index(self.between.len()));
            }
            Step::GiveUp(at) if !self.between.is_empty() => {
                let (to, frame) = &self.between[at.index(self.between.len())];
                if let ServerFrame::Message(message) = frame {
                    let verdict = ServerFrame::Undelivered(Undelivered {
                        to: id(NAMES[*to]),
                        session: message.session.clone().unwrap(),
                        n: message.n.unwrap(),
                        reason: Reason::Unreachable,
                    });
                    self.tell(1 - to, verdict);
                }
            }
            Step::Pass(..) | Step::Lose(_) | Step::GiveUp(_) => {}
            Step::Wait(ms) => self.wait(self.now + Duration::from_millis(*ms)),
            Step::Forget(who) => {
                self.cut(*who);
                let sessions = &mut self.sides[*who].sessions;
                *sessions = (*sessions + 1).min(MOST_SESSIONS);
            }
        }
    }

    /// Nothing bad happens any more.
    fn heal(&mut self) {
        for _ in 0..100 {
            for who in 0..2 {
                self.connect(who);
                self.step(&Step::Read(who, 1000));
            }
            while let Some((to, frame)) = self.between.pop() {
                self.tell(to, frame);
            }
            for who in 0..2 {
                self.step(&Step::Hear(who, 1000));
            }
            self.wait(self.now + Duration::from_secs(1));
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for who in 0..2 {
            let (sender, told) = (&self.sides[who], &self.sides[1 - who].told);
            let mut once = told.clone();
            once.sort_unstable();
            once.dedup();
            prop_assert_eq!(once.len(), told.len(), "told twice: {:?}", told);
            for n in &sender.delivered {
                prop_assert!(told.contains(n), "{} was not told: {:?}", n, told);
            }
            let reliable: Vec<u32> = told
                .iter()
                .copied()
                .filter(|n| !sender.failed.contains(n))
                .collect();
            prop_assert!(reliable.is_sorted(), "out of order: {:?}", told);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_message_comes_once_and_in_order_or_its_sender_is_told(steps in vec(steps(), 1..250)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
            world.check()?;
        }
        world.heal();
        world.check()?;
        for side in &world.sides {
            prop_assert!(side.tickets.is_empty(), "never settled: {:?}", side.tickets);
            let settled = side.delivered.len() + side.failed.len();
            prop_assert_eq!(settled, side.said as usize);
        }
    }
}
