use std::collections::{BTreeMap, BTreeSet};

use super::{Who, clock};
use crate::node::{SECOND, Time};

/// How long before and after a node counts as dead messages from it and to it may be lost.
const ABOUT: Time = 15 * SECOND;

/// What peers say to each other, by number.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    said: Vec<Said>,
    received: BTreeSet<(usize, usize)>,
    /// The last message of each sender's connection that each receiver has heard.
    last: BTreeMap<(usize, u64, u64), usize>,
    /// Each client's stay, by number, and since when it is.
    stretches: BTreeMap<usize, (u64, Time)>,
    /// From when to when each client was on its way from one node to another.
    moves: BTreeMap<usize, Vec<(Time, Time)>>,
    expected: Vec<Expected>,
    contested: BTreeSet<usize>,
    pub(crate) violation: Option<String>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Said {
    pub(crate) by: Who,
    /// The sender's connection.
    pub(crate) connection: u64,
    pub(crate) node: usize,
    pub(crate) room: usize,
    /// Nobody is everybody.
    pub(crate) to: Option<usize>,
    pub(crate) at: Time,
}

/// Somebody whom a message must reach.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receiver {
    pub(crate) client: usize,
    pub(crate) node: usize,
}

#[derive(Debug)]
struct Expected {
    message: usize,
    receiver: Receiver,
    stretch: u64,
}

impl Messages {
    /// The next message's number.
    pub(crate) fn next(&self) -> usize {
        self.said.len()
    }

    pub(crate) fn said(&mut self, said: Said, receivers: &[Receiver]) {
        for receiver in receivers {
            self.expected.push(Expected {
                message: self.said.len(),
                receiver: *receiver,
                stretch: self.stretch(receiver.client),
            });
        }
        self.said.push(said);
    }

    /// What was meant for this client's last stay may be lost from here on.
    pub(crate) fn end_stretch(&mut self, client: usize, at: Time) {
        let stretch = self.stretches.entry(client).or_default();
        *stretch = (stretch.0 + 1, at);
    }

    fn stretch(&self, client: usize) -> u64 {
        self.stretches.get(&client).map_or(0, |(number, _)| *number)
    }

    /// A client is at another node now than it was when its connection was lost.
    pub(crate) fn moved(&mut self, client: usize, from: Time, until: Time) {
        self.moves.entry(client).or_default().push((from, until));
    }

    /// Whether what was said then may have been forwarded from the client's old node.
    fn was_moving(&self, client: usize, at: Time) -> bool {
        let moves = self.moves.get(&client).into_iter().flatten();
        moves
            .into_iter()
            .any(|(from, until)| *from <= at + ABOUT && at <= *until + ABOUT)
    }

    /// Two clients use this person's id: which of them hears what is not known.
    pub(crate) fn contest(&mut self, person: usize) {
        self.contested.insert(person);
    }

    /// Returns when it was said.
    pub(crate) fn received(
        &mut self,
        who: Who,
        room: usize,
        from: usize,
        text: &str,
        at: Time,
    ) -> Time {
        let number: usize = text.parse().unwrap();
        let Some(said) = self.said.get(number).copied() else {
            self.wrong(
                at,
                format!("{who:?} hears message {number}, which nobody said"),
            );
            return at;
        };
        let is_mine = said.to.is_none_or(|to| to == who.person);
        if said.by.person != from || said.room != room || !is_mine || from == who.person {
            self.wrong(
                at,
                format!("{who:?} in r{room} hears message {number} of p{from}: {said:?}"),
            );
        }
        let strict = !self.contested.contains(&who.person) && !self.was_moving(who.client, said.at);
        let strict_once = strict || (said.to.is_some() && !self.contested.contains(&who.person));
        if !self.received.insert((who.client, number)) && strict_once {
            self.wrong(
                at,
                format!("{who:?} hears message {number} twice: {said:?}"),
            );
        }
        let stretch = self.stretch(who.client);
        let last = self
            .last
            .entry((who.client, stretch, said.connection))
            .or_default();
        // What was said to a stay before has an order of its own.
        let begun = self.stretches.get(&who.client).map_or(0, |(_, at)| *at);
        if said.at < begun {
            return said.at;
        }
        let before = std::mem::replace(last, number);
        if before > number && strict {
            self.wrong(
                at,
                format!("{who:?} hears message {number} after {before}: {said:?}"),
            );
        }
        said.at
    }

    /// When all is quiet: everything has arrived, but what may be lost. `dead` tells whether a node is killed, or counted
    /// as dead while a message was on its way to or from it.
    pub(crate) fn check(&mut self, dead: impl Fn(usize, Said, usize) -> bool, at: Time) {
        for expected in std::mem::take(&mut self.expected) {
            let Receiver { client, node } = expected.receiver;
            let said = self.said[expected.message];
            let excused = self.stretch(client) != expected.stretch || dead(node, said, said.node);
            if !excused && !self.received.contains(&(client, expected.message)) {
                let number = expected.message;
                self.wrong(
                    at,
                    format!("message {number} did not arrive at {client} at node {node}: {said:?}"),
                );
            }
        }
    }

    fn wrong(&mut self, at: Time, what: String) {
        if self.violation.is_none() {
            self.violation = Some(format!("{}: {what}", clock(at)));
        }
    }
}
