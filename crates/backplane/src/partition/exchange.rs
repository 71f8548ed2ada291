//! Messages between nodes: numbered, kept until acknowledged, asked for again when missing.

use std::time::Instant;

use bytes::Bytes;
use bytestring::ByteString;

use super::{
    Channel, Event, Partition, Request,
    frame::{Frame, Position},
    stream::Message,
};
use crate::NodeId;

/// Of what has no place in a stream.
const NOWHERE: Position = Position {
    epoch: 0,
    acked: 0,
    number: 0,
};

impl Partition {
    pub(super) fn send(&mut self, node: &NodeId, payload: Bytes, now: Instant) {
        let message = Message {
            room: None,
            payload: payload.clone(),
        };
        match self.streams.push(node, message, &self.config, now) {
            Some(at) => {
                let frame = Frame::One {
                    from: &self.node.0,
                    link: self.links,
                    at,
                    room: None,
                    payload: &payload,
                };
                self.tell(node, frame.write());
            }
            None => self.counters.refused += 1,
        }
    }

    pub(super) fn publish(
        &mut self,
        room: ByteString,
        nodes: Vec<NodeId>,
        payload: Bytes,
        now: Instant,
    ) {
        let mut to = Vec::with_capacity(nodes.len());
        for node in &nodes {
            let message = Message {
                room: Some(room.clone()),
                payload: payload.clone(),
            };
            let at = self.streams.push(node, message, &self.config, now);
            if at.is_none() {
                self.counters.refused += 1;
            }
            to.push((&*node.0, at.unwrap_or(NOWHERE)));
        }
        let frame = Frame::Room {
            from: &self.node.0,
            link: self.links,
            to,
            payload: &payload,
        };
        let payload = frame.write();
        if self.takes_messages() {
            let channel = Channel::Room(room);
            self.request(Request::Publish { channel, payload }, None);
        }
    }

    /// Publishes to one node. What cannot be is repeated later, if it is numbered.
    pub(super) fn tell(&mut self, node: &NodeId, payload: Bytes) {
        if self.takes_messages() {
            let channel = Channel::Node(node.clone());
            self.request(Request::Publish { channel, payload }, None);
        }
    }

    fn takes_messages(&self) -> bool {
        self.is_open() && !self.congested
    }

    /// More waits for the link than it carries, or no longer does. Messages are numbered and kept meanwhile, and
    /// repeated afterwards.
    pub fn handle_congestion(&mut self, congested: bool, now: Instant) {
        self.congested = congested;
        if self.takes_messages() {
            self.mark_streams(now, true);
        }
    }

    /// Says to nodes that have something to acknowledge which message is the last: after each beat to those that
    /// have been silent since the one before, and to `all` when the link is new.
    pub(super) fn mark_streams(&mut self, now: Instant, all: bool) {
        let since = self.config.beat / 2;
        let marks: Vec<(NodeId, Position)> = self
            .streams
            .outgoing
            .iter()
            .filter(|(_, stream)| stream.oldest().is_some_and(|at| all || at + since <= now))
            .map(|(node, stream)| (node.clone(), stream.last()))
            .collect();
        for (node, at) in marks {
            let from = &*self.node.0;
            let mark = Frame::Mark { from, at }.write();
            self.tell(&node, mark);
        }
        if all {
            for source in self.streams.incoming.values_mut() {
                source.stream.hurry(now);
            }
        }
    }

    /// Asks for what is missing, where that is due.
    pub(super) fn want_repeats(&mut self, now: Instant) {
        let missing: Vec<_> = self
            .streams
            .incoming
            .iter_mut()
            .filter_map(|(node, source)| Some((node.clone(), source.stream.missing(now)?)))
            .collect();
        for (node, missing) in missing {
            self.want_repeat(&node, missing);
        }
    }

    fn want_repeat(&mut self, node: &NodeId, (epoch, first, last): (u64, u64, u64)) {
        self.counters.repeats_wanted += 1;
        let from = &*self.node.0;
        let nak = Frame::Nak {
            from,
            epoch,
            first,
            last,
        };
        let nak = nak.write();
        self.tell(node, nak);
    }

