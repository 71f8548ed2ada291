//! Carrying out one request.

use super::*;
use crate::owner::{may_take, owner};

/// One request at one time.
pub(super) struct Step<'a> {
    data: &'a mut Data,
    now: u64,
    defect: Option<Defect>,
    pub(super) deliveries: Vec<(Channel, Delivery)>,
}

impl<'a> Step<'a> {
    pub(super) fn new(data: &'a mut Data, now: u64, defect: Option<Defect>) -> Self {
        Self {
            data,
            now,
            defect,
            deliveries: Vec::new(),
        }
    }

    pub(super) fn execute(&mut self, request: Request) -> Reply {
        match request {
            Request::Beat {
                node,
                link,
                ttl,
                nonce,
                life,
                until,
            } => self.beat((node, link, until), ttl, (nonce, life)),
            Request::Join {
                node,
                link,
                room,
                member,
                data,
                birth,
                floor,
                until,
                want_roster,
            } => self.join(
                (node, link, until),
                &room,
                member,
                data,
                (birth, floor),
                want_roster,
            ),
            Request::Leave {
                node,
                link,
                room,
                member,
                fence,
                data,
            } => {
                let held = self.entry(&room, &member);
                let is_held = held.is_some_and(|entry| entry.node == node && entry.fence <= fence);
                if is_held && !self.is_overtaken(&node, link) {
                    self.remove(&room, &member, data);
                }
                Reply::Done
            }
            Request::Forget { node, link, room } => {
                if !self.is_overtaken(&node, link)
                    && let Some(rooms) = self.data.rooms.get_mut(&node)
                {
                    rooms.remove(&room);
                }
                Reply::Done
            }
            Request::Assert {
                node,
                link,
                room,
                members,
                birth,
                floor,
                until,
            } => self.assert((node, link, until), &room, members, (birth, floor)),
            Request::Sweep { dead, limit } => self.sweep(&dead, limit),
            Request::Resign { node } => {
                if let Some(expiry) = self.data.leases.get_mut(&node) {
                    *expiry = self.now.min(*expiry);
                }
                Reply::Done
            }
            Request::Versions { rooms } => {
                Reply::Versions(rooms.iter().map(|room| self.version(room)).collect())
            }
            Request::Leases { nodes } => {
                Reply::Leases(nodes.iter().map(|node| self.is_alive(node)).collect())
            }
            Request::Publish { channel, payload } => {
                self.deliveries.push((channel, Delivery::Payload(payload)));
                Reply::Done
            }
        }
    }

    fn beat(
        &mut self,
        (node, link, until): (NodeId, u64, u64),
        ttl: u64,
        (nonce, life): (u64, u64),
    ) -> Reply {
        let is_overtaken = self.is_overtaken(&node, link);
        let renewed = self.is_alive(&node) && !is_overtaken;
        if is_overtaken || self.is_late(until) {
            return Reply::Beaten {
                renewed,
                lapsed: Vec::new(),
                next: None,
                now: self.now / 1000,
            };
        }
        self.data.links.insert(node.clone(), link);
        if self.data.life != life || self.data.began == 0 {
            self.data.life = life;
            self.data.began = self.now;
        }
        let expiry = self.now + ttl * 1000;
        self.data.leases.insert(node.clone(), expiry);
        let lapsed = self.data.leases.iter();
        let mut lapsed: Vec<_> = lapsed
            .filter(|(_, expiry)| **expiry <= self.now)
            .map(|(node, expiry)| (*expiry, node.clone()))
            .collect();
        lapsed.sort_unstable();
        let lapsed = lapsed.into_iter().map(|(_, node)| node);
        let lapsed = lapsed.take(LAPSED).collect();
        let others = self.data.leases.iter().filter(|(other, _)| **other != node);
        let ends = others
            .map(|(_, expiry)| *expiry)
            .filter(|at| *at > self.now);
        let next = ends.min().map(|at| (at - self.now) / 1000);
        let beat = Delivery::Published(Published::Beat { nonce });
        self.deliveries.push((Channel::Node(node), beat));
        Reply::Beaten {
            renewed,
            lapsed,
            next,
            now: self.now / 1000,
        }
    }

