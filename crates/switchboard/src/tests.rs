//! A switchboard on virtual time, with a cluster that answers at once unless a test takes its place.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytestring::ByteString;
use protocol::{ClientMessage, Outcome, Payload, PeerId, RoomId, ServerMessage};

use crate::{
    Change, ClusterCommand, ClusterEvent, Config, ConnectionId, DropReason, Listing, NodeId,
    Output, RosterChange, RosterEntry, Switchboard,
};

mod claims;
mod cluster;
mod delays;
mod directory;
mod handover;
mod joins;
mod membership;
mod model;
mod native;
mod own_changes;
mod owners;
mod repairs;
mod requests;
mod requests_model;
mod returns;
mod routing;

struct Board {
    switchboard: Switchboard,
    now: Instant,
    /// What each connection was told, in short words, since it was last looked at.
    told: BTreeMap<u64, Vec<String>>,
    /// What the cluster was asked, since it was last looked at.
    asked: Vec<ClusterCommand>,
    dropped: Vec<DropReason>,
    /// Whether joins are answered at once.
    answers: bool,
    versions: BTreeMap<RoomId, u64>,
    fence: u64,
}

fn peer(id: &str) -> PeerId {
    PeerId::new(id).unwrap()
}

fn room(id: &str) -> RoomId {
    RoomId::new(id).unwrap()
}

fn payload(text: &str) -> Payload {
    Payload::new(text.into(), 0)
}

fn node(name: &'static str) -> NodeId {
    NodeId(ByteString::from_static(name))
}

impl Board {
    fn new() -> Self {
        Self::with(Config::default())
    }

    fn with(config: Config) -> Self {
        Self {
            switchboard: Switchboard::new(node("here"), config, 1),
            now: Instant::now_for_tests(),
            told: BTreeMap::new(),
            asked: Vec::new(),
            dropped: Vec::new(),
            answers: true,
            versions: BTreeMap::new(),
            fence: 0,
        }
    }

    /// Connections that are members of room `r`, with nothing told yet.
    fn with_members(members: &[(u64, &str)]) -> Self {
        let mut board = Self::new();
        for (connection, id) in members {
            board.connect(*connection);
            board.announce(*connection, "r", id);
        }
        board.forget_told();
        board
    }

    fn forget_told(&mut self) {
        self.told.clear();
        self.asked.clear();
        self.dropped.clear();
    }

    fn connect(&mut self, connection: u64) {
        self.switchboard
            .handle_connect(ConnectionId(connection), Listing::Count);
    }

    fn message(&mut self, connection: u64, message: ClientMessage) {
        let connection = ConnectionId(connection);
        self.switchboard
            .handle_message(connection, &message, self.now);
        self.drain();
    }

    fn announce(&mut self, connection: u64, to: &str, id: &str) {
        self.message(
            connection,
            ClientMessage::Announce {
                room: room(to),
                peer: peer(id),
                attributes: payload(&format!("i am {id}")),
            },
        );
    }

    fn leave(&mut self, connection: u64) {
        self.message(connection, ClientMessage::Leave { sender: None });
    }

    fn send(&mut self, connection: u64, from: &str, to: &str, text: &str) {
        self.message(
            connection,
            ClientMessage::Send {
                sender: Some(from.into()),
                to: peer(to),
                payload: payload(text),
            },
        );
    }

    fn broadcast(&mut self, connection: u64, from: &str, text: &str) {
        self.message(
            connection,
            ClientMessage::Broadcast {
                sender: Some(from.into()),
                payload: payload(text),
            },
        );
    }

    fn disconnect(&mut self, connection: u64) {
        let connection = ConnectionId(connection);
        self.switchboard.handle_disconnect(connection, self.now);
        self.drain();
    }

    fn event(&mut self, event: ClusterEvent) {
        self.switchboard.handle_cluster(event, self.now);
        self.drain();
    }

