//! What is asked of a room's roster, and what comes back.

use std::time::Instant;

use bytestring::ByteString;

use super::{Channel, Event, Output, Partition, Pending, Request, RosterVersion, frame::Frame};
use crate::{Change, Command, Entry, NodeId};

/// Births are below this, so that an epoch is a number that scripts can compute exactly.
const BIRTHS: u64 = 1 << 31;

impl Partition {
    /// A join, a leave, a forget or an assert: in the order in which the node asks, and for a join or an assert
    /// not before the room's channel is subscribed.
    pub(super) fn roster_command(&mut self, command: Command, now: Instant) {
        let (room, enters) = match &command {
            Command::Join { room, .. } | Command::Assert { room, .. } => (room.clone(), true),
            Command::Leave { room, .. } | Command::Forget { room } => (room.clone(), false),
            Command::Confirm { .. } | Command::Send { .. } | Command::Publish { .. } => return,
        };
        self.leaves += usize::from(matches!(command, Command::Leave { .. }));
        let forgotten = matches!(command, Command::Forget { .. }).then(|| room.clone());
        let subscribed = if enters {
            self.rooms.enter(&room)
        } else {
            true
        };
        if !self.is_open() {
            self.refuse(command);
        } else if !subscribed {
            self.rooms.wait(&room, command);
            self.subscribe_rooms(now);
        } else if let Some(command) = self.rooms.wait_behind(&room, command) {
            self.ask(command, now);
        }
        if let Some(room) = forgotten {
            let fits = self.rooms.forget(&room, now, &self.config);
            self.counters.unremembered += u64::from(!fits);
        }
    }

    pub(super) fn leave_failed(&mut self, room: ByteString) {
        self.leaves -= 1;
        self.event(Event::LeaveFailed { room });
    }

    /// Departures that are not entered yet: each may fail, and is told then.
    pub(crate) fn leaves(&self) -> usize {
        self.leaves
    }

    /// Tells the node that the command cannot be carried out now.
    pub(super) fn refuse(&mut self, command: Command) {
        match command {
            Command::Join { token, room, .. } => self.event(Event::JoinFailed { token, room }),
            Command::Leave { room, .. } => self.leave_failed(room),
            Command::Assert { room, .. } => self.event(Event::AssertFailed { room }),
            Command::Forget { .. }
            | Command::Confirm { .. }
            | Command::Send { .. }
            | Command::Publish { .. } => {}
        }
    }

    pub(super) fn ask(&mut self, command: Command, now: Instant) {
        let node = self.node.clone();
        let birth = self.random.next() % (BIRTHS - 1) + 1;
        let floor = self.floor;
        let link = self.links;
        let until = self.liveness.until(&self.config, now);
        match command {
            Command::Join {
                token,
                room,
                member,
                data,
                want_roster,
            } => {
                let pending = Pending::Join {
                    token,
                    room: room.clone(),
                };
                let join = Request::Join {
                    node,
                    link,
                    room,
                    member,
                    data,
                    birth,
                    floor,
                    until,
                    want_roster,
                };
                self.request(join, Some(pending));
            }
            Command::Leave {
                room,
                member,
                fence,
                data,
            } => {
                let pending = Pending::Leave { room: room.clone() };
                let leave = Request::Leave {
                    node,
                    link,
                    room,
                    member,
                    fence,
                    data,
                };
                self.request(leave, Some(pending));
            }
            Command::Assert { room, members } => {
                let pending = Pending::Assert { room: room.clone() };
                let assert = Request::Assert {
                    node,
                    link,
                    room,
                    members,
                    birth,
                    floor,
                    until,
                };
                self.request(assert, Some(pending));
            }
            Command::Forget { room } => self.request(Request::Forget { node, link, room }, None),
            Command::Confirm { .. } | Command::Send { .. } | Command::Publish { .. } => {}
        }
    }

    pub(super) fn subscribe_rooms(&mut self, now: Instant) {
        if let Some(channels) = self.rooms.next_channels() {
            self.subscribe(channels, now);
        }
    }

    pub(super) fn subscribe(&mut self, channels: Vec<Channel>, now: Instant) {
        self.liveness.subscribing(now);
        self.output(Output::Subscribe(channels));
    }

    pub(super) fn compare_rooms(&mut self) {
        if let Some(rooms) = self.rooms.next_comparison() {
            let pending = Pending::Versions {
                rooms: rooms.clone(),
            };
            self.request(Request::Versions { rooms }, Some(pending));
        }
    }

