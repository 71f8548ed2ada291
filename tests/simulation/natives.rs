//! Native peers beside the others, in rooms of their own: clients as they are (`client::Session` and `client::Dialer`) over
//! sockets that break, on nodes that die, stand still and lose their store. What is demanded of them is in `judge.rs`.
//!
//! All that they do is left to a chance of their own, so that a seed without them is what it was.

mod acts;
mod close;
mod hearing;
mod judge;
mod lines;
mod peer;

use std::collections::BTreeMap;

use bytestring::ByteString;
use client::{Output, Session, Step, Ticket};
use protocol::ServerMessage;

use crate::{
    node::{Input, Time, instant},
    random::Random,
    world::{Happening, World},
};
use judge::Judge;
use lines::Line;
use peer::{Peer, What};

/// What happens among native peers.
#[derive(Debug)]
pub(crate) enum Turn {
    /// A peer's application does something.
    Act(usize),
    /// A peer's timer may be due.
    Wake(usize),
    /// What is on this connection's way arrives at the node.
    Up(u64, Input),
    /// The node knows that the connection is lost.
    Noticed(u64),
    /// At the peer: the connection is open; this is heard; it is closed by the node.
    Opened(u64),
    Down(u64, ByteString),
    Closed(u64),
    /// It was not to be had.
    Refused(usize, u64),
    /// The peer in this life answers a request of another one's, with yes or no.
    Reply(usize, u64, client::Asked, bool),
    /// A thief in this life has had enough.
    GiveBack(usize, u64),
}

#[derive(Debug)]
pub(crate) struct Natives {
    random: Random,
    peers: Vec<Peer>,
    lines: BTreeMap<u64, Line>,
    judge: Judge,
    lives: u64,
    /// Until when something goes on among them.
    busy_until: Time,
    /// Whether nobody comes any more.
    is_closing: bool,
}

impl Natives {
    pub(crate) fn new(seed: u64, window: Time, transit: Time) -> Self {
        let mut random = Random::new(seed ^ 0x006E_6174_6976_6573);
        let rooms = usize::try_from(random.between(1, 3)).unwrap();
        let count = usize::try_from(random.between(3, 6)).unwrap();
        let mut peers: Vec<Peer> = (0..count)
            .map(|key| Peer::new(random.below(rooms), key, false))
            .collect();
        for _ in 0..random.below(3) {
            peers.push(Peer::new(0, 0, true));
        }
        Self {
            random,
            peers,
            lines: BTreeMap::new(),
            judge: Judge::new(window, transit, count),
            lives: 0,
            busy_until: 0,
            is_closing: false,
        }
    }

    fn busy(&mut self, until: Time) {
        self.busy_until = self.busy_until.max(until);
    }

    /// Does all that a peer's session says, and sees to it that its next timer is heard.
    fn settle_down(&mut self, world: &mut World, peer: usize) {
        while let Some(output) = self.peers[peer].session.poll_output() {
            match output {
                Output::Frame(text) => self.write(world, peer, text),
                Output::Event(event) => self.hear(world, peer, event),
                Output::Settled(ticket, outcome) => {
                    if let Some(what) = self.peers[peer].tickets.remove(&ticket) {
                        self.settled(world, peer, what, outcome);
                    }
                }
                // No node says that it stops.
                Output::Reconnect => {}
            }
        }
        let state = &mut self.peers[peer];
        if let Some(at) = state.deadline().map(|at| at.max(world.now))
            && state
                .wake_at
                .is_none_or(|wake| at < wake || wake < world.now)
        {
            state.wake_at = Some(at);
            world.native_at(at, Turn::Wake(peer));
        }
    }

    /// Asks a peer's session for something.
    fn ask(&mut self, peer: usize, what: What, ask: impl FnOnce(&mut Session) -> Ticket) {
        let state = &mut self.peers[peer];
        state.issued += 1;
        let ticket = ask(&mut state.session);
        state.tickets.insert(ticket, what);
    }

    fn wake(&mut self, world: &mut World, peer: usize) {
        let now = instant(world.now);
        let state = &mut self.peers[peer];
        if state.wake_at.is_some_and(|at| at <= world.now) {
            state.wake_at = None;
        }
        if state.is_over() {
            return;
        }
        state.session.handle_timeout(now);
        match state.dialer.handle_timeout(now) {
            Some(Step::Open(_)) => self.dial(world, peer),
            Some(Step::Ping) => {
                let ping = protocol::native::ClientFrame::Ping;
                let text = protocol::native::client::encode(&ping);
                self.write(world, peer, text);
            }
            Some(Step::Drop) => {
                if let Some(connection) = self.peers[peer].line {
                    let noticed = self.notice();
                    self.break_line(world, connection, noticed);
                }
                self.lost(world, peer);
            }
            None => {}
        }
    }