    /// Lets time go by, timer by timer.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.switchboard.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.switchboard.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn drain(&mut self) {
        while let Some(output) = self.switchboard.poll_output() {
            match output {
                Output::Deliver { to, message } => {
                    for connection in to.as_slice() {
                        self.told
                            .entry(connection.0)
                            .or_default()
                            .push(words(&message));
                    }
                }
                Output::Dropped(reason) => self.dropped.push(reason),
                Output::Cluster(command) => {
                    self.asked.push(command.clone());
                    if self.answers {
                        self.answer(command);
                    }
                }
            }
        }
    }

    fn answer(&mut self, command: ClusterCommand) {
        match command {
            ClusterCommand::Join {
                connection,
                room,
                peer,
                attributes,
                ..
            } => {
                self.fence += 1;
                let version = self.versions.entry(room.clone()).or_default();
                *version += 1;
                let joined = ClusterEvent::Joined {
                    connection,
                    room: room.clone(),
                    fence: self.fence,
                    epoch: 1,
                    version: *version,
                    roster: Some(Vec::new()),
                };
                let echo = ClusterEvent::Changed(RosterChange {
                    room,
                    epoch: 1,
                    version: *version,
                    change: Change::Joined(RosterEntry {
                        peer,
                        node: node("here"),
                        fence: self.fence,
                        attributes,
                    }),
                });
                self.switchboard.handle_cluster(joined, self.now);
                self.switchboard.handle_cluster(echo, self.now);
            }
            ClusterCommand::Leave {
                room,
                peer,
                fence,
                reason,
            } => {
                let version = self.versions.entry(room.clone()).or_default();
                *version += 1;
                let echo = ClusterEvent::Changed(RosterChange {
                    room,
                    epoch: 1,
                    version: *version,
                    change: Change::Left {
                        peer,
                        node: node("here"),
                        fence,
                        reason,
                    },
                });
                self.switchboard.handle_cluster(echo, self.now);
            }
            ClusterCommand::Forget { .. }
            | ClusterCommand::Assert { .. }
            | ClusterCommand::Confirm { .. }
            | ClusterCommand::Pass { .. }
            | ClusterCommand::HandedOver { .. }
            | ClusterCommand::Send { .. }
            | ClusterCommand::Broadcast { .. } => {}
        }
    }

    #[track_caller]
    fn assert_told(&mut self, connection: u64, expected: &[&str]) {
        let told = self.told.remove(&connection).unwrap_or_default();
        assert_eq!(told, expected, "connection {connection}");
    }

    /// Nothing was told, asked or dropped that the test has not looked at.
    #[track_caller]
    fn assert_nothing_else(&self) {
        assert_eq!(self.told, BTreeMap::new());
        assert_eq!(self.dropped, []);
    }

    #[track_caller]
    fn assert_dropped(&mut self, expected: &[DropReason]) {
        assert_eq!(std::mem::take(&mut self.dropped), expected);
    }
}

fn words(message: &ServerMessage) -> String {
    match message {
        ServerMessage::RoomInfo { member_count } => format!("roominfo {member_count}"),
        ServerMessage::Joined { peer, .. } => format!("joined {peer}"),
        ServerMessage::Updated { peer, .. } => format!("updated {peer}"),
        ServerMessage::Resumed { peer, .. } => format!("resumed {peer}"),
        ServerMessage::Suspended { peer } => format!("suspended {peer}"),
        ServerMessage::Left { peer, reason } => format!("left {peer} {reason:?}"),
        ServerMessage::Message { from, payload } => format!("{from}: {}", payload.text()),
        ServerMessage::Superseded => "superseded".to_owned(),
        ServerMessage::Members {
            peers, is_whole, ..
        } => {
            let peers = peers.iter().map(|member| match member.suspended {
                true => format!(" {}?", member.peer),
                false => format!(" {}", member.peer),
            });
            let which = if *is_whole {
                ""
            } else {
                ", of those that are away,"
            };
            format!("members{which}{}", peers.collect::<String>())
        }
        ServerMessage::IdInUse { peer } => format!("in use {peer}"),
        ServerMessage::Answer { id, outcome } => match outcome {
            Outcome::Accepted { peer, .. } => format!("answer {id}: {peer}"),
            Outcome::Failed {
                reason,
                peer,
                message,
            } => {
                let peer = peer.as_ref().map(|peer| format!(" {peer}"));
                let message = message.as_ref().map(|message| format!(" {message}"));
                let (peer, message) = (peer.unwrap_or_default(), message.unwrap_or_default());
                format!("answer {id}: {}{peer}{message}", reason.label())
            }
        },
    }
}

/// The only clock of the tests: a start to count from.
trait Start {
    fn now_for_tests() -> Instant;
}

impl Start for Instant {
    #[expect(clippy::disallowed_methods, reason = "virtual time starts somewhere")]
    fn now_for_tests() -> Instant {
        Self::now()
    }
}

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_millis(1);
