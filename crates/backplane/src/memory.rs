use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use bytestring::ByteString;
use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::{
    Backplane, Change, Command, Counters, EVENT_QUEUE, Entry, Event, Events, Health, NodeId,
    Overloaded, Pressure,
    event::{self, EventSink, Permit},
    owner::may_take,
};

/// A backplane inside one process: what a node without Redis runs on. Several nodes of a process may share it.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    hub: Arc<Mutex<Hub>>,
}

#[derive(Debug, Default)]
struct Hub {
    nodes: HashMap<NodeId, EventSink, RandomState>,
    rooms: HashMap<ByteString, Roster, RandomState>,
    epochs: u64,
    fences: u64,
}

#[derive(Debug)]
struct Roster {
    epoch: u64,
    version: u64,
    members: BTreeMap<ByteString, Entry>,
    listeners: BTreeSet<NodeId>,
}

/// One node's half; its members leave when it is dropped.
#[derive(Debug)]
struct Attached {
    node: NodeId,
    hub: Arc<Mutex<Hub>>,
    sink: EventSink,
}

impl Memory {
    /// Attaches a node under a name that no other node has.
    pub fn attach(&self, node: NodeId) -> (Arc<dyn Backplane>, Events) {
        self.attach_with_queue(node, EVENT_QUEUE)
    }

    pub(crate) fn attach_with_queue(
        &self,
        node: NodeId,
        bound: usize,
    ) -> (Arc<dyn Backplane>, Events) {
        let (sink, events) = event::queue(bound);
        lock(&self.hub).nodes.insert(node.clone(), sink.clone());
        let hub = self.hub.clone();
        (Arc::new(Attached { node, hub, sink }), events)
    }
}

impl Backplane for Attached {
    fn node(&self) -> &NodeId {
        &self.node
    }

    fn submit(&self, command: Command) -> Result<(), Overloaded> {
        let mut hub = lock(&self.hub);
        match command {
            Command::Join {
                token,
                room,
                member,
                data,
                want_roster,
            } => hub.join(&self.node, token, room, member, data, want_roster)?,
            Command::Leave {
                room,
                member,
                fence,
                data,
            } => hub.leave(&self.node, &room, &member, fence, data),
            Command::Forget { room } => hub.forget(&self.node, &room),
            Command::Assert { room, members } => hub.assert(&self.node, room, members)?,
            Command::Confirm { room, node } => {
                // This roster never loses anything.
                hub.tell(&self.node, || Event::Confirmed {
                    room: room.clone(),
                    node,
                });
            }
            Command::Send { node, payload, .. } => {
                let from = self.node.clone();
                hub.tell(&node, || Event::Received { from, payload });
            }
            Command::Publish {
                room,
                nodes,
                payload,
            } => hub.publish(&self.node, &room, &nodes, &payload),
        }
        Ok(())
    }

    /// Nothing waits.
    fn pressure(&self) -> Pressure {
        Pressure::default()
    }

    fn health(&self) -> Health {
        Health::Healthy
    }

    fn counters(&self) -> Counters {
        // Nothing is lost on the way, so nothing is repaired.
        Counters::default()
    }

    fn events_lost(&self) -> u64 {
        self.sink.lost()
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let mut hub = lock(&self.hub);
        hub.nodes.remove(&self.node);
        let rooms: Vec<ByteString> = hub.rooms.keys().cloned().collect();
        for room in rooms {
            hub.forget(&self.node, &room);
            hub.drop_members(&self.node, &room, |_| false);
        }
    }
}

impl Hub {
    fn join(
        &mut self,
        node: &NodeId,
        token: u64,
        room: ByteString,
        member: ByteString,
        data: Bytes,
        want_roster: bool,
    ) -> Result<(), Overloaded> {
        let answer = self.reserve(node)?;
        let roster = self.open(&room);
        roster.listeners.insert(node.clone());
        if let Some(entry) = roster.members.get(&member)
            && !may_take(&entry.data, &data)
        {
            answer.send(Event::JoinRefused { token, room });
            return Ok(());
        }
        let fence = self.enter(node, &room, member, 0, data);
        if let Some(roster) = self.rooms.get(&room) {
            let (epoch, version) = (roster.epoch, roster.version);
            let roster = want_roster.then(|| roster.members.values().cloned().collect());
            answer.send(Event::Joined {
                token,
                room,
                fence,
                epoch,
                version,
                roster,
            });
        }
        Ok(())
    }

    /// Room for the answer, kept before anything is changed.
    fn reserve(&self, node: &NodeId) -> Result<Permit, Overloaded> {
        self.nodes.get(node).ok_or(Overloaded)?.reserve()
    }

    fn open(&mut self, room: &ByteString) -> &mut Roster {
        let epochs = &mut self.epochs;
        self.rooms.entry(room.clone()).or_insert_with(|| {
            *epochs += 1;
            Roster {
                epoch: *epochs,
                version: 0,
                members: BTreeMap::new(),
                listeners: BTreeSet::new(),
            }
        })
    }

