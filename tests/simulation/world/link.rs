//! Carrying things between the nodes and the store.

use super::*;

impl World {
    /// Something happens to a node, at once or when it is no longer frozen.
    pub(crate) fn input(&mut self, node: usize, input: Input) {
        if !self.nodes[node].is_alive {
            return;
        }
        if self.nodes[node].frozen {
            if !matches!(input, Input::Wake) {
                self.nodes[node].inbox.push_back(input);
            }
            return;
        }
        self.handle(node, input);
        self.set_alarm(node);
    }

    fn handle(&mut self, node: usize, input: Input) {
        if let Input::Disconnected(generation) = input
            && generation == self.nodes[node].generation
        {
            self.note(|| format!("n{node} knows that its link is broken"));
            self.reconnect(node);
        }
        for effect in self.nodes[node].handle(input, self.now) {
            match effect {
                Effect::Request(id, request) => {
                    self.send_to_store(node, Lane::Requests, ToStore::Request(id, request));
                }
                Effect::Subscribe(channels) => {
                    self.send_to_store(node, Lane::Subscriptions, ToStore::Subscribe(channels));
                }
                Effect::Unsubscribe(channels) => {
                    self.send_to_store(node, Lane::Subscriptions, ToStore::Unsubscribe(channels));
                }
                Effect::Reconnect => {
                    self.note(|| format!("n{node} gives its link up"));
                    let now = self.now;
                    self.links[node].sever(now, &mut self.random);
                    self.oracle
                        .trouble(node, now.saturating_sub(4 * SECOND), now);
                    self.reconnect(node);
                }
                Effect::Tell(connection, message) => self.tell(node, connection.0, &message),
                Effect::Accept(connection) => self.carry_to_native(connection.0, Turn::Opened),
                Effect::Write(connection, text) => {
                    self.carry_to_native(connection.0, |connection| Turn::Down(connection, text));
                }
                Effect::Close(connection) => self.carry_to_native(connection.0, Turn::Closed),
            }
        }
    }

    /// Has the node woken when it wants to be, unless that is arranged.
    fn set_alarm(&mut self, node: usize) {
        let Some(wake) = self.nodes[node].next_wake(self.now) else {
            return;
        };
        if self.nodes[node]
            .wake_at
            .is_none_or(|at| wake < at || at <= self.now)
        {
            self.nodes[node].wake_at = Some(wake);
            self.later(wake, node, Input::Wake);
        }
    }

    pub(super) fn thaw(&mut self, node: usize) {
        if !self.nodes[node].is_alive || !self.nodes[node].frozen {
            return;
        }
        self.note(|| format!("n{node} goes on"));
        self.nodes[node].frozen = false;
        // Timers and sockets are ready together: either may come first.
        if self.random.percent(50) {
            self.handle(node, Input::Wake);
        }
        while let Some(input) = self.nodes[node].inbox.pop_front() {
            self.handle(node, input);
        }
        self.handle(node, Input::Wake);
        self.set_alarm(node);
    }

    fn reconnect(&mut self, node: usize) {
        let pause = self.random.between(50 * MILLISECOND, SECOND);
        self.at(self.now + pause, Happening::Connect(node));
    }

    pub(super) fn connect_link(&mut self, node: usize) {
        if !self.nodes[node].is_alive || self.links[node].is_open {
            return;
        }
        if !self.server.is_up || self.server.frozen || self.links[node].refused_until > self.now {
            self.reconnect(node);
            return;
        }
        let link = &mut self.links[node];
        link.open();
        let connected = Input::Connected(link.generation, self.server.life);
        let at = link.arrival(Lane::Replies, self.now, self.delays, &mut self.random);
        self.note(|| format!("n{node} is connected"));
        self.later(at, node, connected);
        self.oracle.has_contact(node, at);
        self.quiet_from = self.quiet_from.max(self.now);
        if self.now > SECOND {
            self.oracle.trouble(node, self.now, at + 2 * SECOND);
        }
    }

