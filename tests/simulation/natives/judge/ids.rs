//! Whose an id is.

use bytestring::ByteString;

use super::{ECHO, EXCEPTIONS, Exception, Judge, is_hindered};
use crate::{
    node::{SECOND, Time},
    oracle::Oracle,
};

/// How long a node's contact must have lasted for what it gave out to be known to the store.
const SETTLED: Time = 5 * SECOND;

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) peer: usize,
    pub(super) key: usize,
    node: usize,
    /// Announces that were not answered, and those of them after which its peer has left.
    pending: usize,
    forsaken: usize,
    /// When it was dialed, and when an announce on it was answered last.
    dialed: Time,
    granted: Option<Time>,
    lost: Option<Time>,
    left: Option<Time>,
    /// Who was told to be there on it, once it was told of anybody.
    pub(super) known: Option<std::collections::BTreeSet<usize>>,
}

/// An owner has an id: from the first time that a node has let it in until it has gone.
#[derive(Debug)]
pub(super) struct Hold {
    owner: ByteString,
    peer: usize,
    connection: u64,
    pub(super) since: Time,
    /// When it was let in last.
    renewed: Time,
    /// At which nodes, and from when on.
    nodes: Vec<(Time, usize)>,
    /// When its connection was lost, if it has not returned.
    lost: Option<Time>,
    /// When its node was killed, if it has not returned.
    killed: Option<Time>,
    /// When it left.
    ended: Option<Time>,
    /// Somebody else has got the id, with an excuse.
    is_contested: bool,
}

impl Connection {
    /// Whether its node knows by then that nobody hears what is told on it.
    pub(super) fn is_lost(&self, at: Time) -> bool {
        self.lost.is_some_and(|lost| lost <= at)
    }
}

impl Hold {
    fn node(&self) -> (Time, usize) {
        self.nodes[self.nodes.len() - 1]
    }

    /// At which nodes it was in that time, and when.
    pub(super) fn stays(
        &self,
        from: Time,
        until: Time,
    ) -> impl Iterator<Item = (usize, Time, Time)> {
        let ends = self.nodes.iter().skip(1).map(|(at, _)| *at);
        let ends = ends.chain([Time::MAX]);
        self.nodes
            .iter()
            .zip(ends)
            .filter_map(move |((at, node), end)| {
                let (begin, end) = (from.max(*at), until.min(end));
                (begin <= end).then_some((*node, begin, end))
            })
    }
}

impl Judge {
    pub(in crate::natives) fn dialed(
        &mut self,
        connection: u64,
        (peer, key): (usize, usize),
        node: usize,
        at: Time,
    ) {
        let state = Connection {
            peer,
            key,
            node,
            pending: 0,
            forsaken: 0,
            dialed: at,
            granted: None,
            lost: None,
            left: None,
            known: None,
        };
        self.connections.insert(connection, state);
    }

    pub(in crate::natives) fn knows(&self, connection: u64) -> bool {
        self.connections.contains_key(&connection)
    }

    /// A peer announces itself on a connection.
    pub(in crate::natives) fn announced(&mut self, connection: u64) {
        if let Some(state) = self.connections.get_mut(&connection) {
            state.pending += 1;
        }
    }

    /// The node knows at that time that a connection is lost.
    pub(in crate::natives) fn lost(&mut self, connection: u64, at: Time) {
        let Some(state) = self.connections.get_mut(&connection) else {
            return;
        };
        state.lost = Some(at);
        let is_leaving = state.left.is_some_and(|left| at <= left + 2 * SECOND);
        if state.pending > 0 || is_leaving {
            self.departures[state.key].push((state.peer, at + self.window));
        }
        for hold in &mut self.holds[state.key] {
            if hold.connection == connection && hold.lost.is_none() {
                hold.lost = Some(at);
            }
        }
    }

    pub(in crate::natives) fn killed(&mut self, node: usize, at: Time) {
        for hold in self.holds.iter_mut().flatten() {
            if hold.node().1 == node && hold.ended.is_none() {
                hold.killed = Some(at);
            }
        }
    }