    /// With the fence of a claim that was there before, or a new one for 0.
    fn enter(
        &mut self,
        node: &NodeId,
        room: &ByteString,
        member: ByteString,
        claim: u64,
        data: Bytes,
    ) -> u64 {
        let fence = if claim == 0 { self.fences + 1 } else { claim };
        self.fences = self.fences.max(fence);
        let entry = Entry {
            member,
            node: node.clone(),
            fence,
            data,
        };
        self.change(room, Change::Joined(entry));
        fence
    }

    fn leave(
        &mut self,
        node: &NodeId,
        room: &ByteString,
        member: &ByteString,
        fence: u64,
        data: Bytes,
    ) {
        let held = self
            .rooms
            .get(room)
            .and_then(|roster| roster.members.get(member))
            .is_some_and(|entry| entry.node == *node && entry.fence <= fence);
        if held {
            let change = Change::Left {
                member: member.clone(),
                node: node.clone(),
                fence,
                data,
            };
            self.change(room, change);
        }
    }

    /// Changes the roster and tells every node in the room.
    fn change(&mut self, room: &ByteString, change: Change) {
        let Some(roster) = self.rooms.get_mut(room) else {
            return;
        };
        match &change {
            Change::Joined(entry) => {
                roster.members.insert(entry.member.clone(), entry.clone());
            }
            Change::Left { member, .. } => {
                roster.members.remove(member);
            }
        }
        roster.version += 1;
        let (epoch, version) = (roster.epoch, roster.version);
        for node in &roster.listeners {
            if let Some(sink) = self.nodes.get(node) {
                sink.send(Event::Changed {
                    room: room.clone(),
                    epoch,
                    version,
                    change: change.clone(),
                });
            }
        }
        self.close_if_empty(room);
    }

    fn assert(
        &mut self,
        node: &NodeId,
        room: ByteString,
        members: Vec<(ByteString, u64, Bytes)>,
    ) -> Result<(), Overloaded> {
        let answer = self.reserve(node)?;
        self.open(&room).listeners.insert(node.clone());
        self.drop_members(node, &room, |member| {
            members.iter().any(|(name, ..)| name == member)
        });
        for (member, fence, data) in members {
            let entry = self
                .rooms
                .get(&room)
                .and_then(|roster| roster.members.get(&member));
            let claim = match entry {
                Some(entry) if entry.node == *node && entry.data == data => continue,
                Some(entry) if entry.node == *node => 0,
                Some(entry) if fence == 0 && !may_take(&entry.data, &data) => continue,
                Some(entry) if fence == 0 || entry.fence == fence => 0,
                Some(entry) if entry.fence > fence => continue,
                Some(_) | None => fence,
            };
            self.enter(node, &room, member, claim, data);
        }
        let roster = self.open(&room);
        answer.send(Event::Asserted {
            room: room.clone(),
            epoch: roster.epoch,
            version: roster.version,
            roster: roster.members.values().cloned().collect(),
        });
        Ok(())
    }

    /// Takes out the node's members that are not to be kept.
    fn drop_members(
        &mut self,
        node: &NodeId,
        room: &ByteString,
        keep: impl Fn(&ByteString) -> bool,
    ) {
        let gone: Vec<Entry> = match self.rooms.get(room) {
            Some(roster) => roster
                .members
                .values()
                .filter(|entry| entry.node == *node && !keep(&entry.member))
                .cloned()
                .collect(),
            None => Vec::new(),
        };
        for entry in gone {
            let change = Change::Left {
                member: entry.member,
                node: entry.node,
                fence: entry.fence,
                data: Bytes::new(),
            };
            self.change(room, change);
        }
    }

    fn publish(&self, from: &NodeId, room: &ByteString, nodes: &[NodeId], payload: &Bytes) {
        let Some(roster) = self.rooms.get(room) else {
            return;
        };
        for node in nodes {
            if node == from || !roster.listeners.contains(node) {
                continue;
            }
            self.tell(node, || Event::Published {
                room: room.clone(),
                from: from.clone(),
                payload: payload.clone(),
            });
        }
    }

    fn forget(&mut self, node: &NodeId, room: &ByteString) {
        if let Some(roster) = self.rooms.get_mut(room) {
            roster.listeners.remove(node);
        }
        self.close_if_empty(room);
    }

    fn close_if_empty(&mut self, room: &ByteString) {
        if let Some(roster) = self.rooms.get(room)
            && roster.members.is_empty()
            && roster.listeners.is_empty()
        {
            self.rooms.remove(room);
        }
    }

    fn tell(&self, node: &NodeId, event: impl FnOnce() -> Event) {
        if let Some(sink) = self.nodes.get(node) {
            sink.send(event());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds the lock; if it ever did, the rosters would still be whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
