//! What the applications of native peers do, left to chance.

use std::time::Duration;

use client::{Asked, Json, Wanted};

use super::{
    Natives, Turn,
    peer::{What, peer_id, request_name},
};
use crate::{
    node::{MILLISECOND, SECOND, Time, instant},
    world::World,
};

/// By then a client knows that a socket is dead of which nobody tells it.
pub(super) const UNNOTICED: Time = 25 * SECOND;

pub(super) fn json(text: &str) -> Json {
    Json::new(text).unwrap()
}

impl Natives {
    /// A peer's application does something.
    pub(super) fn act(&mut self, world: &mut World, peer: usize) {
        if self.is_closing {
            return;
        }
        let state = &self.peers[peer];
        if state.is_thief {
            self.steal(world, peer);
            return;
        }
        if let Some(next) = state.over {
            if next <= world.now {
                self.begin(world, peer);
            }
            return;
        }
        if !state.wants {
            self.announce(world, peer);
            return;
        }
        self.busy(world.now);
        match self.random.below(100) {
            0..=44 => {
                let count = match self.random.percent(20) {
                    true => self.random.between(2, 10),
                    false => 1,
                };
                if let Some(to) = self.somebody(peer) {
                    for _ in 0..count {
                        self.say(world, peer, to);
                    }
                }
            }
            45..=50 => self.broadcast(world, peer),
            51..=66 => self.ask_somebody(world, peer),
            67..=71 => self.announce(world, peer),
            72..=75 => self.leave(world, peer),
            76..=94 => self.lose(world, peer),
            95..=96 => self.quit(world, peer, false),
            97 => {
                self.peers[peer].session.leave();
                self.peers[peer].wants = false;
                self.judge.left(peer, self.peers[peer].line, world.now);
                self.settle_down(world, peer);
                self.quit(world, peer, false);
            }
            _ => self.vanish(world, peer),
        }
    }

    /// Begins another life, and enters the room.
    pub(super) fn begin(&mut self, world: &mut World, peer: usize) {
        self.lives += 1;
        let life = self.lives;
        self.peers[peer].begin(life, world.now);
        world.note(|| format!("native {peer} begins life {life}"));
        self.announce(world, peer);
    }

