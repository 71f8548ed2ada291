//! Random lives of a few peers in two rooms, against a model of a few lines.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Announce { connection: u64, room: u8, id: u8 },
    Leave(u64),
    Say { connection: u64, id: u8 },
    Lose(u64),
    Pass(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let connection = 0..6u64;
    prop_oneof![
        4 => (connection.clone(), 0..2u8, 0..4u8)
            .prop_map(|(connection, room, id)| Step::Announce { connection, room, id }),
        1 => connection.clone().prop_map(Step::Leave),
        4 => (connection.clone(), 0..4u8).prop_map(|(connection, id)| Step::Say { connection, id }),
        2 => connection.prop_map(Step::Lose),
        2 => (0..9_000u16).prop_map(Step::Pass),
    ]
}

/// Who is in which room, and the connection that speaks for each, or when the suspension ends.
#[derive(Default)]
struct Model {
    seats: BTreeMap<(u8, u8), Speaker>,
    muted: BTreeMap<u64, (u8, u8)>,
    clock: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaker {
    Connection(u64),
    SuspendedUntil(u64),
}

impl Model {
    fn seat_of(&self, connection: u64) -> Option<(u8, u8)> {
        self.seats
            .iter()
            .find(|(_, speaker)| **speaker == Speaker::Connection(connection))
            .map(|(seat, _)| *seat)
    }

    fn announce(&mut self, connection: u64, seat: (u8, u8)) {
        if self.muted.get(&connection) == Some(&seat) && self.seats.contains_key(&seat) {
            return;
        }
        self.muted.remove(&connection);
        if let Some(old) = self.seat_of(connection).filter(|old| *old != seat) {
            self.seats.remove(&old);
        }
        if let Some(Speaker::Connection(other)) = self.seats.get(&seat)
            && *other != connection
        {
            self.muted.insert(*other, seat);
        }
        self.seats.insert(seat, Speaker::Connection(connection));
    }

    fn lose(&mut self, connection: u64) {
        self.muted.remove(&connection);
        if let Some(seat) = self.seat_of(connection) {
            let until = self.clock + 8_000;
            self.seats.insert(seat, Speaker::SuspendedUntil(until));
        }
    }

    fn pass(&mut self, ms: u64) {
        self.clock += ms;
        let clock = self.clock;
        self.seats.retain(
            |_, speaker| !matches!(speaker, Speaker::SuspendedUntil(until) if *until <= clock),
        );
    }
}

/// What one connection has been told of a room's peers, folded into a set: each peer is joined once before
/// it is left once, and never twice in a row.
#[derive(Default)]
struct Observer {
    known: BTreeMap<String, bool>,
}

impl Observer {
    fn hear(&mut self, words: &str) -> Result<(), TestCaseError> {
        let (verb, rest) = words.split_once(' ').unwrap_or((words, ""));
        let peer = rest.split(' ').next().unwrap_or_default().to_owned();
        match verb {
            "joined" => {
                prop_assert_ne!(self.known.insert(peer, true), Some(true), "{}", words);
            }
            "left" => {
                prop_assert_ne!(self.known.insert(peer, false), Some(false), "{}", words);
            }
            // Present before this observer was.
            "updated" | "resumed" | "suspended" => {
                prop_assert_ne!(self.known.insert(peer, true), Some(false), "{}", words);
            }
            _ => {}
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn rosters_and_what_observers_are_told_agree_with_the_model(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let mut board = Board::new();
        let mut model = Model::default();
        // Connections are never reused: the n-th life of slot c is c + 100 n.
        let mut lives: BTreeMap<u64, u64> = (0..6).map(|slot| (slot, slot)).collect();
        let mut observers: BTreeMap<u64, ((u8, u8), Observer)> = BTreeMap::new();
        for slot in 0..6 {
            board.connect(slot);
        }
        for step in steps {
            match step {
                Step::Announce { connection, room, id } => {
                    let connection = lives[&connection];
                    board.announce(connection, &room.to_string(), &format!("p{id}"));
                    model.announce(connection, (room, id));
                }
                Step::Leave(connection) => {
                    let connection = lives[&connection];
                    board.leave(connection);
                    if let Some(seat) = model.seat_of(connection) {
                        model.seats.remove(&seat);
                    }
                }
                Step::Say { connection, id } => {
                    let connection = lives[&connection];
                    if let Some((room, me)) = model.seat_of(connection) {
                        board.told.clear();
                        board.send(connection, &format!("p{me}"), &format!("p{id}"), "x");
                        let expected = match model.seats.get(&(room, id)) {
                            Some(Speaker::Connection(receiver)) => vec![*receiver],
                            Some(Speaker::SuspendedUntil(_)) | None => vec![],
                        };
                        let told: Vec<u64> = board.told.keys().copied().collect();
                        prop_assert_eq!(told, expected);
                        board.told.clear();
                    }
                }
                Step::Lose(slot) => {
                    let connection = lives[&slot];
                    board.disconnect(connection);
                    model.lose(connection);
                    lives.insert(slot, connection + 100);
                    board.connect(connection + 100);
                }
                Step::Pass(ms) => {
                    board.pass(Duration::from_millis(ms.into()));
                    model.pass(ms.into());
                }
            }
            for (connection, words) in std::mem::take(&mut board.told) {
                let Some(seat) = model.seat_of(connection) else {
                    prop_assert!(words.iter().any(|word| word == "superseded"), "{words:?}");
                    continue;
                };
                let observer = observers.entry(connection).or_default();
                if observer.0 != seat {
                    *observer = (seat, Observer::default());
                }
                // What happened while it was suspended is replayed and was checked when it happened.
                if words.iter().any(|word| word.starts_with("roominfo")) {
                    *observer = (seat, Observer::default());
                    continue;
                }
                for word in words {
                    observer.1.hear(&word)?;
                }
            }
            let seats: Vec<(String, String)> = model
                .seats
                .keys()
                .map(|(room, id)| (room.to_string(), format!("p{id}")))
                .collect();
            prop_assert_eq!(roster(&board), seats);
            let suspended = model
                .seats
                .values()
                .filter(|speaker| matches!(speaker, Speaker::SuspendedUntil(_)))
                .count();
            let stats = board.switchboard.stats();
            prop_assert_eq!(stats.members, model.seats.len());
            prop_assert_eq!(stats.suspended, suspended);
        }
        board.pass(60 * SECOND);
        for connection in lives.values() {
            board.disconnect(*connection);
        }
        board.pass(60 * SECOND);
        let stats = board.switchboard.stats();
        prop_assert_eq!(stats, crate::Stats::default());
        prop_assert_eq!(board.switchboard.poll_timeout(), None);
    }
}

fn roster(board: &Board) -> Vec<(String, String)> {
    let mut roster: Vec<_> = board
        .switchboard
        .rooms
        .iter()
        .flat_map(|(room, state)| {
            state
                .members
                .keys()
                .map(|peer| (room.to_string(), peer.to_string()))
        })
        .collect();
    roster.sort();
    roster
}
