//! A directory beside the rooms: nobody is told of anybody, and whoever is there is found by its id.

use std::collections::{BTreeMap, BTreeSet};

use bytestring::ByteString;
use protocol::{ClientMessage, Payload, PeerId, RoomId, ServerMessage};
use switchboard::ConnectionId;

use crate::{
    node::{Input, MILLISECOND, SECOND, Time},
    world::{Happening, World},
};

/// Ids in a directory.
const IDS: usize = 5;

/// Those who have an id in the directory, by number.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    dwellers: Vec<Dweller>,
    owners: BTreeMap<u64, usize>,
    /// To whom each message is said.
    said: Vec<usize>,
    heard: BTreeSet<usize>,
    /// What must be heard: said when all was quiet to an id that was there.
    expected: Vec<usize>,
}

#[derive(Debug, Default)]
struct Dweller {
    session: Option<Session>,
    away_until: Time,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    node: usize,
    connection: u64,
    announced: bool,
    answered: bool,
}

impl Directory {
    pub(crate) fn new() -> Self {
        Self {
            dwellers: (0..IDS).map(|_| Dweller::default()).collect(),
            ..Self::default()
        }
    }
}

fn id(dweller: usize) -> PeerId {
    PeerId::new(format!("id{dweller}")).unwrap()
}

fn directory() -> RoomId {
    RoomId::directory("d").unwrap()
}

impl World {
    /// What those in the directory do in a round, until then.
    pub(crate) fn plan_directory(&mut self, start: Time, active: Time) {
        let dwellers = self.directory.as_ref().map_or(0, |it| it.dwellers.len());
        for dweller in 0..dwellers {
            for _ in 0..self.random.between(4, 12) {
                let at = self.random.between(start, active);
                self.at(at, Happening::Dwell(dweller));
            }
            // Whoever is away when the troubles begin to end is back then.
            self.at(active, Happening::Dwell(dweller));
        }
    }

    pub(crate) fn dwell(&mut self, dweller: usize) {
        let now = self.now;
        let chance = self.random.below(100);
        let Some(directory) = &mut self.directory else {
            return;
        };
        let state = &mut directory.dwellers[dweller];
        if state.away_until > now {
            return;
        }
        self.last_act = self.last_act.max(now);
        let alive = state.session.filter(|it| self.nodes[it.node].is_alive);
        let Some(session) = alive else {
            self.move_in(dweller);
            return;
        };
        if self.nodes[session.node].frozen {
            return;
        }
        if !session.announced {
            self.announce_id(dweller, session);
            return;
        }
        match chance {
            0..=59 => {
                let to = self.random.below(IDS);
                self.look_up(dweller, session, to, false);
            }
            60..=69 => {
                let message = ClientMessage::Leave { sender: None };
                let left = Session {
                    announced: false,
                    answered: false,
                    ..session
                };
                self.set_session(dweller, Some(left));
                self.tell_node(session, message);
            }
            _ => self.move_out(dweller, session),
        }
    }

    fn set_session(&mut self, dweller: usize, session: Option<Session>) {
        if let Some(directory) = &mut self.directory {
            directory.dwellers[dweller].session = session;
        }
    }

    fn move_in(&mut self, dweller: usize) {
        let nodes: Vec<usize> = (0..self.nodes.len())
            .filter(|node| self.nodes[*node].is_alive)
            .collect();
        if nodes.is_empty() {
            return;
        }
        let node = *self.random.pick(&nodes);
        self.connections += 1;
        let connection = self.connections;
        if let Some(directory) = &mut self.directory {
            directory.owners.insert(connection, dweller);
        }
        self.input(node, Input::Opened(ConnectionId(connection)));
        let session = Session {
            node,
            connection,
            announced: false,
            answered: false,
        };
        self.announce_id(dweller, session);
    }

    fn announce_id(&mut self, dweller: usize, session: Session) {
        let session = Session {
            announced: true,
            ..session
        };
        self.set_session(dweller, Some(session));
        self.note(|| format!("id{dweller} announces itself at n{}", session.node));
        let announce = ClientMessage::Announce {
            room: directory(),
            peer: id(dweller),
            attributes: Payload::new("i".into(), 0),
        };
        self.tell_node(session, announce);
    }

    /// The socket breaks; the node notices at once or later.
    fn move_out(&mut self, dweller: usize, session: Session) {
        let away = self.random.between(0, 12 * SECOND);
        let noticed = self.random.below(2) as Time * self.random.between(0, 2 * SECOND);
        let back = self.now + away;
        self.note(|| format!("id{dweller} loses {}", session.connection));
        if let Some(directory) = &mut self.directory {
            directory.dwellers[dweller].session = None;
            directory.dwellers[dweller].away_until = back;
        }
        self.last_act = self.last_act.max(back);
        let lost = Input::Lost(ConnectionId(session.connection));
        self.later(self.now + noticed, session.node, lost);
        self.at(back + MILLISECOND, Happening::Dwell(dweller));
    }

