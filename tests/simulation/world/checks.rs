//! Looking whether all is as it must be.

use super::*;

impl World {
    /// Who speaks for which seat.
    fn truth(&self) -> Truth {
        let speakers = self.clients.iter().filter_map(|client| {
            let (seat, node) = client.speaks()?;
            Some((seat, (client.who.client, node)))
        });
        speakers.collect()
    }

    /// Who is in a room according to a node, and where.
    pub(crate) fn roster(&self, node: usize, room: usize) -> BTreeMap<usize, usize> {
        let room = room_id(room);
        self.nodes[node]
            .switchboard
            .members(&room)
            .map(|(peer, node)| (person(peer), node.0[1..].parse().unwrap()))
            .collect()
    }

    pub(super) fn check_promptly(&mut self) {
        let truth = self.truth();
        for ((room, _), (_, node)) in &truth {
            let roster = self.roster(*node, *room);
            self.oracle
                .check_nobody_missing(*node, *room, &roster, &truth, self.now);
        }
    }

    pub(super) fn check_quiet(&mut self) {
        let truth = self.truth();
        for client in 0..self.clients.len() {
            let Some(session) = self.clients[client].session else {
                continue;
            };
            let Some(room) = session.room else {
                continue;
            };
            let who = self.clients[client].who;
            if !session.speaks || session.pending > 0 {
                if !self.oracle.is_contested(who.person) {
                    self.oracle
                        .wrong(self.now, || format!("{who:?} was not answered"));
                }
                continue;
            }
            let roster = self.roster(session.node, room);
            self.oracle
                .check_roster(session.node, room, &roster, &truth, self.now);
            self.oracle.check_view(who, &truth, self.now);
        }
        let mut entered: Truth = Truth::new();
        let rosters = self.server.store.rosters().into_iter();
        for (room, members) in rosters.filter(|(room, _)| room.starts_with('r')) {
            for (member, node) in members {
                let seat = (room[1..].parse().unwrap(), member[1..].parse().unwrap());
                let node = node.0[1..].parse().unwrap();
                let client = truth.get(&seat).map_or(usize::MAX, |(client, _)| *client);
                entered.insert(seat, (client, node));
            }
        }
        if entered != truth {
            self.oracle.wrong(self.now, || {
                format!("the store has {entered:?} and not {truth:?}")
            });
        }
    }

    pub(super) fn check_emptiness(&mut self) {
        let rosters = self.server.store.rosters();
        if !rosters.is_empty() {
            self.oracle.wrong(self.now, || {
                format!("everybody left, and the store has {rosters:?}")
            });
        }
        for node in 0..self.nodes.len() {
            let stats = self.nodes[node].switchboard.stats();
            if self.nodes[node].is_alive
                && (stats.members, stats.rooms, stats.held_bytes) != (0, 0, 0)
            {
                self.oracle.wrong(self.now, || {
                    format!("everybody left, and n{node} has {stats:?}")
                });
            }
        }
    }
}
