use std::collections::{BTreeMap, BTreeSet};

use super::{Stays, Who, clock};
use crate::node::{SECOND, Time};

/// How long before and after a move broadcasts may come twice or late.
const ABOUT: Time = 15 * SECOND;
/// The same where nothing else goes wrong.
const ABOUT_CALM: Time = SECOND;

/// What peers say to each other, by number.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    said: Vec<Said>,
    /// In which of its stays the sender of each message was.
    said_in: Vec<u64>,
    received: BTreeSet<(usize, usize)>,
    /// The last message of each sender's connection that each receiver has heard.
    last: BTreeMap<(usize, u64, u64), usize>,
    /// The same of what was said to it alone: in each stay of the sender, where the receiver has moved, else (0) in all.
    last_directed: BTreeMap<(usize, u64, u64), usize>,
    pub(crate) stays: Stays,
    /// Each client's stay, by number, and since when it is.
    stretches: BTreeMap<usize, (u64, Time)>,
    /// From when to when each client was on its way from one node to another.
    moves: BTreeMap<usize, Vec<(Time, Time)>>,
    /// When nodes could not reach the store.
    troubles: Vec<(Time, Time)>,
    expected: Vec<Expected>,
    contested: BTreeSet<usize>,
    /// Whether nothing goes wrong.
    calm: bool,
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
    /// The sender's node has it where it was before: the message has to go after it.
    pub(crate) behind: bool,
}

#[derive(Debug)]
struct Expected {
    message: usize,
    receiver: Receiver,
    stretch: u64,
    stay: u64,
}

/// A message that was heard after one that was said later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Overtaken {
    pub(crate) said: Said,
    pub(crate) before: usize,
}

impl Messages {
    pub(crate) fn new(calm: bool) -> Self {
        Self {
            calm,
            ..Self::default()
        }
    }

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
                stay: self.stays.number(receiver.client),
            });
        }
        self.said_in.push(self.stays.number(said.by.client));
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

    /// A node's way to the store does not work from then to then.
    pub(crate) fn trouble(&mut self, from: Time, until: Time) {
        if until < Time::MAX {
            self.troubles.push((from, until));
        }
    }

    /// Whether what was said then may have been forwarded from the client's old node, or have waited for the client at
    /// the new one: until the store has been told.
    fn was_moving(&self, client: usize, at: Time) -> bool {
        let about = if self.calm { ABOUT_CALM } else { ABOUT };
        let mut moves = self.moves.get(&client).into_iter().flatten();
        moves.any(|&(from, until)| {
            let kept_from = |(begin, end): &&(Time, Time)| *begin <= until + about && until < *end;
            let troubles = self.troubles.iter().filter(kept_from);
            let told = troubles.map(|(_, end)| *end).max().unwrap_or(until);
            from <= at + about && at <= told.max(until) + about
        })
    }

    /// Two clients use this person's id: which of them hears what is not known.
    pub(crate) fn contest(&mut self, person: usize) {
        self.contested.insert(person);
    }

    /// A message to one peer comes after one that the same connection said to it later; in the same stay, if the peer has
    /// moved.
    pub(crate) fn overtaken(&mut self, client: usize, number: usize) -> Option<Overtaken> {
        let said = *self.said.get(number)?;
        if said.to.is_none() || said.at < self.stays.since(client) {
            return None;
        }
        // For a receiver that has stayed where it was, the conversation goes on.
        let stay = match self.stays.nodes(client) {
            [_] => 0,
            _ => self.said_in[number] + 1,
        };
        let sender = (client, said.connection, stay);
        let last = self.last_directed.entry(sender);
        let last = last.or_insert(number);
        let before = *last;
        *last = before.max(number);
        (before > number && !self.contested.contains(&said.by.person))
            .then_some(Overtaken { said, before })
    }

    /// A node writes something to a connection that is dead, or has another in its place.
    pub(crate) fn received_by_none(&mut self, client: usize, text: &str) {
        let number: usize = text.parse().unwrap();
        self.received.insert((client, number));
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
    /// as dead while a message was on its way to or from it; `hurt` whether one of these nodes had trouble since it was said.
    pub(crate) fn check(
        &mut self,
        dead: impl Fn(usize, Said, usize) -> bool,
        hurt: impl Fn(&[usize], Said) -> bool,
        at: Time,
    ) {
        for expected in std::mem::take(&mut self.expected) {
            let Receiver {
                client,
                node,
                behind,
            } = expected.receiver;
            let said = self.said[expected.message];
            let excused = if self.stretch(client) == expected.stretch && !behind {
                dead(node, said, said.node)
            } else {
                // It has moved, or is away. A broadcast is not handed over.
                let there = self.stays.number(client) == expected.stay;
                said.to.is_none() || !there || hurt(self.stays.nodes(client), said)
            };
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
