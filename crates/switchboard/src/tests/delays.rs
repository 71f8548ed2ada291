//! Random lives with a cluster that answers late, or not at all for a while: nothing is left behind.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Announce {
        connection: u64,
        room: u8,
        id: u8,
    },
    Leave(u64),
    Say(u64),
    Lose(u64),
    Pass(u16),
    /// The cluster does the next thing it was asked.
    Work,
    /// The next thing the cluster says arrives.
    Hear,
    /// The cluster refuses what it is asked, or does it again.
    Outage(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let connection = 0..4u64;
    prop_oneof![
        6 => (connection.clone(), 0..2u8, 0..2u8)
            .prop_map(|(connection, room, id)| Step::Announce { connection, room, id }),
        1 => connection.clone().prop_map(Step::Leave),
        1 => connection.clone().prop_map(Step::Say),
        2 => connection.prop_map(Step::Lose),
        1 => (0..9_000u16).prop_map(Step::Pass),
        6 => Just(Step::Work),
        6 => Just(Step::Hear),
        1 => any::<bool>().prop_map(Step::Outage),
    ]
}

/// The cluster as this node sees it: one room's roster, and who listens.
#[derive(Default)]
struct Roster {
    epoch: u64,
    version: u64,
    members: BTreeMap<PeerId, (u64, Payload)>,
    listens: bool,
}

#[derive(Default)]
struct LateCluster {
    asked: VecDeque<ClusterCommand>,
    says: VecDeque<ClusterEvent>,
    rooms: BTreeMap<RoomId, Roster>,
    outage: bool,
    epochs: u64,
    fences: u64,
}

impl LateCluster {
    fn work(&mut self) -> bool {
        let Some(command) = self.asked.pop_front() else {
            return false;
        };
        match command {
            ClusterCommand::Join {
                connection, room, ..
            } if self.outage => self
                .says
                .push_back(ClusterEvent::JoinFailed { connection, room }),
            ClusterCommand::Leave { room, .. } | ClusterCommand::Assert { room, .. }
                if self.outage =>
            {
                self.says.push_back(ClusterEvent::AssertFailed { room });
            }
            ClusterCommand::Join {
                connection,
                room,
                peer,
                attributes,
                want_roster,
            } => {
                self.open(&room).listens = true;
                let (fence, version) = self.enter(&room, peer, attributes);
                let roster = &self.rooms[&room];
                let epoch = roster.epoch;
                let entries = want_roster.then(|| roster.entries());
                // The answer comes before the change, as the change may before the answer.
                let change = self.says.pop_back();
                let joined = ClusterEvent::Joined {
                    connection,
                    room,
                    fence,
                    epoch,
                    version,
                    roster: entries,
                };
                if fence.is_multiple_of(2) {
                    self.says.push_back(joined);
                    self.says.extend(change);
                } else {
                    self.says.extend(change);
                    self.says.push_back(joined);
                }
            }
            ClusterCommand::Leave {
                room, peer, fence, ..
            } => {
                let held = self
                    .rooms
                    .get(&room)
                    .and_then(|roster| roster.members.get(&peer))
                    .is_some_and(|(held, _)| *held <= fence);
                if held {
                    self.remove(&room, &peer);
                }
            }
            ClusterCommand::Forget { room } => {
                if let Some(roster) = self.rooms.get_mut(&room) {
                    roster.listens = false;
                }
                self.close(&room);
            }
            ClusterCommand::Assert { room, members } => self.assert(room, members),
            ClusterCommand::Confirm { .. }
            | ClusterCommand::Pass { .. }
            | ClusterCommand::HandedOver { .. }
            | ClusterCommand::Send { .. }
            | ClusterCommand::Broadcast { .. } => {}
        }
        true
    }

    fn assert(&mut self, room: RoomId, members: Vec<(PeerId, u64, Payload)>) {
        self.open(&room).listens = true;
        let keep: BTreeSet<&PeerId> = members.iter().map(|(peer, ..)| peer).collect();
        let gone: Vec<PeerId> = self.rooms[&room]
            .members
            .keys()
            .filter(|peer| !keep.contains(peer))
            .cloned()
            .collect();
        for peer in gone {
            self.remove(&room, &peer);
        }
        for (peer, _, attributes) in members {
            if !self.open(&room).members.contains_key(&peer) {
                self.open(&room).listens = true;
                self.enter(&room, peer, attributes);
            }
        }
        let roster = self.open(&room);
        let (epoch, version, roster) = (roster.epoch, roster.version, roster.entries());
        self.says.push_back(ClusterEvent::Asserted {
            room,
            epoch,
            version,
            roster,
        });
    }

    fn open(&mut self, room: &RoomId) -> &mut Roster {
        let epochs = &mut self.epochs;
        self.rooms.entry(room.clone()).or_insert_with(|| {
            *epochs += 1;
            Roster {
                epoch: *epochs,
                ..Roster::default()
            }
        })
    }