    pub(super) fn announce(&mut self, world: &mut World, peer: usize) {
        let now = instant(world.now);
        self.busy(world.now);
        let mood = self.random.below(3);
        let state = &mut self.peers[peer];
        state.wants = true;
        let data = json(&format!(r#"{{"name":"v{}","mood":{mood}}}"#, state.key));
        world.note(|| format!("native {peer} announces {}", data.as_str()));
        self.ask(peer, What::Announce, |session| session.announce(now, data));
    }

    /// Somebody of its room, mostly one that it knows.
    fn somebody(&mut self, peer: usize) -> Option<usize> {
        let state = &self.peers[peer];
        let mates = self.peers.iter();
        let mates = mates.filter(|mate| {
            let is_known = state
                .session
                .members()
                .any(|member| member.peer == peer_id(mate.key));
            let is_mate = !mate.is_thief && mate.room == state.room && mate.key != state.key;
            is_mate && (is_known || state.life.is_multiple_of(5))
        });
        let mates: Vec<usize> = mates.map(|mate| mate.key).collect();
        (!mates.is_empty()).then(|| *self.random.pick(&mates))
    }

    pub(super) fn say(&mut self, world: &mut World, peer: usize, to: usize) {
        let now = instant(world.now);
        let state = &self.peers[peer];
        if !state.wants {
            return;
        }
        let number = self.judge.says(peer, state.stint, to, world.now);
        world.note(|| format!("native {peer} says {number} to v{to}"));
        let body = json(&number.to_string());
        let to = peer_id(to);
        self.ask(peer, What::Said(number), |session| {
            session.send(now, to, body)
        });
    }

    fn broadcast(&mut self, world: &mut World, peer: usize) {
        let number = self
            .judge
            .broadcasts(peer, self.peers[peer].stint, world.now);
        world.note(|| format!("native {peer} says {number} to all"));
        let said = self.peers[peer]
            .session
            .broadcast(json(&number.to_string()));
        assert_eq!(said, Ok(()), "there is always room for a broadcast");
    }

    fn ask_somebody(&mut self, world: &mut World, peer: usize) {
        let timeout = match self.random.below(4) {
            0 => None,
            1 => Some(SECOND),
            2 => Some(self.random.between(100 * MILLISECOND, 4 * SECOND)),
            _ => Some(self.random.between(4 * SECOND, 9 * SECOND)),
        };
        self.request(world, peer, timeout);
    }

    pub(super) fn request(&mut self, world: &mut World, peer: usize, timeout: Option<Time>) {
        let now = instant(world.now);
        let Some(to) = self.somebody(peer) else {
            return;
        };
        let by_mood = self.random.percent(30);
        let mood = self.random.below(3);
        let state = &self.peers[peer];
        // The longest default is the client's own.
        let until = world.now + timeout.unwrap_or(4 * SECOND);
        let name = request_name(state.life, state.issued + 1);
        let wanted = match by_mood {
            true => Wanted::Match(json(&format!(r#"{{"mood":{mood}}}"#))),
            false => Wanted::Peer(peer_id(to)),
        };
        let whom = (!by_mood).then_some(to);
        let is_behind = state.tickets.values().any(|what| *what == What::Announce);
        let times = (world.now, until);
        let number = self.judge.asks(peer, name, (whom, is_behind), times);
        world.note(|| format!("native {peer} asks {number} for {wanted:?} until {until}"));
        let timeout = timeout.map(Duration::from_micros);
        self.ask(peer, What::Asked(number), |session| {
            session.request(now, wanted, timeout)
        });
    }

    /// Says yes or no to a request of another's.
    pub(super) fn reply(&mut self, world: &mut World, peer: usize, asked: &Asked, is_yes: bool) {
        let state = &mut self.peers[peer];
        let key = state.key;
        world.note(|| format!("native {peer} says {is_yes} to {asked:?}"));
        if is_yes {
            state.session.accept(&asked.from, &asked.id);
        } else {
            state.session.decline(&asked.from, &asked.id, Some("no"));
        }
        self.judge.replied(key, &asked.id, is_yes);
    }

    fn leave(&mut self, world: &mut World, peer: usize) {
        world.note(|| format!("native {peer} leaves"));
        self.judge.left(peer, self.peers[peer].line, world.now);
        self.lives += 1;
        let state = &mut self.peers[peer];
        state.session.leave();
        state.wants = false;
        state.stint = self.lives;
        self.settle_down(world, peer);
        if self.random.percent(40) {
            self.announce(world, peer);
        } else {
            let at = world.now + self.random.between(100 * MILLISECOND, 4 * SECOND);
            world.native_at(at, Turn::Act(peer));
        }
    }

    /// How long a peer is without a network.
    fn outage(&mut self, window: Time) -> Time {
        match self.random.below(12) {
            0..=3 => 0,
            4..=7 => self.random.between(0, 2 * SECOND),
            8 | 9 => self.random.between(2 * SECOND, window - 2 * SECOND),
            10 => self
                .random
                .between(window - 2 * SECOND, window + 2 * SECOND),
            _ => self
                .random
                .between(window + 2 * SECOND, window + 6 * SECOND),
        }
    }

    /// The socket of a peer breaks, and it knows; or nobody does.
    fn lose(&mut self, world: &mut World, peer: usize) {
        let Some(connection) = self.peers[peer].line else {
            return;
        };
        let outage = self.outage(world.window);
        world.note(|| format!("native {peer} loses {connection}, for {outage}"));
        self.peers[peer].offline_until = world.now + outage;
        self.busy(world.now + outage);
        if self.random.percent(6) {
            let noticed = self.random.between(2 * SECOND, 20 * SECOND);
            self.break_line(world, connection, noticed);
            self.busy(world.now + UNNOTICED);
            return;
        }
        let noticed = self.notice();
        self.break_line(world, connection, noticed);
        self.lost(world, peer);
    }

    /// Its process ends without a word, and forgets who it was: whoever comes later is another owner's.
    fn vanish(&mut self, world: &mut World, peer: usize) {
        self.quit(world, peer, false);
        let state = &mut self.peers[peer];
        state.kept = None;
        let away = world.window + self.random.between(0, 8 * SECOND);
        state.over = Some(world.now + away);
        self.busy(world.now + away);
        world.native_at(world.now + away + MILLISECOND, Turn::Act(peer));
    }

    /// Announces another peer's id, with an owner of its own.
    fn steal(&mut self, world: &mut World, peer: usize) {
        if !self.peers[peer].is_over() {
            return;
        }
        let victims: Vec<(usize, usize)> = self
            .peers
            .iter()
            .filter(|mate| !mate.is_thief)
            .map(|mate| (mate.room, mate.key))
            .collect();
        let (room, key) = *self.random.pick(&victims);
        let state = &mut self.peers[peer];
        (state.room, state.key, state.kept) = (room, key, None);
        self.begin(world, peer);
        let life = self.peers[peer].life;
        world.native_at(world.now + 4 * SECOND, Turn::GiveBack(peer, life));
    }
}