    fn look_up(&mut self, dweller: usize, session: Session, to: usize, expected: bool) {
        let Some(directory) = &mut self.directory else {
            return;
        };
        if to == dweller || !session.answered {
            return;
        }
        let number = directory.said.len();
        directory.said.push(to);
        if expected {
            directory.expected.push(number);
        }
        self.note(|| format!("id{dweller} says {number} to id{to}"));
        let message = ClientMessage::Send {
            sender: None,
            to: id(to),
            payload: Payload::new(number.to_string().into(), 0),
        };
        self.tell_node(session, message);
    }

    fn tell_node(&mut self, session: Session, message: ClientMessage) {
        let connection = ConnectionId(session.connection);
        self.input(session.node, Input::Frame(connection, message));
    }

    /// A node writes something to somebody in the directory; false when to somebody else.
    pub(crate) fn told_in_directory(&mut self, connection: u64, message: &ServerMessage) -> bool {
        let now = self.now;
        let Some(directory) = &mut self.directory else {
            return false;
        };
        let Some(dweller) = directory.owners.get(&connection).copied() else {
            return false;
        };
        let session = directory.dwellers[dweller].session.as_mut();
        let session = session.filter(|session| session.connection == connection);
        match message {
            ServerMessage::RoomInfo { .. } => {
                if let Some(session) = session {
                    session.answered = session.announced;
                }
            }
            // What the node where it was entered late looked like a later claim.
            ServerMessage::Superseded => {
                if let Some(session) = session.map(|session| *session) {
                    self.move_out(dweller, session);
                }
            }
            ServerMessage::Message { payload, .. } => {
                let number: usize = payload.text().parse().unwrap();
                if directory.said.get(number) != Some(&dweller) {
                    let wrong = || format!("id{dweller} hears message {number} of another");
                    self.oracle.wrong(now, wrong);
                } else if !directory.heard.insert(number) {
                    let wrong = || format!("id{dweller} hears message {number} twice");
                    self.oracle.wrong(now, wrong);
                }
            }
            ServerMessage::Members { .. }
            | ServerMessage::IdInUse { .. }
            | ServerMessage::Answer { .. }
            | ServerMessage::Joined { .. }
            | ServerMessage::Updated { .. }
            | ServerMessage::Resumed { .. }
            | ServerMessage::Suspended { .. }
            | ServerMessage::Left { .. } => {
                let wrong = || format!("id{dweller} of a directory is told {message:?}");
                self.oracle.wrong(now, wrong);
            }
        }
        true
    }

    /// Who is there, and at which node.
    fn dwellers(&self) -> BTreeMap<usize, Session> {
        let dwellers = self.directory.iter().flat_map(|it| &it.dwellers);
        dwellers
            .enumerate()
            .filter_map(|(dweller, state)| Some((dweller, state.session?)))
            .filter(|(_, session)| session.announced && self.nodes[session.node].is_alive)
            .collect()
    }

    /// When all is quiet: everybody is where it says, and says something to every id.
    pub(crate) fn probe_directory(&mut self) {
        let there = self.dwellers();
        for (dweller, session) in &there {
            if !session.answered {
                let wrong = || format!("id{dweller} was not answered");
                self.oracle.wrong(self.now, wrong);
            }
            for to in 0..IDS {
                self.look_up(*dweller, *session, to, there.contains_key(&to));
            }
        }
    }

    /// Whoever is there was found, and nobody else is.
    pub(crate) fn check_directory(&mut self) {
        let there = self.dwellers();
        let Some(state) = &mut self.directory else {
            return;
        };
        let mut wrong = Vec::new();
        for number in std::mem::take(&mut state.expected) {
            if !state.heard.contains(&number) {
                let to = state.said[number];
                wrong.push(format!("message {number} has not found id{to}"));
            }
        }
        let truth: BTreeMap<ByteString, String> = there
            .iter()
            .map(|(dweller, session)| {
                let entry = directory().place_of(&id(*dweller));
                (entry.into(), format!("n{}", session.node))
            })
            .collect();
        let entered: BTreeMap<ByteString, String> = self
            .server
            .store
            .rosters()
            .into_iter()
            .filter(|(room, _)| room.contains('|'))
            .flat_map(|(room, members)| {
                let nodes = members.into_values();
                nodes.map(move |node| (room.clone(), node.to_string()))
            })
            .collect();
        if entered != truth {
            wrong.push(format!("the store has {entered:?} and not {truth:?}"));
        }
        for node in 0..self.nodes.len() {
            for dweller in (0..IDS).filter(|_| self.nodes[node].is_alive) {
                let entry = directory().place_of(&id(dweller));
                let mut members = self.nodes[node].switchboard.members(&entry);
                let known = members.next().map(|(_, node)| node.0.to_string());
                if known.is_some() && known.as_ref() != truth.get(&ByteString::from(entry.clone()))
                {
                    wrong.push(format!("node {node} has id{dweller} at {known:?}"));
                }
            }
        }
        if !wrong.is_empty() {
            self.oracle.wrong(self.now, || wrong.join(", "));
        }
    }

    /// Everybody goes.
    pub(crate) fn close_directory(&mut self) {
        for (dweller, session) in self.dwellers() {
            self.move_out(dweller, session);
            if let Some(directory) = &mut self.directory {
                directory.dwellers[dweller].away_until = Time::MAX;
            }
        }
    }
}
