//! Whether what a client is told may be said.

use super::*;

impl Oracle {
    /// A node tells a client something on one of its connections.
    pub(crate) fn told(&mut self, who: Who, connection: u64, message: &ServerMessage, at: Time) {
        let Some(view) = self.views.get_mut(&who.client) else {
            return;
        };
        if view.connection != connection && !view.previous.contains(&connection) {
            if let ServerMessage::Message { payload, .. } = message {
                self.messages.received_by_none(who.client, payload.text());
            }
            return;
        }
        let (peer, is_join) = match message {
            ServerMessage::RoomInfo { .. } => {
                view.since.get_or_insert(at);
                return;
            }
            ServerMessage::Superseded
            | ServerMessage::Members { .. }
            | ServerMessage::IdInUse { .. }
            | ServerMessage::Answer { .. } => return,
            ServerMessage::Message { from, payload } => {
                let from = person(from);
                let unknown = view.peers.get(&from) == Some(&Seen::Gone);
                let (room, node) = (view.room, view.node);
                let since = view.since.unwrap_or(at);
                let said = self.messages.received(who, room, from, payload.text(), at);
                self.check_order(who, payload.text(), at);
                // What was said before it came, or before the other left, may be late.
                let left = self.seats.get(&(room, from));
                let left = left.and_then(|history| history.departures.last());
                let news = said > since && left.is_some_and(|departure| departure.from < said);
                if self.calm && unknown && news && !self.is_contested(from) {
                    self.wrong(at, || {
                        format!(
                            "{who:?} at node {node} hears p{from}, of whom it was told that it left"
                        )
                    });
                }
                return;
            }
            ServerMessage::Left { peer, .. } => return self.told_left(who, person(peer), at),
            ServerMessage::Joined { peer, .. } => (peer, true),
            ServerMessage::Updated { peer, .. }
            | ServerMessage::Resumed { peer, .. }
            | ServerMessage::Suspended { peer } => (peer, false),
        };
        let peer = person(peer);
        let before = view.peers.insert(peer, Seen::Known);
        if is_join {
            *view.joins.entry(peer).or_default() += 1;
        }
        let wrong = match before {
            Some(Seen::Known) => is_join,
            Some(Seen::Gone) => !is_join,
            None => peer == who.person && !self.contested.contains(&peer),
        };
        if wrong {
            self.wrong(at, || {
                format!("{who:?} is told {message:?}, and had {before:?}")
            });
        }
    }

    /// What is said to a peer alone comes in order also where the peer moves, and through every trouble that all nodes
    /// have together.
    fn check_order(&mut self, who: Who, text: &str, at: Time) {
        let number = text.parse().unwrap();
        let Some(overtaken) = self.messages.overtaken(who.client, number) else {
            return;
        };
        let Overtaken { said, before } = overtaken;
        let nodes = self.messages.stays.nodes(who.client).iter().copied();
        let nodes: Vec<usize> = nodes.chain([said.node]).collect();
        if !self.ailed(nodes, said.at, at) {
            self.wrong(at, || {
                format!(
                    "{who:?} hears message {number}, said to it alone, after {before}: {said:?}"
                )
            });
        }
    }

    fn told_left(&mut self, who: Who, peer: usize, at: Time) {
        let Some(view) = self.views.get_mut(&who.client) else {
            return;
        };
        let before = view.peers.insert(peer, Seen::Gone);
        if before == Some(Seen::Gone) || peer == who.person {
            self.wrong(at, || {
                format!("{who:?} is told that p{peer} left, and had {before:?}")
            });
            return;
        }
        if self.contested.contains(&peer) {
            return;
        }
        match self.cause(who.client, peer, at) {
            Some(cause) => {
                if let Some(view) = self.views.get_mut(&who.client) {
                    view.told.insert((peer, cause));
                }
            }
            None => self.wrong(at, || {
                format!("{who:?} is told that p{peer} left, without a cause")
            }),
        }
    }

    /// Why it may be said now that a peer left, which was not said for that reason before.
    fn cause(&self, client: usize, peer: usize, at: Time) -> Option<Cause> {
        let view = self.views.get(&client)?;
        let since = view.since.unwrap_or(at);
        let history = self.seats.get(&(view.room, peer))?;
        // What happened while the client was away is told when it is back.
        let late =
            view.replayed || self.is_troubled(view.node, since.max(at.saturating_sub(ECHO)), at);
        let is_old = |departure: &Departure| {
            let mut arrivals = history.arrivals.iter();
            let mut nodes = history.nodes.iter().rev();
            let node = nodes.find(|(at, _)| *at <= departure.from);
            let still = node.is_some_and(|(_, node)| self.is_troubled(*node, departure.from, at));
            !still
                && arrivals.any(|arrival| *arrival >= departure.from && *arrival + SECOND < since)
        };
        let departures = history.departures.iter().enumerate();
        let departure = departures
            .filter(|(_, departure)| departure.from <= at && (late || !is_old(departure)))
            .filter(
                |(_, departure)| match (departure.lost, departure.returned) {
                    (Some((old, lost)), Some(new)) => {
                        let still = self.stands_still(old, lost, at);
                        let apart = old != new
                            && (self.is_troubled(old, lost, at) || self.is_troubled(new, lost, at));
                        still || apart
                    }
                    _ => true,
                },
            )
            .map(|(number, _)| Cause::Departure(number))
            .rfind(|cause| !view.told.contains(&(peer, *cause)));
        departure
            .or_else(|| {
                let recent = |index: usize| {
                    let next = history.nodes.get(index + 1);
                    next.is_none_or(|(next, _)| *next + 30 * SECOND > at)
                };
                let nodes = history.nodes.iter().enumerate();
                nodes
                    .filter(|(index, _)| recent(*index))
                    .flat_map(|(_, (_, node))| {
                        let slack = if late { ECHO } else { self.transit };
                        let lapses = self.leases.lapses(*node, at, slack);
                        lapses.map(|from| Cause::Lapse(*node, from))
                    })
                    .find(|cause| !view.told.contains(&(peer, *cause)))
            })
            .or_else(|| self.rollback(view, peer, at))
    }

    /// A store that lost its last writes had somebody who had left before.
    fn rollback(&self, view: &View, peer: usize, at: Time) -> Option<Cause> {
        let history = self.seats.get(&(view.room, peer))?;
        let rollbacks = self.rollbacks.iter();
        rollbacks
            .filter(|(gone, back)| {
                let lately = |time: Time| gone.saturating_sub(ECHO) <= time && time <= *back;
                let departures = &history.departures;
                let left = departures.iter().any(|departure| lately(departure.from));
                let moved = history.nodes.iter().any(|(at, _)| lately(*at));
                (left || moved) && *back <= at && at <= *back + ECHO
            })
            .map(|(_, back)| Cause::Rollback(*back))
            .find(|cause| !view.told.contains(&(peer, *cause)))
    }
}
