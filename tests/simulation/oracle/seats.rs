//! How clients come to their seats, and go.

use super::*;

impl Oracle {
    /// A client announces itself at a node on a new connection, or in another room.
    pub(crate) fn arrive(&mut self, seat: Seat, node: usize, at: Time) -> Arrival {
        let transit = self.transit;
        let unsettled = self.is_unsettled(seat, node, at);
        let is_away = |departure: &&mut Departure| {
            let in_time = departure.lost.is_some_and(|(old, _)| {
                let way = if old == node {
                    20 * MILLISECOND
                } else {
                    2 * transit
                };
                at + way < departure.from
            });
            in_time && departure.returned.is_none()
        };
        let history = self.seats.entry(seat).or_default();
        history.nodes.push((at, node));
        let last = history.departures.last_mut();
        let Some(departure) = last.filter(is_away) else {
            history.arrivals.push(at);
            return Arrival::New;
        };
        if unsettled {
            return Arrival::New;
        }
        departure.returned = Some(node);
        let lost = departure.lost;
        match lost {
            Some((old, lost)) if old == node && !self.stands_still(node, lost, at) => {
                Arrival::Resumed
            }
            _ => Arrival::Moved,
        }
    }

    /// Whether a peer came to this node from another one lately, and the store may not know of it.
    fn is_unsettled(&self, seat: Seat, node: usize, at: Time) -> bool {
        let nodes = self
            .seats
            .get(&seat)
            .map_or(&[][..], |history| &history.nodes);
        let came = nodes.iter().rposition(|(_, other)| *other != node);
        let Some((since, _)) = came.and_then(|last| nodes.get(last + 1)) else {
            return false;
        };
        self.is_troubled(node, *since, at)
    }

    /// What a client is told next may have happened while it was away.
    pub(crate) fn replay(&mut self, client: usize) {
        if let Some(view) = self.views.get_mut(&client) {
            view.replayed = true;
        }
    }

    /// A client says that it leaves.
    pub(crate) fn leave(&mut self, seat: Seat, at: Time) {
        self.depart(seat, at, None);
    }

    /// A client's connection is gone.
    pub(crate) fn lose(&mut self, seat: Seat, node: usize, at: Time) {
        // The fastest clock.
        let window = self.window - self.window / 1_000;
        self.depart(seat, at + window, Some((node, at)));
    }

    fn depart(&mut self, seat: Seat, from: Time, lost: Option<(usize, Time)>) {
        let history = self.seats.entry(seat).or_default();
        history.departures.push(Departure {
            from,
            lost,
            returned: None,
        });
    }
}
