//! What must be so when all is quiet.

use super::*;

impl Oracle {
    /// When all is quiet: what a node has of a room must be the truth.
    pub(crate) fn check_roster(
        &mut self,
        node: usize,
        room: usize,
        roster: &BTreeMap<usize, usize>,
        truth: &Truth,
        at: Time,
    ) {
        let there: BTreeMap<usize, usize> = truth
            .iter()
            .filter(|((place, _), _)| *place == room)
            .map(|((_, person), (_, node))| (*person, *node))
            .collect();
        if *roster != there {
            self.wrong(at, || {
                format!("node {node} has r{room} as {roster:?} and not {there:?}")
            });
        }
    }

    /// Five seconds after the store is back: nobody is missing, and nobody is there who left long ago.
    pub(crate) fn check_nobody_missing(
        &mut self,
        node: usize,
        room: usize,
        roster: &BTreeMap<usize, usize>,
        truth: &Truth,
        at: Time,
    ) {
        for ((place, person), (_, holder)) in truth {
            if *place == room && roster.get(person) != Some(holder) && !self.is_contested(*person) {
                self.wrong(at, || {
                    format!("node {node} has r{room} as {roster:?}, without p{person} at {holder}")
                });
            }
        }
    }

    /// When all is quiet: what the client was told must be the truth.
    pub(crate) fn check_view(&mut self, who: Who, truth: &Truth, at: Time) {
        let Some(view) = self.views.get(&who.client) else {
            return;
        };
        let Some(since) = view.since else {
            self.wrong(at, || format!("{who:?} was never answered"));
            return;
        };
        let mut wrong = Vec::new();
        for ((room, person), history) in &self.seats {
            if *room != view.room || *person == who.person {
                continue;
            }
            let seen = view.peers.get(person);
            let is_there = truth.contains_key(&(*room, *person));
            let arrivals = history
                .arrivals
                .iter()
                .filter(|arrival| **arrival > since + SECOND);
            let arrivals = arrivals.count();
            if is_there
                && (seen == Some(&Seen::Gone)
                    || (seen.is_none() && arrivals > 0 && !self.contested.contains(person)))
            {
                wrong.push(format!("does not know p{person}"));
            }
            if !is_there && seen == Some(&Seen::Known) {
                wrong.push(format!("still knows p{person}"));
            }
            if self.calm && !self.contested.contains(person) {
                let joins = view.joins.get(person).copied().unwrap_or(0);
                if joins < arrivals {
                    wrong.push(format!("heard {joins} of {arrivals} joins of p{person}"));
                }
                let untold = history
                    .departures
                    .iter()
                    .enumerate()
                    .any(|(number, departure)| {
                        departure.returned.is_none()
                            && departure.from > since + SECOND
                            && departure.from + SECOND < at
                            && !view.told.contains(&(*person, Cause::Departure(number)))
                    });
                if untold {
                    wrong.push(format!("was not told of a departure of p{person}"));
                }
            }
        }
        if !wrong.is_empty() {
            self.wrong(at, || format!("{who:?} {}", wrong.join(", ")));
        }
    }

    /// When all is quiet: what was said has arrived. What is under way when a trouble begins may arrive when it is
    /// over, unless another has begun; a node that counts as dead in that time is excused.
    pub(crate) fn check_messages(&mut self, killed: &BTreeSet<usize>, at: Time) {
        let mut messages = std::mem::take(&mut self.messages);
        let dead = |receiver: usize, said: Said, sender: usize| {
            if killed.contains(&sender) {
                return true;
            }
            if sender == receiver {
                return false;
            }
            let calm = self.calm_after(sender, receiver, said.at);
            [sender, receiver].into_iter().any(|node| {
                let from = said.at.saturating_sub(ECHO);
                killed.contains(&node) || self.leases.lapsed(node, from, calm + ECHO)
            })
        };
        let hurt = |nodes: &[usize], said: Said| {
            let from = said.at.saturating_sub(ECHO);
            let nodes = || nodes.iter().copied().chain([said.node]);
            self.ailed(nodes(), said.at, at)
                || nodes().any(|node| killed.contains(&node) || self.is_troubled(node, from, at))
        };
        messages.check(dead, hurt, at);
        self.messages = messages;
    }

    /// The first time from then on at which neither node has had trouble for some seconds.
    fn calm_after(&self, one: usize, other: usize, at: Time) -> Time {
        let mut calm = at;
        let troubles = || self.troubles[one].iter().chain(&self.troubles[other]);
        while let Some((_, end)) = troubles()
            .find(|(begin, end)| *begin <= calm + 3 * SECOND && calm < *end && *end != Time::MAX)
        {
            calm = *end;
        }
        calm
    }
}
