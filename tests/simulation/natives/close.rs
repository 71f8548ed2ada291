//! How lives of native peers end, and what is looked at when all is quiet.

use std::collections::BTreeMap;

use client::Failure;

use super::{
    Natives, Turn,
    acts::UNNOTICED,
    peer::{Peer, key_of, peer_id, room_id},
};
use crate::{
    node::{MILLISECOND, SECOND, Time, instant},
    world::World,
};

impl Natives {
    /// Another life follows, if none is said, soon.
    fn end(&mut self, world: &mut World, peer: usize, code: Option<u16>) {
        let state = &mut self.peers[peer];
        let kept = state.session.keepsake();
        state.session.handle_disconnected(instant(world.now));
        state.session.give_up(&Failure::Closed {
            code,
            reason: "over".into(),
        });
        state.dialer.close();
        state.kept = kept;
        let pause = self.random.between(10 * MILLISECOND, 2 * SECOND);
        self.peers[peer].over = Some(world.now + pause);
        self.settle_down(world, peer);
        let state = &mut self.peers[peer];
        (state.line, state.is_open, state.present_since) = (None, false, None);
        if !state.is_thief && !self.is_closing {
            world.native_at(world.now + pause + MILLISECOND, Turn::Act(peer));
        }
        self.busy(world.now);
    }

    /// A node has closed a connection: another one speaks for its peer, and it is not to come back.
    pub(super) fn closed(&mut self, world: &mut World, peer: usize, connection: u64) {
        world.note(|| format!("native {peer} is superseded"));
        self.break_line(world, connection, MILLISECOND);
        self.end(world, peer, Some(3502));
    }

    /// A peer closes its socket; before that it leaves, or does not.
    pub(super) fn quit(&mut self, world: &mut World, peer: usize, leaves: bool) {
        world.note(|| format!("native {peer} quits"));
        if leaves {
            self.peers[peer].session.leave();
            self.judge.left(peer, self.peers[peer].line, world.now);
            self.settle_down(world, peer);
        }
        if let Some(connection) = self.peers[peer].line {
            self.hang_up(world, connection);
        }
        self.end(world, peer, None);
    }

    pub(super) fn lives(&self, peer: usize, life: u64) -> Option<usize> {
        let state = &self.peers[peer];
        (state.life == life && !state.is_over()).then_some(peer)
    }

    pub(super) fn lines_at(&self, node: usize) -> Vec<u64> {
        let lines = self.lines.iter();
        let lines = lines.filter(|(_, line)| line.node == node);
        lines.map(|(connection, _)| *connection).collect()
    }

    /// A socket ends with its node, of which its peer mostly knows at once.
    pub(super) fn die(&mut self, world: &mut World, connection: u64) {
        let speaker = self.speaker(connection);
        self.lines.remove(&connection);
        if let Some(peer) = speaker
            && self.random.percent(90)
        {
            self.lost(world, peer);
            self.settle_down(world, peer);
        } else {
            self.busy(world.now + UNNOTICED);
        }
    }
}

impl World {
    /// Until when something goes on among native peers: now, if they are not where they want to be.
    pub(crate) fn natives_busy(&self) -> Time {
        self.natives.as_ref().map_or(0, |natives| {
            let is_quiet = natives.peers.iter().all(|peer| peer.is_at_rest(self.now));
            match is_quiet {
                true => natives.busy_until,
                false => natives.busy_until.max(self.now),
            }
        })
    }

    /// Who of the native peers is in which room, and at which node.
    fn native_truth(&self) -> BTreeMap<usize, BTreeMap<usize, usize>> {
        let mut truth: BTreeMap<usize, BTreeMap<usize, usize>> = BTreeMap::new();
        let Some(natives) = &self.natives else {
            return truth;
        };
        for peer in natives.peers.iter().filter(|peer| !peer.is_over()) {
            let line = peer.line.and_then(|line| natives.lines.get(&line));
            if let Some(line) = line.filter(|_| peer.session.is_present()) {
                let room = truth.entry(peer.room).or_default();
                room.insert(peer.key, line.node);
            }
        }
        truth
    }