    pub(super) fn joined(
        &mut self,
        token: u64,
        room: ByteString,
        fence: u64,
        version: RosterVersion,
        roster: Option<Vec<Entry>>,
    ) {
        self.floor = self.floor.max(fence);
        if let Some(roster) = &roster {
            self.see_roster(roster);
            // Without the roster it says nothing of the changes before it.
            self.rooms.see(&room, version);
        }
        let RosterVersion { epoch, version } = version;
        self.event(Event::Joined {
            token,
            room,
            fence,
            epoch,
            version,
            roster,
        });
    }

    pub(super) fn asserted(
        &mut self,
        room: ByteString,
        version: RosterVersion,
        roster: Vec<Entry>,
    ) {
        self.see_roster(&roster);
        self.rooms.see(&room, version);
        self.rooms.asserted(&room);
        for asker in self.rooms.take_askers(&room) {
            self.answer(&asker, &room);
        }
        let RosterVersion { epoch, version } = version;
        self.event(Event::Asserted {
            room,
            epoch,
            version,
            roster,
        });
    }

    fn see_roster(&mut self, roster: &[Entry]) {
        let fences = roster.iter().map(|entry| entry.fence);
        self.floor = fences.fold(self.floor, u64::max);
    }

    pub(super) fn changed(&mut self, room: &ByteString, version: RosterVersion, change: Change) {
        if let Change::Joined(entry) = &change {
            self.floor = self.floor.max(entry.fence);
        }
        if self.rooms.see(room, version) {
            let RosterVersion { epoch, version } = version;
            let room = room.clone();
            self.event(Event::Changed {
                room,
                epoch,
                version,
                change,
            });
        }
    }

    /// Hands out rooms that are to be asserted, compares others, gives channels up: what is due.
    pub(super) fn repair(&mut self, now: Instant) {
        for room in self.rooms.due(&self.config, now) {
            self.counters.gaps += 1;
            self.event(Event::Gap { room });
        }
        self.compare_rooms();
        let channels = self.rooms.retired(now);
        if !channels.is_empty() {
            self.output(Output::Unsubscribe(channels));
        }
    }

    pub(super) fn confirm(&mut self, room: ByteString, node: NodeId) {
        if self.rooms.question(node.clone(), room.clone()) {
            self.put_question(&node, &room);
        }
    }

    fn put_question(&mut self, node: &NodeId, room: &ByteString) {
        let ask = Frame::Ask {
            from: &self.node.0,
            room,
        };
        let ask = ask.write();
        self.tell(node, ask);
    }

    pub(super) fn repeat_questions(&mut self) {
        for (node, room) in self.rooms.questions() {
            if self.rooms.has(&room) {
                self.put_question(&node, &room);
            } else {
                self.rooms.take_question(&node, &room);
            }
        }
    }

    /// Another node wants whatever this one has in the room to be in its roster.
    pub(super) fn asked(&mut self, from: NodeId, room: ByteString) {
        if self.rooms.add_asker(&room, from.clone()) {
            self.event(Event::Gap { room });
        } else if self.is_open() {
            let pending = Pending::Empty {
                room: room.clone(),
                asked: from,
            };
            self.assert_nothing(room, pending);
        }
    }

    fn assert_nothing(&mut self, room: ByteString, pending: Pending) {
        let assert = Request::Assert {
            node: self.node.clone(),
            link: self.links,
            room,
            members: Vec::new(),
            birth: 1,
            floor: self.floor,
            // Nobody is taken from anybody.
            until: u64::MAX,
        };
        self.request(assert, Some(pending));
    }

    /// Takes out what another store than the last one may have kept of this node.
    pub(super) fn assert_leftovers(&mut self, now: Instant) {
        for room in self.rooms.leftovers(now) {
            let pending = Pending::Leftover { room: room.clone() };
            self.assert_nothing(room, pending);
        }
    }

    pub(super) fn answer(&mut self, asker: &NodeId, room: &ByteString) {
        let answer = Frame::Answer {
            from: &self.node.0,
            room,
        };
        let answer = answer.write();
        self.tell(asker, answer);
    }

    pub(super) fn answered(&mut self, node: &NodeId, room: ByteString) {
        if self.rooms.take_question(node, &room) {
            let node = node.clone();
            self.event(Event::Confirmed { room, node });
        }
    }
}
