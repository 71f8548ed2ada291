//! A partition's link at work: what is under way on its two connections, and when it is beyond use.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use redis::{ServerError, Value, cmd};

use super::{
    keys::Keys,
    lane::Lane,
    request::{Answer, command, reply},
    topology::Link,
};
use crate::partition::{Channel, Reply, Request, RequestId};

/// A link and what is under way on it.
pub(super) struct Up {
    pub(super) link: Link,
    pub(super) commands: Lane<(RequestId, Answer)>,
    pub(super) subscriber: Lane<()>,
    /// Channels of the subscription under way that are not confirmed yet.
    unconfirmed: HashSet<Bytes>,
    /// Channels that are being unsubscribed from, and how often.
    parting: HashMap<Bytes, usize>,
}

impl Up {
    pub(super) fn new(link: Link) -> Self {
        Self {
            commands: Lane::new(link.server.commands.clone()),
            subscriber: Lane::new(link.server.subscriber.clone()),
            link,
            unconfirmed: HashSet::new(),
            parting: HashMap::new(),
        }
    }

    pub(super) fn request(&mut self, keys: &Keys, id: RequestId, request: &Request) {
        let (command, answer) = command(keys, &self.link.server.digests, request);
        self.commands.push(command, (id, answer));
    }

    /// Asks for something after all that was asked before, and waits for its answer.
    pub(super) async fn ask(&mut self, keys: &Keys, request: &Request) -> Option<Reply> {
        // No request of a partition has this number.
        let own = RequestId(u64::MAX);
        self.request(keys, own, request);
        loop {
            let (purposes, values) = self.commands.next().await;
            let mut answers = purposes.into_iter().zip(values.ok()?);
            if let Some(((_, answer), value)) = answers.find(|((id, _), _)| *id == own) {
                return reply(answer, value);
            }
        }
    }

    /// One command for each channel: each is answered by one push, which is how the client counts.
    pub(super) fn subscribe(&mut self, keys: &Keys, channels: &[Channel]) {
        for channel in channels {
            let name = keys.channel(channel);
            let mut command = cmd("SSUBSCRIBE");
            command.arg(&name);
            self.subscriber.push(command, ());
            self.unconfirmed.insert(Bytes::from(name));
        }
    }

    pub(super) fn unsubscribe(&mut self, keys: &Keys, channels: &[Channel]) {
        for channel in channels {
            let name = keys.channel(channel);
            let mut command = cmd("SUNSUBSCRIBE");
            command.arg(&name);
            self.subscriber.push(command, ());
            *self.parting.entry(Bytes::from(name)).or_default() += 1;
        }
    }

    /// A channel is subscribed; whether it was the last one.
    pub(super) fn confirm(&mut self, channel: &Bytes) -> bool {
        self.unconfirmed.remove(channel) && self.unconfirmed.is_empty()
    }

    /// A channel is subscribed no more; whether that was asked.
    pub(super) fn parted(&mut self, channel: &Bytes) -> bool {
        let Some(count) = self.parting.get_mut(channel) else {
            return false;
        };
        *count -= 1;
        if *count == 0 {
            self.parting.remove(channel);
        }
        true
    }
}

/// How far a link is beyond use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Loss {
    /// The partition is elsewhere; others may still be here.
    Here,
    /// Nobody can use it.
    Whole,
}

pub(super) fn refusal(value: &Value) -> Option<&ServerError> {
    if let Value::ServerError(error) = value {
        Some(error)
    } else {
        None
    }
}

/// What an error says of the link. Anything else is about the one command.
pub(super) fn loss(error: &ServerError) -> Option<Loss> {
    match error.code() {
        "MOVED" | "ASK" | "TRYAGAIN" => Some(Loss::Here),
        // A script that is gone is loaded by the next link; calling it again would change the order of commands.
        "READONLY" | "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "NOSCRIPT" | "NOAUTH" => {
            Some(Loss::Whole)
        }
        _ => None,
    }
}