    fn join(
        &mut self,
        (node, link, until): (NodeId, u64, u64),
        room: &ByteString,
        member: ByteString,
        data: Bytes,
        (birth, floor): (u64, u64),
        want_roster: bool,
    ) -> Reply {
        if !self.is_alive(&node) || self.is_overtaken(&node, link) || self.is_late(until) {
            return Reply::NoLease;
        }
        let held = self.entry(room, &member);
        if held.is_some_and(|entry| !may_take(&entry.data, &data)) {
            return Reply::Refused;
        }
        let fence = self.new_fence(room, &member, floor);
        let entry = Entry {
            member,
            node,
            fence,
            data,
        };
        self.enter(room, entry, birth);
        Reply::Joined {
            fence,
            version: self.version(room),
            roster: want_roster.then(|| self.roster(room)),
        }
    }

    fn assert(
        &mut self,
        (node, link, until): (NodeId, u64, u64),
        room: &ByteString,
        members: Vec<(ByteString, u64, Bytes)>,
        (birth, floor): (u64, u64),
    ) -> Reply {
        if !self.is_alive(&node) || self.is_overtaken(&node, link) || self.is_late(until) {
            return Reply::NoLease;
        }
        self.take_out(room, &node, |member| {
            members.iter().any(|(listed, ..)| listed == member)
        });
        if !members.is_empty() {
            let rooms = self.data.rooms.entry(node.clone()).or_default();
            rooms.insert(room.clone());
        }
        for (member, claim, data) in members {
            let fence = match self.entry(room, &member) {
                Some(entry) if self.stays(entry, &node, claim, &data) => continue,
                None if claim != 0 => claim,
                Some(entry)
                    if entry.fence < claim && (entry.node != node || entry.data == data) =>
                {
                    claim
                }
                Some(_) | None => self.new_fence(room, &member, floor),
            };
            let node = node.clone();
            let entry = Entry {
                member,
                node,
                fence,
                data,
            };
            self.enter(room, entry, birth);
        }
        Reply::Asserted {
            version: self.version(room),
            roster: self.roster(room),
        }
    }

    /// Whether an entry outlasts the claim that a node asserts with this data.
    fn stays(&self, entry: &Entry, node: &NodeId, claim: u64, data: &Bytes) -> bool {
        if entry.node == *node {
            // Whoever came again unseen has a later claim, of which the others must hear.
            return entry.data == data && claim != 0 && claim <= entry.fence;
        }
        let is_anothers = !may_take(&entry.data, data);
        if claim == 0 {
            return is_anothers;
        }
        // What the roster had before it was lost is the owner's still, whoever has come since.
        let began = self.data.began;
        let is_lost = claim > 1 && claim < began && entry.fence >= began;
        entry.fence > claim && !(is_anothers && is_lost && !owner(data).is_empty())
    }

    fn sweep(&mut self, dead: &NodeId, rooms_at_most: u64) -> Reply {
        if self.is_alive(dead) && self.defect != Some(Defect::SweepsTheLiving) {
            return Reply::Swept { left: 0 };
        }
        let rooms: Vec<ByteString> = match self.data.rooms.get(dead) {
            Some(rooms) => rooms
                .iter()
                .take(usize::try_from(rooms_at_most).unwrap_or(usize::MAX))
                .cloned()
                .collect(),
            None => Vec::new(),
        };
        let mut budget = SWEPT_AT_ONCE;
        for room in rooms {
            // Reading a large roster is work too.
            let fields = match self.data.rosters.get(&room) {
                Some(roster) => 2 * (roster.members.len() as u64 + 2),
                None => 0,
            };
            for member in self.held_by(&room, dead) {
                if budget == 0 {
                    // The room is still the node's: the next sweep goes on in it.
                    return self.swept(dead);
                }
                budget -= 1;
                self.remove(&room, &member, Bytes::new());
            }
            if let Some(rooms) = self.data.rooms.get_mut(dead) {
                rooms.remove(&room);
            }
            budget = budget.saturating_sub(fields / 32);
            if budget == 0 {
                break;
            }
        }
        self.swept(dead)
    }