    fn enter(&mut self, room: &RoomId, peer: PeerId, attributes: Payload) -> (u64, u64) {
        self.fences += 1;
        let fence = self.fences;
        let roster = self.open(room);
        roster
            .members
            .insert(peer.clone(), (fence, attributes.clone()));
        let joined = Change::Joined(RosterEntry {
            peer,
            node: node("here"),
            fence,
            attributes,
        });
        (fence, self.tell(room, joined))
    }

    fn remove(&mut self, room: &RoomId, peer: &PeerId) {
        if let Some((fence, _)) = self.open(room).members.remove(peer) {
            let left = Change::Left {
                peer: peer.clone(),
                node: node("here"),
                fence,
                reason: protocol::LeaveReason::Left,
            };
            self.tell(room, left);
        }
        self.close(room);
    }

    fn tell(&mut self, room: &RoomId, change: Change) -> u64 {
        let roster = self.open(room);
        roster.version += 1;
        let (epoch, version, listens) = (roster.epoch, roster.version, roster.listens);
        if listens {
            self.says.push_back(ClusterEvent::Changed(RosterChange {
                room: room.clone(),
                epoch,
                version,
                change,
            }));
        }
        version
    }

    fn close(&mut self, room: &RoomId) {
        if let Some(roster) = self.rooms.get(room)
            && roster.members.is_empty()
            && !roster.listens
        {
            self.rooms.remove(room);
        }
    }
}

impl Roster {
    fn entries(&self) -> Vec<RosterEntry> {
        let entry = |(peer, (fence, attributes)): (&PeerId, &(u64, Payload))| RosterEntry {
            peer: peer.clone(),
            node: node("here"),
            fence: *fence,
            attributes: attributes.clone(),
        };
        self.members.iter().map(entry).collect()
    }
}

/// Moves what the board asked to the cluster, and at most one thing the cluster says to the board.
fn hear(board: &mut Board, cluster: &mut LateCluster) -> bool {
    cluster.asked.extend(std::mem::take(&mut board.asked));
    let Some(event) = cluster.says.pop_front() else {
        return false;
    };
    board.event(event);
    cluster.asked.extend(std::mem::take(&mut board.asked));
    true
}

/// Until nobody has anything left to say.
fn settle(board: &mut Board, cluster: &mut LateCluster) {
    for _ in 0..10_000 {
        let heard = hear(board, cluster);
        if !cluster.work() && !heard {
            return;
        }
    }
    panic!("the node and the cluster never stop talking");
}

fn members(board: &Board) -> BTreeSet<(RoomId, PeerId)> {
    let rooms = board.switchboard.rooms.iter();
    rooms
        .flat_map(|(room, state)| {
            state
                .members
                .keys()
                .map(|peer| (room.clone(), peer.clone()))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn whenever_the_cluster_answers_rosters_become_equal_and_nothing_is_left_behind(
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let mut board = Board::new();
        board.answers = false;
        let mut cluster = LateCluster::default();
        let mut lives: BTreeMap<u64, u64> = (0..4).map(|slot| (slot, slot)).collect();
        for slot in 0..4 {
            board.connect(slot);
        }
        for step in steps {
            match step {
                Step::Announce { connection, room, id } => {
                    board.announce(lives[&connection], &room.to_string(), &format!("p{id}"));
                }
                Step::Leave(connection) => board.leave(lives[&connection]),
                Step::Say(connection) => {
                    let bare = ClientMessage::Broadcast { sender: None, payload: payload("x") };
                    board.message(lives[&connection], bare);
                }
                Step::Lose(slot) => {
                    let connection = lives[&slot];
                    board.disconnect(connection);
                    lives.insert(slot, connection + 100);
                    board.connect(connection + 100);
                }
                Step::Pass(ms) => board.pass(Duration::from_millis(ms.into())),
                Step::Work => {
                    cluster.asked.extend(std::mem::take(&mut board.asked));
                    cluster.work();
                }
                Step::Hear => {
                    hear(&mut board, &mut cluster);
                }
                Step::Outage(outage) => cluster.outage = outage,
            }
        }
        cluster.outage = false;
        for _ in 0..4 {
            settle(&mut board, &mut cluster);
            board.pass(SECOND);
        }
        settle(&mut board, &mut cluster);
        let known: BTreeSet<(RoomId, PeerId)> = cluster
            .rooms
            .iter()
            .flat_map(|(room, roster)| roster.members.keys().map(|peer| (room.clone(), peer.clone())))
            .collect();
        prop_assert_eq!(members(&board), known);
        prop_assert_eq!(board.switchboard.stats().connections, lives.len());
        for connection in lives.values() {
            board.disconnect(*connection);
        }
        for _ in 0..4 {
            settle(&mut board, &mut cluster);
            board.pass(10 * SECOND);
        }
        settle(&mut board, &mut cluster);
        prop_assert_eq!(board.switchboard.stats(), crate::Stats::default());
        prop_assert_eq!(board.switchboard.poll_timeout(), None);
        prop_assert!(cluster.rooms.is_empty(), "a ghost, or a room that is still listened to");
    }
}