    /// When all is quiet: what everybody knows is the truth, and nothing is left open.
    pub(crate) fn check_natives(&mut self) {
        let truth = self.native_truth();
        let Some(natives) = &self.natives else {
            return;
        };
        let mut wrong = Vec::new();
        for (number, peer) in natives.peers.iter().enumerate() {
            if !peer.tickets.is_empty() {
                wrong.push(format!("native {number} waits for {:?}", peer.tickets));
            }
            let Some(there) = truth.get(&peer.room).filter(|_| !peer.is_over()) else {
                continue;
            };
            if !peer.wants {
                continue;
            }
            let Some(node) = there.get(&peer.key) else {
                wrong.push(format!("native {number} is not in its room"));
                continue;
            };
            let members = peer.session.members();
            let known: BTreeMap<usize, bool> = members
                .map(|member| (key_of(&member.peer), member.suspended))
                .collect();
            let others = there.keys().filter(|key| **key != peer.key);
            let expected: BTreeMap<usize, bool> = others.map(|key| (*key, false)).collect();
            if known != expected {
                wrong.push(format!(
                    "native {number} knows {known:?} (who is suspended) and not {expected:?}"
                ));
            }
            let room = room_id(peer.room);
            let members = self.nodes[*node].switchboard.members(&room);
            let roster: BTreeMap<usize, usize> = members
                .map(|(peer, node)| (key_of(peer), node.0[1..].parse().unwrap()))
                .collect();
            if roster != *there {
                wrong.push(format!(
                    "node {node} has v{} as {roster:?} and not {there:?}",
                    peer.room
                ));
            }
        }
        let mut entered: BTreeMap<usize, BTreeMap<usize, usize>> = BTreeMap::new();
        let rosters = self.server.store.rosters().into_iter();
        for (room, members) in rosters.filter(|(room, _)| room.starts_with('v')) {
            let room = entered.entry(room[1..].parse().unwrap()).or_default();
            for (member, node) in members {
                let node = node.0[1..].parse().unwrap();
                room.insert(member[1..].parse().unwrap(), node);
            }
        }
        if entered != truth {
            wrong.push(format!("the store has {entered:?} and not {truth:?}"));
        }
        if !wrong.is_empty() {
            self.oracle.wrong(self.now, || wrong.join(", "));
        }
    }

    /// When all is quiet: everybody says something to everybody, and asks for somebody.
    pub(crate) fn probe_natives(&mut self) {
        let Some(mut natives) = self.natives.take() else {
            return;
        };
        for peer in 0..natives.peers.len() {
            if natives.peers[peer].is_over() || !natives.peers[peer].wants {
                continue;
            }
            for mate in 0..natives.peers.len() {
                let (one, other) = (&natives.peers[peer], &natives.peers[mate]);
                if other.room == one.room && other.key != one.key && !other.is_thief {
                    let to = other.key;
                    natives.say(self, peer, to);
                }
            }
            natives.request(self, peer, Some(SECOND));
            natives.settle_down(self, peer);
        }
        natives.report(self);
        self.natives = Some(natives);
    }

    /// A native peer that is not alone loses its connection, for longer than a second.
    pub(crate) fn lose_one_native(&mut self) -> Option<usize> {
        let mut natives = self.natives.take()?;
        let is_there = |peer: &Peer| !peer.is_over() && peer.wants && peer.line.is_some();
        let lost = natives.peers.iter().position(is_there);
        if let Some(peer) = lost
            && let Some(connection) = natives.peers[peer].line
        {
            self.note(|| format!("native {peer} loses {connection}, for all to see"));
            natives.peers[peer].offline_until = self.now + SECOND + 300 * MILLISECOND;
            natives.break_line(self, connection, 0);
            natives.lost(self, peer);
            natives.settle_down(self, peer);
        }
        self.natives = Some(natives);
        lost
    }

    /// Everybody goes.
    pub(crate) fn close_natives(&mut self) {
        let Some(mut natives) = self.natives.take() else {
            return;
        };
        natives.is_closing = true;
        for peer in 0..natives.peers.len() {
            if natives.peers[peer].is_over() {
                continue;
            }
            let leaves = natives.random.percent(50);
            natives.quit(self, peer, leaves);
            natives.peers[peer].over = Some(Time::MAX);
        }
        natives.report(self);
        self.natives = Some(natives);
    }

    /// Whether everybody who is there knows a peer of its room as suspended, and nobody else.
    pub(crate) fn check_suspended(&mut self, lost: usize) {
        let Some(natives) = &self.natives else {
            return;
        };
        let away = &natives.peers[lost];
        let observers = natives.peers.iter().filter(|peer| {
            !peer.is_over() && peer.wants && peer.room == away.room && peer.key != away.key
        });
        let mut wrong = Vec::new();
        for peer in observers {
            let flags = peer.session.members();
            let suspended: Vec<_> = flags.filter(|member| member.suspended).collect();
            let is_right = suspended.len() == 1 && suspended[0].peer == peer_id(away.key);
            if !is_right {
                wrong.push(format!(
                    "v{} lost its connection, and v{} knows {suspended:?}",
                    away.key, peer.key
                ));
            }
        }
        if !wrong.is_empty() {
            self.oracle.wrong(self.now, || wrong.join(", "));
        }
    }
}
