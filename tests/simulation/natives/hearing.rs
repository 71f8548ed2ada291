//! What native peers are told, and what their applications do then.

use bytestring::ByteString;
use client::{Event, Failure, Settled};
use protocol::ServerMessage;
use switchboard::ConnectionId;

use super::{Natives, Turn, peer::What};
use crate::{
    node::{MILLISECOND, SECOND, instant},
    world::World,
};

impl Natives {
    /// A frame has come.
    pub(super) fn read(&mut self, world: &mut World, peer: usize, text: &ByteString) {
        let now = instant(world.now);
        let is_roster = text.starts_with(r#"{"type":"members""#);
        world.note(|| format!("native {peer} reads {text}"));
        let state = &mut self.peers[peer];
        state.dialer.heard(now);
        state.session.handle_frame(now, text);
        if state.session.is_present() {
            state.dialer.settled(now);
            state.present_since.get_or_insert(world.now);
        } else {
            state.present_since = None;
        }
        self.judge.is_roster = is_roster;
        self.settle_down(world, peer);
        self.judge.is_roster = false;
    }

    /// The application of a peer is told something.
    pub(super) fn hear(&mut self, world: &mut World, peer: usize, event: Event) {
        match event {
            Event::Message(said) => self.judge.heard(&self.peers[peer], peer, &said, world.now),
            Event::Requested(asked) => {
                let life = self.peers[peer].life;
                let later = world.now + self.random.between(0, 2500 * MILLISECOND);
                match self.random.below(100) {
                    0..=54 => self.reply(world, peer, &asked, true),
                    55..=69 => world.native_at(later, Turn::Reply(peer, life, asked, true)),
                    70..=79 => self.reply(world, peer, &asked, false),
                    80..=89 => world.native_at(later, Turn::Reply(peer, life, asked, false)),
                    _ => {}
                }
            }
            Event::Left { member, .. } => {
                let view = (&self.peers[peer], &self.lines);
                self.judge
                    .told_left(&world.oracle, view, &member.peer, world.now);
            }
            Event::Joined(member) | Event::Resumed(member) | Event::Updated(member) => {
                let life = self.peers[peer].life;
                self.judge.told_there(life, &member.peer, world.now);
            }
            // Its place was taken away, or never was its own.
            Event::Error { code, .. } if &*code == "id-in-use" => {
                let is_thief = self.peers[peer].is_thief;
                self.peers[peer].wants = false;
                let at = world.now + self.random.between(SECOND, 2 * SECOND);
                if !is_thief {
                    world.native_at(at, Turn::Act(peer));
                }
            }
            Event::Suspended(_) | Event::State(_) | Event::IceServers { .. } => {}
            other @ (Event::Error { .. } | _) => {
                self.judge.wrong(|| format!("nobody expects {other:?}"))
            }
        }
    }

    /// Something has come of what the application has asked.
    pub(super) fn settled(
        &mut self,
        world: &mut World,
        peer: usize,
        what: What,
        outcome: Result<Settled, Failure>,
    ) {
        world.note(|| format!("native {peer}: {what:?} comes to {outcome:?}"));
        let state = &self.peers[peer];
        match what {
            What::Announce => {
                let life = state.life;
                if state.is_thief {
                    let after = match outcome {
                        Ok(_) => self.random.between(300 * MILLISECOND, 1500 * MILLISECOND),
                        Err(_) => MILLISECOND,
                    };
                    world.native_at(world.now + after, Turn::GiveBack(peer, life));
                } else if outcome.is_err() && !state.is_over() {
                    self.peers[peer].wants = false;
                    let at = world.now + self.random.between(SECOND, 2 * SECOND);
                    world.native_at(at, Turn::Act(peer));
                }
                self.busy(world.now);
            }
            What::Said(number) => {
                let at = (&world.oracle, world.now);
                self.judge
                    .delivered(state, &self.lines, number, &outcome, at);
            }
            What::Asked(number) => {
                let at = (&world.oracle, world.now);
                self.judge
                    .answered(state, &self.lines, number, &outcome, at);
            }
        }
    }

    /// A node tells something to one of its connections, whatever becomes of it on its way.
    pub(super) fn judge_told(
        &mut self,
        world: &World,
        node: usize,
        connection: u64,
        message: &ServerMessage,
    ) {
        let owner = world.nodes[node].owner(ConnectionId(connection));
        let owner = owner.unwrap_or_default();
        let at = (&world.oracle, world.now);
        self.judge.told((node, connection), &owner, message, at);
        if let ServerMessage::Members { .. } = message {
            self.busy(world.now);
        }
    }

    /// Tells the oracle what was wrong.
    pub(super) fn report(&mut self, world: &mut World) {
        if let Some(wrong) = self.judge.violation.take() {
            world.oracle.wrong(world.now, || wrong);
        }
    }
}
