//! Whatever happens to a room, every request of a peer that stays in it is answered, in its time, and nothing is kept of it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use protocol::native::{Json, client::Wanted, payload};

use super::*;

const TIMEOUT: Duration = Duration::from_secs(5);
const NAMES: [&str; 4] = ["ann", "bob", "joe", "sue"];

#[derive(Clone, Debug)]
enum Step {
    /// This peer comes, or comes back, over a new connection.
    Come(usize),
    Lose(usize),
    Leave(usize),
    /// The first peer asks for one, or for anybody.
    Ask(usize, Option<usize>),
    /// The first peer says yes or no to all that it was asked.
    Reply(usize, bool),
    /// This peer is at another node, under a new claim; or leaves there.
    There(usize),
    LeaveThere(usize),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..NAMES.len();
    let step = prop_oneof![
        3 => who.clone().prop_map(Step::Come),
        1 => who.clone().prop_map(Step::Lose),
        1 => who.clone().prop_map(Step::Leave),
        4 => (who.clone(), prop::option::of(who.clone())).prop_map(|(who, whom)| Step::Ask(who, whom)),
        3 => (who.clone(), any::<bool>()).prop_map(|(who, is_yes)| Step::Reply(who, is_yes)),
        2 => who.clone().prop_map(Step::There),
        1 => who.prop_map(Step::LeaveThere),
        3 => (1_u64..3_000).prop_map(Step::Pass),
    ];
    proptest::collection::vec(step, 1..60)
}

struct World {
    board: Board,
    connections: u64,
    /// Who is connected here, and over which connection.
    here: BTreeMap<usize, u64>,
    /// Who is at another node, and under which claim.
    there: BTreeMap<usize, u64>,
    /// Requests that must be answered: by their numbers, who asks and until when.
    open: BTreeMap<u64, (usize, Instant)>,
    asked: u64,
    version: u64,
}

impl World {
    fn new() -> Self {
        let mut board = Board::new();
        board.connect_native(1_000_000);
        // Somebody is always here, so that the room is.
        board.announce_native(1_000_000, "zoe", r#"{"name":"zoe"}"#);
        Self {
            board,
            connections: 0,
            here: BTreeMap::new(),
            there: BTreeMap::new(),
            open: BTreeMap::new(),
            asked: 0,
            version: 1,
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Come(who) => {
                self.there.remove(&who);
                self.connections += 1;
                self.board.fence += 1_000;
                self.board.connect_native(self.connections);
                let data = format!(r#"{{"name":"{}"}}"#, NAMES[who]);
                self.board
                    .announce_native(self.connections, NAMES[who], &data);
                self.here.insert(who, self.connections);
            }
            Step::Lose(who) => {
                if let Some(connection) = self.here.remove(&who) {
                    self.board.disconnect(connection);
                }
            }
            Step::Leave(who) => {
                if let Some(connection) = self.here.remove(&who) {
                    self.board.leave(connection);
                    self.forget(who);
                }
            }
            Step::Ask(who, whom) => self.ask(who, whom),
            Step::Reply(who, is_yes) => self.reply(who, is_yes),
            Step::There(who) => {
                self.here.remove(&who);
                self.board.fence += 1_000;
                self.there.insert(who, self.board.fence);
                self.change_there(who, true);
                // Its new node is to ask again.
                self.forget(who);
            }
            Step::LeaveThere(who) => {
                if self.there.contains_key(&who) {
                    self.change_there(who, false);
                    self.there.remove(&who);
                }
            }
            Step::Pass(millis) => {
                // Slice by slice, so that whoever has left is noticed.
                self.board.pass(Duration::from_millis(millis));
            }
        }
        self.look();
    }

    fn change_there(&mut self, who: usize, comes: bool) {
        let (name, fence) = (NAMES[who], self.there[&who]);
        self.version = self.board.versions[&room("r")] + 1;
        self.board.versions.insert(room("r"), self.version);
        if comes {
            self.board.has_remote(self.version, name, fence);
        } else {
            self.board.event(ClusterEvent::Changed(RosterChange {
                room: room("r"),
                epoch: 1,
                version: self.version,
                change: Change::Left {
                    peer: peer(name),
                    node: node("there"),
                    fence,
                    reason: protocol::LeaveReason::Left,
                },
            }));
        }
    }

    fn ask(&mut self, who: usize, whom: Option<usize>) {
        let Some(connection) = self.here.get(&who).copied() else {
            return;
        };
        self.asked += 1;
        let wanted = match whom {
            Some(whom) => Wanted::Peer(peer(NAMES[whom])),
            None => Wanted::Match(Json::new("{}").unwrap()),
        };
        self.open
            .insert(self.asked, (who, self.board.now + TIMEOUT));
        self.board.message(
            connection,
            ClientMessage::Request {
                id: self.asked.to_string().into(),
                wanted,
                timeout: TIMEOUT,
            },
        );
    }

    /// Of the requests that are open the peer says yes or no to each, whether it was asked or not.
    fn reply(&mut self, who: usize, is_yes: bool) {
        for (id, (from, _)) in self.open.clone() {
            let id = id.to_string();
            let payload = match is_yes {
                true => payload::accept(&id),
                false => payload::decline(&id, None),
            };
            if let Some(connection) = self.here.get(&who).copied() {
                self.board.say(connection, NAMES[from], payload);
            } else if self.there.contains_key(&who) {
                self.board.event(ClusterEvent::Received {
                    room: room("r"),
                    from: peer(NAMES[who]),
                    to: peer(NAMES[from]),
                    payload,
                    hops: 0,
                });
            }
        }
    }

    /// Whoever is not here any more need not be answered.
    fn forget(&mut self, who: usize) {
        self.open.retain(|_, (from, _)| *from != who);
    }

    /// What was answered, and who has left for having been away for too long.
    fn look(&mut self) {
        let told = std::mem::take(&mut self.board.told);
        for text in told.into_values().flatten() {
            if let Some(rest) = text.strip_prefix("answer ") {
                let id: u64 = rest.split(':').next().unwrap().parse().unwrap();
                self.open.remove(&id);
            }
        }
        let r = room("r");
        let members: Vec<PeerId> = self
            .board
            .switchboard
            .members(&r)
            .map(|(who, _)| who.clone())
            .collect();
        let gone: Vec<usize> = (0..NAMES.len())
            .filter(|who| !members.contains(&peer(NAMES[*who])))
            .collect();
        for who in gone {
            self.forget(who);
        }
        let now = self.board.now;
        for (id, (who, until)) in &self.open {
            // One that waits for a peer to return is told when that does.
            let is_connected = self.here.contains_key(who);
            assert!(
                *until > now || !is_connected,
                "request {id} is not answered"
            );
        }
    }
}

proptest! {
    #[test]
    fn every_request_is_answered_in_its_time_and_leaves_nothing_behind(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        // Everybody comes, and is told what waits.
        for who in 0..NAMES.len() {
            if !world.there.contains_key(&who) {
                world.step(&Step::Come(who));
            }
        }
        world.step(&Step::Pass(6_000));
        prop_assert_eq!(&world.open, &BTreeMap::new());
        prop_assert_eq!(world.board.switchboard.stats().requests, 0);
    }
}