    /// The peer whose connection this is still.
    fn speaker(&self, connection: u64) -> Option<usize> {
        let line = self.lines.get(&connection)?;
        let state = &self.peers[line.peer];
        let is_own = state.line == Some(connection) && state.life == line.life;
        (is_own && !line.is_broken && !state.is_over()).then_some(line.peer)
    }
}

impl World {
    /// Something happens among native peers.
    pub(crate) fn native(&mut self, turn: Turn) {
        match turn {
            Turn::Up(connection, input) => self.arrive_at_node(connection, input),
            Turn::Noticed(connection) => self.notice_at_node(connection),
            Turn::Act(peer) => self.with_native(|_, _| Some(peer), Natives::act),
            Turn::Wake(peer) => self.with_native(|_, _| Some(peer), Natives::wake),
            Turn::Opened(connection) => self.with_native(
                |natives, _| natives.speaker(connection),
                |natives, world, peer| {
                    let now = instant(world.now);
                    let state = &mut natives.peers[peer];
                    state.is_open = true;
                    state.dialer.opened(now);
                    state.session.handle_connected(now);
                },
            ),
            Turn::Down(connection, text) => self.with_native(
                |natives, _| natives.speaker(connection),
                |natives, world, peer| natives.read(world, peer, &text),
            ),
            Turn::Closed(connection) => self.with_native(
                |natives, _| natives.speaker(connection),
                |natives, world, peer| natives.closed(world, peer, connection),
            ),
            Turn::Refused(peer, connection) => self.with_native(
                |natives, _| (natives.peers[peer].line == Some(connection)).then_some(peer),
                |natives, world, peer| natives.lost(world, peer),
            ),
            Turn::Reply(peer, life, asked, is_yes) => self.with_native(
                |natives, _| natives.lives(peer, life),
                |natives, world, peer| natives.reply(world, peer, &asked, is_yes),
            ),
            Turn::GiveBack(peer, life) => self.with_native(
                |natives, _| natives.lives(peer, life),
                |natives, world, peer| natives.quit(world, peer, true),
            ),
        }
    }

    /// Lets something happen to a native peer. Nothing of it happens to a node at once.
    fn with_native(
        &mut self,
        who: impl FnOnce(&Natives, &Self) -> Option<usize>,
        what: impl FnOnce(&mut Natives, &mut Self, usize),
    ) {
        let Some(mut natives) = self.natives.take() else {
            return;
        };
        if let Some(peer) = who(&natives, self) {
            what(&mut natives, self, peer);
            natives.settle_down(self, peer);
            natives.report(self);
        }
        self.natives = Some(natives);
    }

    /// A node tells something to a native peer; false when to somebody else.
    pub(crate) fn told_native(
        &mut self,
        node: usize,
        connection: u64,
        message: &ServerMessage,
    ) -> bool {
        let Some(mut natives) = self.natives.take() else {
            return false;
        };
        let is_native = natives.judge.knows(connection);
        if is_native {
            natives.judge_told(self, node, connection, message);
            natives.report(self);
        }
        self.natives = Some(natives);
        is_native
    }

    /// A node is gone, and with it every socket that it had.
    pub(crate) fn lose_natives(&mut self, node: usize) {
        let Some(mut natives) = self.natives.take() else {
            return;
        };
        natives.judge.killed(node, self.now);
        let lines: Vec<u64> = natives.lines_at(node);
        for connection in lines {
            natives.die(self, connection);
        }
        self.natives = Some(natives);
    }

    /// What native peers do in a round, until then.
    pub(crate) fn plan_natives(&mut self, start: Time, active: Time) {
        let Some(natives) = &mut self.natives else {
            return;
        };
        let mut acts = Vec::new();
        for (peer, state) in natives.peers.iter().enumerate() {
            let count = match state.is_thief {
                true => natives.random.between(2, 6),
                false => natives.random.between(6, 16),
            };
            for _ in 0..count {
                acts.push((natives.random.between(start, active), peer));
            }
            // Whoever is nobody when the troubles begin to end comes again then.
            acts.push((active, peer));
        }
        for (at, peer) in acts {
            self.at(at, Happening::Native(Turn::Act(peer)));
        }
    }
}