    pub(super) fn frame(
        &mut self,
        channel: &Channel,
        frame: Frame<'_>,
        bytes: &Bytes,
        now: Instant,
    ) {
        match frame {
            Frame::One {
                from,
                link,
                at,
                room,
                payload,
            } => {
                let message = Message {
                    room: room.map(ByteString::from),
                    payload: bytes.slice_ref(payload),
                };
                self.accept((from, link), at, message, now);
            }
            Frame::Room {
                from,
                link,
                to,
                payload,
            } => {
                if let Channel::Room(room) = channel {
                    let payload = bytes.slice_ref(payload);
                    self.room_frame(room, (from, link), &to, payload, now);
                }
            }
            Frame::Mark { from, at } => {
                let stream = self.streams.incoming(from, at, now);
                if stream.mark(at, now) {
                    let acknowledgement = stream.acknowledgement(true);
                    self.acknowledge(from, acknowledgement);
                }
                self.want_now(from, now);
            }
            Frame::Ack {
                from,
                epoch,
                number,
            } => self.streams.acknowledge(from, epoch, number),
            Frame::Nak {
                from,
                epoch,
                first,
                last,
            } => self.repeat(from, epoch, first, last),
            Frame::Lost {
                from,
                epoch,
                number,
            } => {
                if let Some(stream) = self.streams.known(from) {
                    let (lost, messages) = stream.skip(epoch, number, now);
                    self.counters.lost += lost;
                    self.deliver(from, messages);
                }
            }
            Frame::Ask { from, room } => self.asked(NodeId(from.into()), room.into()),
            Frame::Answer { from, room } => self.answered(&NodeId(from.into()), room.into()),
        }
    }

    fn room_frame(
        &mut self,
        room: &ByteString,
        (from, link): (&str, u64),
        to: &[(&str, Position)],
        payload: Bytes,
        now: Instant,
    ) {
        if *from == *self.node.0 {
            return;
        }
        let message = Message {
            room: Some(room.clone()),
            payload,
        };
        match to.iter().find(|(node, _)| *node == &*self.node.0) {
            Some((_, at)) if at.number > 0 => self.accept((from, link), *at, message, now),
            // Refused for this node: what was before it has not arrived either.
            Some(_) => {
                self.streams.hear(from, link, NOWHERE, now);
            }
            // The sender did not know yet that this node is in the room. What it said since may have come already, what
            // it said before may be missing.
            None => {
                let (stream, is_new) = self.streams.hear(from, link, NOWHERE, now);
                if is_new {
                    let arrival = stream.accept_unnumbered(message);
                    self.counters.early_dropped += u64::from(arrival.dropped);
                    self.deliver(from, arrival.messages);
                }
            }
        }
    }

    fn accept(&mut self, (from, link): (&str, u64), at: Position, message: Message, now: Instant) {
        let (stream, _) = self.streams.hear(from, link, at, now);
        let arrival = stream.accept(at, message, now);
        let acknowledgement = stream.acknowledgement(false);
        self.counters.duplicates += u64::from(arrival.duplicate);
        self.counters.early_dropped += u64::from(arrival.dropped);
        self.deliver(from, arrival.messages);
        self.acknowledge(from, acknowledgement);
        self.want_now(from, now);
    }

    fn acknowledge(&mut self, from: &str, what: Option<(u64, u64)>) {
        if let Some((epoch, number)) = what {
            let ack = Frame::Ack {
                from: &self.node.0,
                epoch,
                number,
            };
            let ack = ack.write();
            self.tell(&NodeId(from.into()), ack);
        }
    }

    /// What is found missing just now is asked for at once.
    fn want_now(&mut self, from: &str, now: Instant) {
        if let Some(missing) = self
            .streams
            .known(from)
            .and_then(|stream| stream.missing(now))
        {
            self.want_repeat(&NodeId(from.into()), missing);
        }
    }

    fn deliver(&mut self, from: &str, messages: Vec<Message>) {
        for Message { room, payload } in messages {
            let from = NodeId(from.into());
            match room {
                None => self.event(Event::Received { from, payload }),
                Some(room) if self.rooms.has(&room) => self.event(Event::Published {
                    room,
                    from,
                    payload,
                }),
                Some(_) => {}
            }
        }
    }

    /// Sends again what a node misses.
    fn repeat(&mut self, to: &str, epoch: u64, first: u64, last: u64) {
        let node = NodeId(to.into());
        let repeated = match self.streams.outgoing.get(&node) {
            Some(stream) => stream.repeat(epoch, first, last),
            None => Err(last),
        };
        match repeated {
            Ok(messages) => {
                for (at, message) in messages {
                    self.counters.repeated += 1;
                    let frame = Frame::One {
                        from: &self.node.0,
                        link: self.links,
                        at,
                        room: message.room.as_deref(),
                        payload: &message.payload,
                    };
                    let frame = frame.write();
                    self.tell(&node, frame);
                }
            }
            Err(number) => {
                let lost = Frame::Lost {
                    from: &self.node.0,
                    epoch,
                    number,
                };
                let lost = lost.write();
                self.tell(&node, lost);
            }
        }
    }
}
