//! One partition's task: carries out what its state machine says, over a link that it makes and repairs.

use std::{
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{RedisError, Value};
use tokio::sync::mpsc;

use super::{
    answers::Answers,
    attempt::{attempt, back_off, random},
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
    pressure::Intake,
};

/// Pushes and commands that are taken in before anything is sent.
const TAKEN_AT_ONCE: usize = 256;

/// How often the commands' queue is looked at while none are taken from it.
const QUEUE_LOOK: Duration = Duration::from_millis(5);

/// A command, with room in the node's queue where it will be answered.
#[derive(Debug)]
pub(crate) struct Submitted {
    pub(crate) command: Command,
    pub(crate) answer: Option<Permit>,
    /// Bytes, about.
    pub(crate) size: usize,
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
    /// What is in that queue.
    pub(crate) intake: Arc<Intake>,
}

/// A driver at work.
pub(super) struct Running {
    pub(super) driver: Driver,
    pub(super) link: State,
    answers: Answers,
    congested: bool,
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
            answers: Answers::default(),
            congested: false,
            failures: 0,
            was_linked: false,
        };
        loop {
            running.carry_out();
            let health = running.driver.partition.health();
            let counters = running.driver.partition.counters();
            let Self { status, index, .. } = &running.driver;
            status.set(*index, health, counters);
            if health == Health::Healthy {
                running.failures = 0;
            }
            let wake = running.wake().await;
            if matches!(wake, Wake::Submitted(None)) {
                break;
            }
            running.handle(wake);
        }
        super::farewell::say(running).await;
    }
}

impl Running {
    /// Whether so much waits for the link that what may wait elsewhere does.
    fn is_full(&self) -> bool {
        matches!(&self.link, State::Up(up) if up.commands.is_full())
    }

    async fn wake(&mut self) -> Wake {
        let mut deadline = self.driver.partition.poll_timeout();
        // Commands wait in their queue then, until that fills as well.
        let take_commands = !self.is_full() || self.congested;
        if !take_commands {
            let look = Instant::now() + QUEUE_LOOK;
            deadline = Some(deadline.map_or(look, |at| at.min(look)));
        }
        let timeout = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let commands = &mut self.driver.commands;
        match &mut self.link {
            State::Down(attempt) => tokio::select! {
                submitted = commands.recv() => Wake::Submitted(submitted),
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
                    let Some(push) = up.link.pushes.try_recv() else {
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
            Wake::Broken => {
                if let State::Up(up) = &self.link
                    && up.link.server.is_overrun()
                {
                    self.driver.status.overrun();
                }
                self.lose(Loss::Whole);
            }
            Wake::Timeout => self.driver.partition.handle_timeout(Instant::now()),
        }
    }

    fn submitted(&mut self, submitted: Submitted) {
        let Submitted {
            command,
            answer,
            size,
        } = submitted;
        self.driver.intake.leave(size);
        self.answers.expect(&command, answer);
        let partition = &mut self.driver.partition;
        partition.handle_command(command, Instant::now());
    }

    /// Carries out what the partition wants.
    pub(super) fn carry_out(&mut self) {
        self.drain();
        self.answers.keep_for_leaves(self.driver.partition.leaves());
        let State::Up(up) = &self.link else {
            self.congested = false;
            return;
        };
        if up.commands.is_overrun() {
            tracing::warn!(
                partition = self.driver.index,
                "more is asked of Redis than it answers"
            );
            self.driver.status.overrun();
            self.lose(Loss::Whole);
            self.drain();
            return;
        }
        let is_backed_up = self.driver.intake.is_half_full();
        let congested = up.commands.is_full() && (self.congested || is_backed_up);
        if congested != self.congested {
            self.congested = congested;
            let partition = &mut self.driver.partition;
            partition.handle_congestion(self.congested, Instant::now());
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.driver.partition.poll_output() {
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
        match self.answers.room_for(&event) {
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
        self.congested = false;
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
        let wait = back_off(self.failures, random());
        self.failures = self.failures.saturating_add(1);
        let topology = self.driver.topology.clone();
        self.link = State::Down(attempt(topology, self.driver.index, wait));
    }
}
