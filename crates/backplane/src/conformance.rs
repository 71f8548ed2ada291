//! What every implementation must do: `contract` has the sentences, here are the nodes that they are said of.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use bytestring::ByteString;

use crate::{
    Backplane, Change, Command, Entry, Event, Events, Health, Memory, NodeId, redis::Redis,
};

mod contract;
mod implementations;
mod many_rooms;
mod owners;

/// Longest wait for an event that must come.
const PATIENCE: Duration = Duration::from_secs(5);

/// A cluster under test.
trait Cluster {
    /// Attaches a node whose queue holds `bound` events, and waits until it works.
    async fn attach(&self, name: &'static str, bound: usize) -> (Arc<dyn Backplane>, Events);
}

impl Cluster for Memory {
    async fn attach(&self, name: &'static str, bound: usize) -> (Arc<dyn Backplane>, Events) {
        self.attach_with_queue(node(name), bound)
    }
}

impl Cluster for Redis {
    async fn attach(&self, name: &'static str, bound: usize) -> (Arc<dyn Backplane>, Events) {
        let (backplane, events) = self.attach_with_queue(node(name), bound);
        let start = std::time::Instant::now();
        while backplane.health() != Health::Healthy {
            assert!(start.elapsed() < PATIENCE, "{backplane:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        (backplane, events)
    }
}

/// A node and what it has heard.
struct Member {
    backplane: Option<Arc<dyn Backplane>>,
    events: Events,
}

fn node(name: &'static str) -> NodeId {
    NodeId(ByteString::from_static(name))
}

const ROOM: ByteString = ByteString::from_static("r");

impl Member {
    async fn new(cluster: &impl Cluster, name: &'static str) -> Self {
        Self::bounded(cluster, name, 1024).await
    }

    async fn bounded(cluster: &impl Cluster, name: &'static str, bound: usize) -> Self {
        let (backplane, events) = cluster.attach(name, bound).await;
        Self {
            backplane: Some(backplane),
            events,
        }
    }

    fn submit(&self, command: Command) {
        self.try_submit(command).unwrap();
    }

    fn try_submit(&self, command: Command) -> Result<(), crate::Overloaded> {
        self.backplane.as_ref().unwrap().submit(command)
    }

    #[track_caller]
    fn next(&mut self) -> impl Future<Output = Event> {
        let caller = std::panic::Location::caller();
        async move {
            match tokio::time::timeout(PATIENCE, self.events.next()).await {
                Ok(Some(event)) => event,
                other => panic!("no event at {caller}: {other:?}"),
            }
        }
    }

    fn ask_join(&self, token: u64, member: &'static str, want_roster: bool) {
        self.submit(Command::Join {
            token,
            room: ROOM,
            member: member.into(),
            data: Bytes::from(format!("data of {member}")),
            want_roster,
        });
    }

    /// Joins and waits for the answer and for the change to come back; the fence and the roster's names.
    async fn join(&mut self, member: &'static str) -> (u64, Vec<String>) {
        let (joined, others) = self.join_among(member).await;
        assert_eq!(others, Vec::<Event>::new());
        joined
    }

    /// The same, when changes from before the join may still be on their way.
    async fn rejoin(&mut self, member: &'static str) -> (u64, Vec<String>) {
        self.join_among(member).await.0
    }

    async fn join_among(&mut self, member: &'static str) -> ((u64, Vec<String>), Vec<Event>) {
        self.ask_join(1, member, true);
        let mut answer = None;
        let mut echoed = false;
        let mut others = Vec::new();
        while answer.is_none() || !echoed {
            match self.next().await {
                Event::Joined { fence, roster, .. } => {
                    answer = Some((fence, names(&roster.unwrap())));
                }
                Event::Changed {
                    change: Change::Joined(entry),
                    ..
                } if entry.member == member => echoed = true,
                other => others.push(other),
            }
        }
        (answer.unwrap(), others)
    }

    fn leave(&self, member: &'static str, fence: u64) {
        self.submit(Command::Leave {
            room: ROOM,
            member: member.into(),
            fence,
            data: Bytes::from_static(b"bye"),
        });
    }

    async fn assert_room(&mut self, members: Vec<(ByteString, u64, Bytes)>) -> Vec<Entry> {
        self.submit(Command::Assert {
            room: ROOM,
            members,
        });
        loop {
            if let Event::Asserted { roster, .. } = self.next().await {
                return roster;
            }
        }
    }

    /// The version and the words of the next change.
    async fn change(&mut self) -> (u64, String) {
        match self.next().await {
            Event::Changed {
                version,
                change: Change::Joined(entry),
                ..
            } => (version, format!("joined {} {}", entry.member, entry.node)),
            Event::Changed {
                version,
                change: Change::Left { member, node, .. },
                ..
            } => (version, format!("left {member} {node}")),
            other => panic!("{other:?}"),
        }
    }

    /// Waits until so many events have not fitted.
    async fn loses(&self, events: u64) {
        let lost = || self.backplane.as_ref().unwrap().events_lost();
        let start = std::time::Instant::now();
        while lost() < events && start.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(lost(), events);
    }

    /// Everything that was asked before has been carried out, and nothing else was heard.
    async fn assert_silent(&mut self) {
        let own = self.backplane.as_ref().unwrap().node().clone();
        self.submit(Command::Send {
            node: own.clone(),
            room: ROOM,
            payload: Bytes::from_static(b"mark"),
        });
        let mark = Event::Received {
            from: own,
            payload: Bytes::from_static(b"mark"),
        };
        assert_eq!(self.next().await, mark);
    }
}

fn names(roster: &[Entry]) -> Vec<String> {
    let name = |entry: &Entry| format!("{}@{}", entry.member, entry.node);
    let mut names: Vec<_> = roster.iter().map(name).collect();
    names.sort();
    names
}
