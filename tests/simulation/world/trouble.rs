//! Carrying out what goes wrong.

use super::*;

impl World {
    /// The node that a fault means; none where it would be the last one that works.
    fn victim(&self, number: usize) -> Option<usize> {
        let well: Vec<usize> = (0..self.nodes.len())
            .filter(|node| self.nodes[*node].is_alive && !self.nodes[*node].frozen)
            .collect();
        (well.len() > 1).then(|| well[number % well.len()])
    }

    /// There is trouble for a node, or for all, until then.
    fn trouble(&mut self, node: Option<usize>, until: Time) {
        self.quiet_from = self.quiet_from.max(until);
        let nodes = match node {
            Some(node) => node..node + 1,
            None => 0..self.nodes.len(),
        };
        for node in nodes {
            self.oracle.trouble(node, self.now, until);
        }
    }

    pub(super) fn fail(&mut self, fault: Fault) {
        self.note(|| format!("trouble: {fault:?}"));
        match fault {
            Fault::FreezeStore { lasting } => self.freeze_store(lasting),
            Fault::Outage { data, lasting } => self.end_store(data, lasting),
            Fault::Flush => {
                self.server.store.flush();
                self.oracle.forgot(self.now);
                self.oracle.wire.forget_leases();
                self.oracle.leases.flushed(self.now);
                self.trouble(None, self.now + 3 * SECOND);
            }
            Fault::Cut { node, .. }
            | Fault::Stall { node, .. }
            | Fault::Deaf { node }
            | Fault::Lossy { node, .. }
            | Fault::Freeze { node, .. }
            | Fault::Kill { node, .. } => {
                if let Some(node) = self.victim(node) {
                    self.fail_node(node, fault);
                }
            }
        }
    }

    fn fail_node(&mut self, node: usize, fault: Fault) {
        self.note(|| format!("of n{node}"));
        let now = self.now;
        self.ail(node, fault);
        match fault {
            Fault::Cut {
                noticed, lasting, ..
            } => {
                self.links[node].refused_until = now + lasting;
                self.trouble(Some(node), now + lasting.max(noticed) + 2 * SECOND);
                self.cut(node, noticed);
            }
            Fault::Stall { lasting, .. } => {
                self.links[node].stalled_until = now + lasting;
                self.trouble(Some(node), now + lasting + 4 * SECOND);
            }
            Fault::Deaf { .. } => {
                self.links[node].is_deaf = true;
                self.trouble(Some(node), now + 7 * SECOND);
            }
            Fault::Lossy {
                percent, lasting, ..
            } => {
                self.links[node].lossy = (now + lasting, percent);
                // The loss of the last change is found when versions are compared.
                self.trouble(Some(node), now + lasting + COMPARE * 6 / 5 + 2 * SECOND);
            }
            Fault::Freeze { lasting, .. } => {
                self.nodes[node].frozen = true;
                self.lose_answers(node);
                self.oracle.froze(node, now, now + lasting);
                self.trouble(Some(node), now + lasting);
                self.at(now + lasting, Happening::Thaw(node));
            }
            Fault::Kill { lasting, .. } => {
                self.nodes[node].is_alive = false;
                self.killed.insert(node);
                self.links[node].sever(now, &mut self.random);
                self.links[node].hush();
                self.oracle.trouble(node, now, Time::MAX);
                self.quiet_from = self.quiet_from.max(now + lasting);
                self.lose_node(node);
                self.lose_natives(node);
                self.at(now + lasting, Happening::NewNode);
            }
            Fault::FreezeStore { .. } | Fault::Outage { .. } | Fault::Flush => {}
        }
    }

    /// Writes down for how long a node alone is ill.
    fn ail(&mut self, node: usize, fault: Fault) {
        let lasting = match fault {
            Fault::Cut {
                noticed, lasting, ..
            } => lasting.max(noticed),
            Fault::Stall { lasting, .. }
            | Fault::Lossy { lasting, .. }
            | Fault::Freeze { lasting, .. } => lasting,
            Fault::Deaf { .. } => 5 * SECOND,
            Fault::Kill { .. } => Time::MAX / 2,
            Fault::FreezeStore { .. } | Fault::Outage { .. } | Fault::Flush => return,
        };
        self.oracle.ail(node, self.now, self.now + lasting);
    }

    /// Both connections of a node end.
    fn cut(&mut self, node: usize, noticed: Time) {
        if self.links[node].is_open {
            let generation = self.links[node].generation;
            self.links[node].sever(self.now, &mut self.random);
            self.later(self.now + noticed, node, Input::Disconnected(generation));
        }
    }

    fn freeze_store(&mut self, lasting: Time) {
        if !self.server.is_up || self.server.frozen {
            return;
        }
        self.server.frozen = true;
        // A shorter one interrupts nobody's contact.
        if lasting > 3 * SECOND {
            self.oracle.leases.store_away(self.now);
        }
        self.trouble(None, self.now + lasting + 2 * SECOND);
        self.at(self.now + lasting, Happening::ThawStore);
    }

    fn end_store(&mut self, data: Data, lasting: Time) {
        if !self.server.is_up || self.server.frozen {
            return;
        }
        self.server.is_up = false;
        self.server.gone = self.now;
        self.oracle.leases.store_away(self.now);
        self.trouble(None, self.now + lasting + 2 * SECOND);
        for node in 0..self.nodes.len() {
            let noticed = self.random.between(0, 500 * MILLISECOND);
            self.cut(node, noticed);
            self.links[node].hush();
        }
        self.at(self.now + lasting, Happening::StoreBack(data));
    }

    pub(super) fn store_back(&mut self, data: Data) {
        self.note(|| "the store is back".to_owned());
        if data != Data::Kept {
            self.oracle.forgot(self.now);
        }
        match data {
            Data::Kept => {}
            Data::Empty => self.server.store.flush(),
            Data::Older(lost) => {
                self.server.store.fail_over(lost);
                self.oracle.rolled_back(self.server.gone, self.now);
                // Another machine has another clock.
                let ahead = self.random.between(0, 4 * SECOND);
                self.server.clock = self.server.clock + ahead - 2 * SECOND;
            }
        }
        self.server.life = self.random.between(1, 1 << 20);
        self.server.is_up = true;
        self.oracle.wire.forget_leases();
        self.oracle.leases.store_back(self.now);
    }
}
