//! One partition's task: carries out what its state machine says, over a link that it makes and repairs.

use std::{
    hash::{BuildHasher, RandomState},
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{RedisError, Value};
use tokio::sync::mpsc;

use super::{
    error::LinkError,
    keys::Keys,
    link::{Loss, Up, loss, refusal},
    published::{self, MARK},
    request::{Answer, reply},
    server::Push,
    status::Status,
    topology::{Link, Topology},
};
use crate::{
    Command, Event, Health, NodeId,
    event::{EventSink, Permit},
    partition::{Output, Partition, RequestId},
};

/// Between two attempts at a link, at random up to the first after the first failure, up to the second in the end.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(1);

/// Pushes and commands that are taken in before anything is sent.
const TAKEN_AT_ONCE: usize = 256;

/// A command, with room in the node's queue where it will be answered.
#[derive(Debug)]
pub(crate) struct Submitted {
    pub(crate) command: Command,
    pub(crate) answer: Option<Permit>,
}

/// A partition and what carries it.
pub(crate) struct Driver {
    pub(crate) node: NodeId,
    pub(crate) index: usize,
    pub(crate) partition: Partition,
    pub(crate) keys: Keys,
    pub(crate) topology: Arc<Topology>,
    pub(crate) status: Arc<Status>,
    pub(crate) sink: EventSink,
    pub(crate) commands: mpsc::Receiver<Submitted>,
}

/// A driver at work.
pub(super) struct Running {
    pub(super) driver: Driver,
    pub(super) link: State,
    /// Room for the answers to come, and for those to asserts; all of it is alike.
    joins: Vec<Permit>,
    asserts: Vec<Permit>,
    failures: u32,
    pub(super) was_linked: bool,
}

pub(super) enum State {
    Down(Pin<Box<dyn Future<Output = Result<Link, LinkError>> + Send>>),
    Up(Box<Up>),
}

/// What a task wakes up for.
enum Wake {
    Submitted(Option<Submitted>),
    Linked(Result<Link, LinkError>),
    Push(Option<Push>),
    Replies(Vec<(RequestId, Answer)>, Result<Vec<Value>, RedisError>),
    Subscriber(Result<Vec<Value>, RedisError>),
    Broken,
    Timeout,
}

impl Driver {
    /// Works until everybody who can submit is gone.
    pub(crate) async fn run(self) {
        let link = State::Down(attempt(self.topology.clone(), self.index, Duration::ZERO));
        let mut running = Running {
            driver: self,
            link,
            joins: Vec::new(),
            asserts: Vec::new(),
            failures: 0,
            was_linked: false,
        };
        loop {
            let drained = running.carry_out();
            let health = running.driver.partition.health();
            let counters = running.driver.partition.counters();
            let Self { status, index, .. } = &running.driver;
            status.set(*index, health, counters);
            if health == Health::Healthy {
                running.failures = 0;
            }
            let wake = running.wake(drained).await;
            if matches!(wake, Wake::Submitted(None)) {
                break;
            }
            running.handle(wake);
        }
        super::farewell::say(running).await;
    }
}

impl Running {
    async fn wake(&mut self, take_commands: bool) -> Wake {
        let deadline = self.driver.partition.poll_timeout();
        let timeout = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let commands = &mut self.driver.commands;
        match &mut self.link {
            State::Down(attempt) => tokio::select! {
                submitted = commands.recv(), if take_commands => Wake::Submitted(submitted),
                linked = attempt => Wake::Linked(linked),
                () = timeout => Wake::Timeout,
            },
            State::Up(up) => tokio::select! {
                submitted = commands.recv(), if take_commands => Wake::Submitted(submitted),
                push = up.link.pushes.recv() => Wake::Push(push),
                (purposes, values) = up.commands.next() => Wake::Replies(purposes, values),
                (_, values) = up.subscriber.next() => Wake::Subscriber(values),
                () = up.link.server.broken().cancelled() => Wake::Broken,
                () = timeout => Wake::Timeout,
            },
        }
    }

    fn handle(&mut self, wake: Wake) {
        match wake {
            Wake::Submitted(submitted) => {
                if let Some(submitted) = submitted {
                    self.submitted(submitted);
                }
                for _ in 0..TAKEN_AT_ONCE {
                    let Ok(submitted) = self.driver.commands.try_recv() else {
                        break;
                    };
                    self.submitted(submitted);
                }
            }
            Wake::Linked(Ok(link)) => self.linked(link),
            Wake::Linked(Err(error)) => {
                self.driver.status.trouble(&error);
                self.retry();
            }
            Wake::Push(push) => {
                if let Some(push) = push {
                    self.pushed(push);
                }
                for _ in 0..TAKEN_AT_ONCE {
                    let State::Up(up) = &mut self.link else { break };
                    let Ok(push) = up.link.pushes.try_recv() else {
                        break;
                    };
                    self.pushed(push);
                }
            }
            Wake::Replies(purposes, values) => self.replied(purposes, values),
            Wake::Subscriber(values) => {
                let loss = match &values {
                    Ok(values) => values.iter().filter_map(refusal).map(loss).max(),
                    Err(_) => Some(Some(Loss::Whole)),
                };
                // A channel that cannot be subscribed is no link, whatever the reason.
                if let Some(loss) = loss {
                    self.lose(loss.unwrap_or(Loss::Here));
                }
            }
            Wake::Broken => self.lose(Loss::Whole),
            Wake::Timeout => self.driver.partition.handle_timeout(Instant::now()),
        }
    }

    fn submitted(&mut self, submitted: Submitted) {
        let Submitted { command, answer } = submitted;
        if matches!(command, Command::Join { .. }) {
            self.joins.extend(answer);
        } else {
            self.asserts.extend(answer);
        }
        let partition = &mut self.driver.partition;
        partition.handle_command(command, Instant::now());
    }

    /// Carries out what the partition wants; whether all of it.
    pub(super) fn carry_out(&mut self) -> bool {
        loop {
            if let State::Up(up) = &self.link
                && up.commands.is_full()
            {
                return false;
            }
            let Some(output) = self.driver.partition.poll_output() else {
                return true;
            };
            match output {
                Output::Event(event) => self.tell(event),
                Output::Request(id, request) => {
                    // Without a link, it is from before the link was lost.
                    if let State::Up(up) = &mut self.link {
                        up.request(&self.driver.keys, id, &request);
                    }
                }
                Output::Subscribe(channels) => {
                    if let State::Up(up) = &mut self.link {
                        up.subscribe(&self.driver.keys, &channels);
                    }
                }
                Output::Unsubscribe(channels) => {
                    if let State::Up(up) = &mut self.link {
                        up.unsubscribe(&self.driver.keys, &channels);
                    }
                }
                Output::Reconnect => {
                    tracing::debug!(
                        partition = self.driver.index,
                        "what was published did not come back"
                    );
                    self.relink(Loss::Whole);
                }
            }
        }
    }

    fn tell(&mut self, event: Event) {
        // A departure that failed is told like an assert that did, and may take its room. If the assert's answer
        // then does not fit, it becomes a gap, and the node asserts again.
        let room = match &event {
            Event::Joined { .. } | Event::JoinFailed { .. } => self.joins.pop(),
            Event::Asserted { .. } | Event::AssertFailed { .. } => self.asserts.pop(),
            Event::Changed { .. }
            | Event::Confirmed { .. }
            | Event::Gap { .. }
            | Event::Received { .. }
            | Event::Published { .. } => None,
        };
        match room {
            Some(permit) => {
                permit.send(event);
            }
            None => self.driver.sink.send(event),
        }
    }

    fn linked(&mut self, link: Link) {
        self.was_linked = true;
        let life = link.server.life;
        self.link = State::Up(Box::new(Up::new(link)));
        self.driver.partition.handle_connected(life, Instant::now());
    }

    fn pushed(&mut self, push: Push) {
        let State::Up(up) = &mut self.link else {
            return;
        };
        let now = Instant::now();
        match push {
            // Confirmations are taken from here, not from the replies: here they are in order with the messages.
            Push::Subscribed(channel) => {
                if up.confirm(&channel) {
                    self.driver.partition.handle_subscribed(now);
                }
            }
            Push::Unsubscribed(channel) => {
                if !up.parted(&channel) {
                    // The slot has gone to another server.
                    self.lose(Loss::Here);
                }
            }
            Push::Message(channel, payload) => {
                let Some(channel) = self.driver.keys.read_channel(&channel) else {
                    return;
                };
                let partition = &mut self.driver.partition;
                if payload.first() != Some(&MARK) {
                    partition.handle_payload(&channel, &payload, now);
                } else if let Some(published) = published::read(&payload) {
                    partition.handle_published(&channel, published, now);
                } else {
                    // Of a later version; what it changed shows as a gap in the versions.
                    self.driver.status.skip();
                }
            }
        }
    }

    fn replied(
        &mut self,
        purposes: Vec<(RequestId, Answer)>,
        values: Result<Vec<Value>, RedisError>,
    ) {
        let Ok(values) = values else {
            return self.lose(Loss::Whole);
        };
        let now = Instant::now();
        let mut lost = None;
        for ((id, answer), value) in purposes.into_iter().zip(values) {
            let reply = match refusal(&value) {
                Some(error) => {
                    tracing::debug!(code = error.code(), "Redis refused a command");
                    lost = lost.max(loss(error));
                    None
                }
                None => reply(answer, value),
            };
            self.driver.partition.handle_reply(id, reply, now);
        }
        if let Some(loss) = lost {
            self.lose(loss);
        }
    }

    fn lose(&mut self, loss: Loss) {
        if let State::Up(_) = &self.link {
            self.driver.partition.handle_disconnected(Instant::now());
            self.relink(loss);
        }
    }

    fn relink(&mut self, loss: Loss) {
        if let State::Up(up) = &self.link {
            if loss == Loss::Whole {
                up.link.server.broken().cancel();
            }
            self.retry();
        }
    }

    fn retry(&mut self) {
        let most = FIRST_RETRY.saturating_mul(1 << self.failures.min(10));
        let share = f64::from(u32::try_from(random() >> 32).unwrap_or(0)) / f64::from(u32::MAX);
        let wait = most.min(LAST_RETRY).mul_f64(share);
        self.failures = self.failures.saturating_add(1);
        let topology = self.driver.topology.clone();
        self.link = State::Down(attempt(topology, self.driver.index, wait));
    }
}

fn attempt(
    topology: Arc<Topology>,
    partition: usize,
    wait: Duration,
) -> Pin<Box<dyn Future<Output = Result<Link, LinkError>> + Send>> {
    Box::pin(async move {
        tokio::time::sleep(wait).await;
        topology.link(partition).await
    })
}

/// A number that nobody can foretell; for back-offs and seeds.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0)
}