    fn swept(&mut self, dead: &NodeId) -> Reply {
        let left = self.data.rooms.get(dead).map_or(0, BTreeSet::len) as u64;
        if left == 0 {
            self.data.rooms.remove(dead);
            self.data.leases.remove(dead);
            self.data.links.remove(dead);
        }
        Reply::Swept { left }
    }

    fn held_by(&self, room: &ByteString, node: &NodeId) -> Vec<ByteString> {
        match self.data.rosters.get(room) {
            Some(roster) => roster
                .members
                .values()
                .filter(|entry| entry.node == *node)
                .map(|entry| entry.member.clone())
                .collect(),
            None => Vec::new(),
        }
    }

    /// Takes the node's members out, but those to be kept.
    fn take_out(&mut self, room: &ByteString, node: &NodeId, keep: impl Fn(&ByteString) -> bool) {
        for member in self.held_by(room, node) {
            if !keep(&member) {
                self.remove(room, &member, Bytes::new());
            }
        }
    }

    fn enter(&mut self, room: &ByteString, entry: Entry, birth: u64) {
        let rooms = self.data.rooms.entry(entry.node.clone()).or_default();
        rooms.insert(room.clone());
        let roster = self.data.rosters.entry(room.clone());
        let roster = roster.or_insert_with(|| Roster {
            birth,
            ..Roster::default()
        });
        roster.version += 1;
        roster.members.insert(entry.member.clone(), entry.clone());
        let version = self.version(room);
        self.publish(room, version, Change::Joined(entry));
    }

    fn remove(&mut self, room: &ByteString, member: &ByteString, data: Bytes) {
        let Some(roster) = self.data.rosters.get_mut(room) else {
            return;
        };
        let Some(entry) = roster.members.remove(member) else {
            return;
        };
        roster.version += 1;
        let is_empty = roster.members.is_empty();
        let mut version = self.version(room);
        let left = Change::Left {
            member: entry.member,
            node: entry.node,
            fence: entry.fence,
            data,
        };
        if self.defect == Some(Defect::LeavesTwice) {
            self.publish(room, version, left.clone());
            version.version += 1;
        }
        self.publish(room, version, left);
        if is_empty {
            self.data.rosters.remove(room);
        }
    }

    fn publish(&mut self, room: &ByteString, version: RosterVersion, change: Change) {
        let changed = Delivery::Published(Published::Changed { version, change });
        self.deliveries.push((Channel::Room(room.clone()), changed));
    }

    fn new_fence(&self, room: &ByteString, member: &ByteString, floor: u64) -> u64 {
        let stored = self.entry(room, member).map_or(0, |entry| entry.fence);
        (stored + 1).max(floor + 1).max(self.now)
    }

    fn is_alive(&self, node: &NodeId) -> bool {
        let expiry = self.data.leases.get(node);
        expiry.is_some_and(|expiry| *expiry > self.now)
    }

    fn is_overtaken(&self, node: &NodeId, link: u64) -> bool {
        let last = self.data.links.get(node);
        last.is_some_and(|last| *last > link) && self.defect != Some(Defect::HearsDeadLinks)
    }

    fn is_late(&self, until: u64) -> bool {
        self.now / 1000 > until && self.defect != Some(Defect::HearsDeadLinks)
    }

    fn entry(&self, room: &ByteString, member: &ByteString) -> Option<&Entry> {
        self.data.rosters.get(room)?.members.get(member)
    }

    fn version(&self, room: &ByteString) -> RosterVersion {
        match self.data.rosters.get(room) {
            Some(roster) => RosterVersion {
                epoch: roster.birth * LIVES + self.data.life,
                version: roster.version,
            },
            None => RosterVersion {
                epoch: 0,
                version: 0,
            },
        }
    }

    fn roster(&self, room: &ByteString) -> Vec<Entry> {
        match self.data.rosters.get(room) {
            Some(roster) => roster.members.values().cloned().collect(),
            None => Vec::new(),
        }
    }
}