    /// A peer says that it leaves.
    pub(in crate::natives) fn left(&mut self, peer: usize, line: Option<u64>, at: Time) {
        let is_whole = |connection: u64| {
            let state = self.connections.get(&connection);
            state.is_some_and(|state| state.lost.is_none())
        };
        // Else its node does not hear it, and waits for it to return.
        if line.is_some_and(|line| !is_whole(line)) {
            return;
        }
        if let Some(state) = line.and_then(|line| self.connections.get_mut(&line)) {
            state.forsaken = state.pending;
            state.left = Some(at);
            // Whoever was refused was not there.
            if state.pending > 0 || state.granted.is_some() {
                self.departures[state.key].push((peer, at));
            }
        }
        for hold in self.holds.iter_mut().flatten() {
            if hold.peer == peer && hold.ended.is_none() {
                hold.ended = Some(at);
            }
        }
    }

    /// Since when an owner may no longer be there, by each of the ways in which it may have gone.
    pub(super) fn ends(
        &self,
        oracle: &Oracle,
        key: usize,
        hold: &Hold,
        at: Time,
    ) -> impl Iterator<Item = Time> {
        let (moved, node) = hold.node();
        let (peer, renewed) = (hold.peer, hold.renewed);
        let is_lost = hold.lost.is_some() || hold.killed.is_some();
        let departures = self.departures[key].iter();
        let departures = departures
            .filter(move |(other, end)| is_lost && *other == peer && *end >= renewed)
            .map(|(_, end)| *end);
        let window = hold.lost.map(|lost| lost + self.window);
        let lapses = oracle.leases.lapses(node, at, self.transit);
        let lapses = lapses.filter(move |from| *from >= moved);
        let own = [hold.ended, window].into_iter().flatten();
        let ends = own.chain(departures).chain(lapses);
        ends.filter(move |end| *end <= at)
    }

    /// Whether an owner has its id, as far as anybody can know.
    pub(super) fn is_live(&self, oracle: &Oracle, key: usize, hold: &Hold, at: Time) -> bool {
        self.ends(oracle, key, hold, at).next().is_none()
    }

    /// Whether the store has heard of where an owner is: its node has had contact for a while since.
    fn is_settled(oracle: &Oracle, hold: &Hold, at: Time) -> bool {
        let (moved, node) = hold.node();
        oracle.was_calm(node, moved, at, SETTLED)
    }

    /// A node has let somebody in, or told it that it still is.
    pub(super) fn granted(
        &mut self,
        (node, connection): (usize, u64),
        owner: &ByteString,
        (oracle, at): (&Oracle, Time),
    ) {
        let Some(state) = self.connections.get_mut(&connection) else {
            return;
        };
        state.granted = Some(at);
        state.pending = state.pending.saturating_sub(1);
        let is_forsaken = state.forsaken > 0;
        state.forsaken = state.forsaken.saturating_sub(1);
        let (peer, key, lost) = (state.peer, state.key, state.lost);
        let holds = std::mem::take(&mut self.holds[key]);
        let is_own = |hold: &Hold| {
            hold.owner == *owner && hold.ended.is_none() && self.is_live(oracle, key, hold, at)
        };
        let own = holds.iter().rposition(is_own);
        let mut violation = None;
        let mut contested = Vec::new();
        for (index, hold) in holds.iter().enumerate() {
            if hold.owner == *owner || !self.is_live(oracle, key, hold, at) || hold.is_contested {
                continue;
            }
            contested.push(index);
            let is_excused = is_hindered(oracle, node, at.saturating_sub(self.transit), at)
                || !Self::is_settled(oracle, hold, at)
                || (EXCEPTIONS.contains(&Exception::StoreForgot)
                    && oracle.forgot_since(hold.node().0, at));
            if !is_excused {
                violation = Some(format!(
                    "native {peer} is let in as v{key} at node {node}, which is native {}'s",
                    hold.peer
                ));
            }
        }
        self.holds[key] = holds;
        let holds = &mut self.holds[key];
        let is_contested = !contested.is_empty();
        for index in contested {
            holds[index].is_contested = true;
        }
        match own.and_then(|own| holds.get_mut(own)) {
            Some(hold) => {
                if hold.node().1 != node {
                    hold.nodes.push((at, node));
                }
                (hold.connection, hold.peer, hold.renewed) = (connection, peer, at);
                (hold.lost, hold.killed) = (lost, None);
                hold.ended = is_forsaken.then_some(at);
            }
            None => holds.push(Hold {
                owner: owner.clone(),
                peer,
                connection,
                since: at,
                renewed: at,
                nodes: vec![(at, node)],
                lost,
                killed: None,
                ended: is_forsaken.then_some(at),
                is_contested,
            }),
        }
        if let Some(violation) = violation {
            self.wrong(|| violation);
        }
    }