    fn send_to_store(&mut self, node: usize, lane: Lane, what: ToStore) {
        let link = &mut self.links[node];
        if link.is_open && link.generation == self.nodes[node].generation {
            let at = link.arrival(lane, self.now, self.delays, &mut self.random);
            let generation = link.generation;
            self.at(at, Happening::AtStore(node, generation, what));
        }
    }

    pub(super) fn at_store(&mut self, node: usize, generation: u64, what: ToStore) {
        if !self.server.is_up || !self.links[node].reaches(generation, self.now) {
            return;
        }
        if let Some(at) = self.links[node].held_up(generation, self.now) {
            self.at(at, Happening::AtStore(node, generation, what));
            return;
        }
        if self.server.frozen {
            self.server.inbox.push_back((node, generation, what));
            return;
        }
        match what {
            ToStore::Request(id, request) => {
                self.note(|| format!("store, n{node}: {request:?}"));
                let at = self.now + self.server.clock;
                let (reply, deliveries) = self.server.store.execute(request.clone(), at);
                // One of a link that is overtaken has done nothing.
                if let Request::Beat { node: name, .. } = &request
                    && !deliveries.is_empty()
                {
                    let number = name.0[1..].parse().unwrap();
                    self.oracle.leases.beat(number, self.now);
                }
                self.oracle
                    .wire
                    .executed(&request, deliveries.len(), self.now);
                for (channel, delivery) in deliveries {
                    self.oracle.wire.published(&channel, &delivery, self.now);
                    self.publish(channel, delivery);
                }
                self.answer(node, generation, |generation| {
                    Input::Reply(generation, id, reply)
                });
            }
            ToStore::Subscribe(channels) => {
                if self.links[node].is_open && self.links[node].generation == generation {
                    self.links[node].subscriptions.extend(channels);
                    let link = &mut self.links[node];
                    let at = link.arrival(Lane::Published, self.now, self.delays, &mut self.random);
                    self.later(at, node, Input::Subscribed(generation));
                }
            }
            ToStore::Unsubscribe(channels) => {
                if self.links[node].generation == generation {
                    for channel in channels {
                        self.links[node].subscriptions.remove(&channel);
                    }
                }
            }
        }
    }

    fn answer(&mut self, node: usize, generation: u64, reply: impl FnOnce(u64) -> Input) {
        let link = &mut self.links[node];
        if link.is_open && link.generation == generation {
            let at = link.arrival(Lane::Replies, self.now, self.delays, &mut self.random);
            self.later(at, node, reply(generation));
        }
    }

    fn publish(&mut self, channel: backplane::partition::Channel, delivery: Delivery) {
        if self.plan.swallows_naks && self.swallower.swallows(&channel, &delivery) {
            self.note(|| "a request for a repetition is swallowed".to_owned());
            return;
        }
        for node in 0..self.links.len() {
            let link = &mut self.links[node];
            if !link.is_open || !link.subscriptions.contains(&channel) {
                continue;
            }
            let at = link.arrival(Lane::Published, self.now, self.delays, &mut self.random);
            if link.loses(self.now, &mut self.random) {
                self.note(|| format!("lost on its way to n{node}: {delivery:?}"));
                continue;
            }
            let generation = link.generation;
            let channel = channel.clone();
            let input = match delivery.clone() {
                Delivery::Published(published) => Input::Published(generation, channel, published),
                Delivery::Payload(payload) => Input::Payload(generation, channel, payload),
            };
            self.later(at, node, input);
        }
    }

    pub(super) fn thaw_store(&mut self) {
        self.note(|| "the store goes on".to_owned());
        self.server.frozen = false;
        self.oracle.leases.store_back(self.now);
        while let Some((node, generation, what)) = self.server.inbox.pop_front() {
            self.at_store(node, generation, what);
        }
    }
}
