//! Sockets between native peers and nodes: each keeps the order of what it carries, takes its time, and when it breaks,
//! what is on its way in either direction is lost. Either end may learn of that later.

use bytestring::ByteString;
use switchboard::ConnectionId;

use super::{Natives, Turn};
use crate::{
    node::{Input, MILLISECOND, SECOND, Time, instant},
    world::{Happening, World},
};

#[derive(Debug)]
pub(crate) struct Line {
    pub(super) peer: usize,
    pub(super) life: u64,
    pub(super) node: usize,
    /// When the last thing arrives, at the node and at the peer.
    up: Time,
    down: Time,
    slow: Time,
    pub(super) is_broken: bool,
}

impl World {
    pub(super) fn native_at(&mut self, at: Time, turn: Turn) {
        self.at(at, Happening::Native(turn));
    }

    /// Something a peer has written arrives at its node.
    pub(super) fn arrive_at_node(&mut self, connection: u64, input: Input) {
        let natives = self.natives.as_ref();
        let line = natives.and_then(|natives| natives.lines.get(&connection));
        if let Some(node) = line.filter(|line| !line.is_broken).map(|line| line.node) {
            self.input(node, input);
        }
    }

    /// A node knows that a socket is gone.
    pub(super) fn notice_at_node(&mut self, connection: u64) {
        let natives = self.natives.as_mut();
        let line = natives.and_then(|natives| natives.lines.remove(&connection));
        if let Some(line) = line {
            self.note(|| format!("n{} knows that {connection} is lost", line.node));
            self.input(line.node, Input::Lost(ConnectionId(connection)));
        }
    }

    /// A node has accepted a socket, writes to it or closes it.
    pub(crate) fn carry_to_native(&mut self, connection: u64, what: impl FnOnce(u64) -> Turn) {
        let now = self.now;
        let Some(natives) = &mut self.natives else {
            return;
        };
        let Some(line) = natives.lines.get_mut(&connection) else {
            return;
        };
        let delay = natives.random.between(100, line.slow);
        line.down = line.down.max(now + delay);
        let at = line.down;
        self.native_at(at, what(connection));
    }
}

impl Natives {
    /// A peer makes a socket, to a node that a balancer picks.
    pub(super) fn dial(&mut self, world: &mut World, peer: usize) {
        let now = world.now;
        let nodes: Vec<usize> = (0..world.nodes.len())
            .filter(|node| world.nodes[*node].is_alive)
            .collect();
        world.connections += 1;
        let connection = world.connections;
        let state = &mut self.peers[peer];
        state.line = Some(connection);
        state.is_open = false;
        state.present_since = None;
        if state.offline_until > now || nodes.is_empty() {
            let at = now + self.random.between(5 * MILLISECOND, 100 * MILLISECOND);
            world.native_at(at, Turn::Refused(peer, connection));
            return;
        }
        let old = state.last_node.filter(|old| nodes.contains(old));
        let node = match old {
            Some(old) if self.random.percent(40) => old,
            Some(_) | None => *self.random.pick(&nodes),
        };
        state.last_node = Some(node);
        let slow = match self.random.percent(15) {
            true => 80 * MILLISECOND,
            false => 4 * MILLISECOND,
        };
        let up = now + self.random.between(100, slow);
        let line = Line {
            peer,
            life: state.life,
            node,
            up,
            down: 0,
            slow,
            is_broken: false,
        };
        self.lines.insert(connection, line);
        let key = self.peers[peer].key;
        self.judge.dialed(connection, (peer, key), node, now);
        world.note(|| format!("native {peer} dials {connection} at n{node}"));
        let opened = Input::OpenedNative(ConnectionId(connection));
        world.native_at(up, Turn::Up(connection, opened));
    }

    /// A peer writes a frame.
    pub(super) fn write(&mut self, world: &mut World, peer: usize, text: ByteString) {
        let Some(connection) = self.peers[peer].line else {
            return;
        };
        world.note(|| format!("native {peer} writes to {connection}: {text}"));
        if text.starts_with(r#"{"type":"announce""#) {
            self.judge.announced(connection);
        }
        if let Some(line) = self.lines.get_mut(&connection) {
            line.up = line.up.max(world.now + self.random.between(100, line.slow));
            let input = Input::NativeFrame(ConnectionId(connection), text);
            world.native_at(line.up, Turn::Up(connection, input));
        }
    }

    /// A socket breaks. Its node knows after a while.
    pub(super) fn break_line(&mut self, world: &mut World, connection: u64, noticed: Time) {
        let Some(line) = self.lines.get_mut(&connection) else {
            return;
        };
        if !line.is_broken {
            line.is_broken = true;
            let at = world.now + noticed;
            self.judge.lost(connection, at);
            world.native_at(at, Turn::Noticed(connection));
        }
    }

    /// A peer closes its socket in order: what it has written before arrives.
    pub(super) fn hang_up(&mut self, world: &mut World, connection: u64) {
        if let Some(line) = self.lines.get_mut(&connection)
            && !line.is_broken
        {
            line.up = line.up.max(world.now) + self.random.between(100, line.slow);
            self.judge.lost(connection, line.up);
            world.native_at(line.up, Turn::Noticed(connection));
        }
    }

    /// A peer knows that its socket is no more, and makes another one.
    pub(super) fn lost(&mut self, world: &mut World, peer: usize) {
        let now = instant(world.now);
        let state = &mut self.peers[peer];
        state.line = None;
        state.is_open = false;
        state.present_since = None;
        world.note(|| format!("native {peer} has no socket"));
        state.session.handle_disconnected(now);
        let window = state.session.window();
        let chance = self.random.below(1_000) as f64 / 1_000.0;
        self.peers[peer].dialer.lost(now, window, chance);
        self.busy(world.now);
    }

    /// How long a node takes to notice that a socket is broken.
    pub(super) fn notice(&mut self) -> Time {
        match self.random.percent(60) {
            true => 0,
            false => self.random.between(0, 2 * SECOND),
        }
    }
}