    /// A node says that an id is another's.
    pub(super) fn refused(
        &mut self,
        (node, connection): (usize, u64),
        owner: &ByteString,
        (oracle, at): (&Oracle, Time),
    ) {
        let Some(state) = self.connections.get_mut(&connection) else {
            return;
        };
        state.pending = state.pending.saturating_sub(1);
        state.forsaken = state.forsaken.saturating_sub(1);
        let (peer, key) = (state.peer, state.key);
        let own = |hold: &&Hold| {
            hold.owner == *owner && self.is_live(oracle, key, hold, at) && !hold.is_contested
        };
        let is_robbed = self.holds[key].iter().find(own).is_some_and(|hold| {
            // Whoever got it when the store had lost it gives it back to its owner.
            let is_later = oracle.forgot_since(hold.since.saturating_sub(2 * ECHO), hold.since);
            Self::is_settled(oracle, hold, at) && !is_later && !is_hindered(oracle, node, at, at)
        });
        let is_free = !self.may_be_anothers(connection, owner, at);
        if let Some(hold) = self.holds[key]
            .iter_mut()
            .find(|hold| hold.owner == *owner && hold.connection == connection)
        {
            hold.ended.get_or_insert(at);
        }
        if is_robbed {
            self.wrong(|| format!("native {peer} is told at node {node} that v{key} is another's"));
        } else if is_free {
            self.wrong(|| format!("native {peer} is refused v{key} at node {node}, which is free"));
        }
    }

    /// Whether another owner than that of a connection has its id, had it until lately, or is about to get it.
    fn may_be_anothers(&self, connection: u64, owner: &ByteString, at: Time) -> bool {
        let Some(key) = self.connections.get(&connection).map(|state| state.key) else {
            return false;
        };
        let has = self.holds[key]
            .iter()
            .any(|hold| hold.owner != *owner && hold.ended.is_none_or(|end| at <= end + 2 * ECHO));
        let asks = self.connections.iter().any(|(number, other)| {
            let is_recent = other.lost.is_none_or(|lost| at <= lost + 2 * ECHO);
            *number != connection && other.key == key && other.pending > 0 && is_recent
        });
        let mut departures = self.departures[key].iter();
        has || asks || departures.any(|(_, end)| at <= *end + 4 * ECHO)
    }

    /// Somebody else speaks for the peer of a connection.
    pub(super) fn superseded(&mut self, connection: u64, (oracle, at): (&Oracle, Time)) {
        let Some(state) = self.connections.get(&connection) else {
            return;
        };
        let (peer, key) = (state.peer, state.key);
        let newer = self.connections.range(connection + 1..);
        let is_own = newer
            .map(|(_, other)| other)
            .any(|other| other.peer == peer && other.key == key);
        let dialed = state.dialed.saturating_sub(self.transit);
        let before = self.connections.range(..connection);
        let is_late = before.map(|(_, other)| other).any(|other| {
            let is_recent = other.lost.is_none_or(|lost| at <= lost + 4 * ECHO);
            let hindered = is_hindered(oracle, other.node, at.saturating_sub(ECHO), at);
            let is_later = other.granted.is_none_or(|granted| dialed <= granted);
            other.peer == peer && other.key == key && is_recent && (is_later || hindered)
        });
        let mut holds = self.holds[key].iter();
        let is_contested = holds.any(|hold| hold.connection == connection && hold.is_contested);
        if !is_own && !is_late && !is_contested && state.lost.is_none() {
            self.wrong(|| format!("native {peer} is superseded as v{key}, and not by itself"));
        }
    }
}
