mod delivery;

use std::{
    collections::HashMap,
    future::poll_fn,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use backplane::{Backplane, Counters, Events, Health, Pressure};
use bytestring::ByteString;
use foldhash::fast::FixedState;
use protocol::{ClientMessage, Form};
use switchboard::{
    ClusterCommand, ClusterEvent, Config, ConnectionId, Listing, NodeId, Output, Stats, Switchboard,
};
use tokio::sync::Notify;

use self::delivery::Client;
pub(crate) use self::delivery::Dialect;
use crate::{
    CloseCode, cluster,
    metrics::SignalMetrics,
    outbox::Outbox,
    resume::{ResumeKey, Session},
    unsaid::Unsaid,
};

/// How soon what the backplane had no room for is said again.
const SAY_AGAIN: Duration = Duration::from_millis(50);

/// The switchboard of this process and what it is wired to.
#[derive(Debug)]
pub(crate) struct Node {
    state: Mutex<State>,
    /// Told when the next timer is earlier than it was.
    timer: Notify,
    /// Of the backplane.
    pub(crate) pressure: Pressure,
    pub(crate) metrics: SignalMetrics,
    /// Of the cluster.
    pub(crate) resume_key: ResumeKey,
    /// How it is known to the others, and where it is.
    pub(crate) name: ByteString,
    pub(crate) region: ByteString,
    /// How long peers whose connection is lost may take to return.
    pub(crate) window: Duration,
}

#[derive(Debug)]
struct State {
    switchboard: Switchboard,
    /// None when this node has left the others.
    backplane: Option<Arc<dyn Backplane>>,
    unsaid: Unsaid,
    clients: HashMap<ConnectionId, Client, FixedState>,
    /// Those in which something waits that nobody writes yet, and the task that will.
    waiting: Vec<Arc<Outbox>>,
    writer: Option<Waker>,
    connections: u64,
    /// Set once: new connections are closed with this.
    closing: Option<CloseCode>,
}

impl Node {
    pub(crate) fn new(
        config: Config,
        backplane: Arc<dyn Backplane>,
        region: &str,
        resume_key: ResumeKey,
        seed: u64,
    ) -> Self {
        let name = backplane.node().0.clone();
        let window = config.suspend_window;
        let pressure = backplane.pressure();
        let state = State {
            switchboard: Switchboard::new(NodeId(name.clone()), config, seed),
            backplane: Some(backplane),
            unsaid: Unsaid::default(),
            clients: HashMap::default(),
            waiting: Vec::new(),
            writer: None,
            connections: 0,
            closing: None,
        };
        Self {
            state: Mutex::new(state),
            timer: Notify::new(),
            pressure,
            metrics: SignalMetrics::default(),
            resume_key,
            name,
            region: region.into(),
            window,
        }
    }

    /// A socket opened; what it is told goes to `outbox`.
    pub(crate) fn connect(&self, outbox: Arc<Outbox>, dialect: Dialect) -> ConnectionId {
        let mut state = self.lock();
        state.connections += 1;
        let connection = ConnectionId(state.connections);
        if let Some(code) = state.closing {
            outbox.close(code);
        }
        let listing = match dialect {
            Dialect::RtcIo => Listing::Count,
            Dialect::Native(_) => Listing::Members,
        };
        state.switchboard.handle_connect(connection, listing);
        let client = Client {
            outbox,
            dialect,
            known: None,
        };
        state.clients.insert(connection, client);
        connection
    }

    /// A native client has said hello.
    pub(crate) fn greet(&self, connection: ConnectionId, session: Arc<Session>) {
        if let Some(client) = self.lock().clients.get_mut(&connection) {
            client.dialect = Dialect::Native(Some(session));
        }
    }

    /// A client said something.
    pub(crate) fn message(&self, connection: ConnectionId, message: &ClientMessage) {
        let mut state = self.lock();
        if is_answered(message) {
            state.look_at_health();
        }
        self.change_locked(state, |switchboard, now| {
            switchboard.handle_message(connection, message, now);
        });
    }

    /// A socket is gone.
    pub(crate) fn disconnect(&self, connection: ConnectionId) {
        let mut state = self.lock();
        // Under one lock: a message for its peer finds either the outbox or a suspended peer.
        state.clients.remove(&connection);
        self.change_locked(state, |switchboard, now| {
            switchboard.handle_disconnect(connection, now);
        });
    }

    /// Ends every connection, and those that are still to come.
    pub(crate) fn close_all(&self, code: CloseCode) {
        let mut state = self.lock();
        state.closing = Some(code);
        for client in state.clients.values() {
            client.outbox.close(code);
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        self.lock().switchboard.stats()
    }

    /// What has not fitted into the switchboard.
    pub(crate) fn overruns(&self) -> switchboard::Counters {
        self.lock().switchboard.counters()
    }

    /// Sockets that are open now.
    pub(crate) fn sockets(&self) -> usize {
        self.lock().clients.len()
    }

    /// Leaves the other nodes: [`Self::pump`] ends when that is done.
    pub(crate) fn leave(&self) {
        let backplane = self.lock().backplane.take();
        drop(backplane);
    }

    pub(crate) fn events_lost(&self) -> u64 {
        let state = self.lock();
        state
            .backplane
            .as_ref()
            .map_or(0, |backplane| backplane.events_lost())
    }

    /// What has happened between this node and others.
    pub(crate) fn counters(&self) -> Counters {
        let state = self.lock();
        let backplane = state.backplane.as_ref();
        backplane
            .map(|backplane| backplane.counters())
            .unwrap_or_default()
    }

    /// Whether the other nodes can be reached.
    pub(crate) fn health(&self) -> Health {
        let state = self.lock();
        let health = state.backplane.as_ref().map(|backplane| backplane.health());
        health.unwrap_or(Health::Degraded)
    }

    /// Whether this node takes new work.
    pub(crate) fn ready(&self) -> Result<(), &'static str> {
        if self.lock().closing.is_some() {
            return Err("shutting down");
        }
        match self.health() {
            Health::Starting => Err("the backplane has not worked yet"),
            // The load balancer must not take every node away because they share an outage.
            Health::Healthy | Health::Degraded => Ok(()),
        }
    }

    /// Hands the other nodes' doings to the switchboard, as long as the backplane lives.
    pub(crate) async fn pump(&self, events: &mut Events) {
        while let Some(event) = events.next().await {
            let mut left_out = 0;
            match cluster::read_event(event, &mut left_out) {
                Ok(event) => self.change(|switchboard, now| switchboard.handle_cluster(event, now)),
                Err(cluster::Unreadable) => left_out += 1,
            }
            self.metrics.unreadable.inc_by(left_out);
        }
    }

    /// Lets the switchboard's time pass, for ever.
    pub(crate) async fn keep_time(&self) {
        loop {
            let (next, is_unsaid) = {
                let state = self.lock();
                (state.switchboard.poll_timeout(), !state.unsaid.is_empty())
            };
            let latest = match is_unsaid {
                true => SAY_AGAIN,
                false => Duration::from_secs(3600),
            };
            let latest = Instant::now() + latest;
            let next = next.map_or(latest, |next| next.min(latest));
            tokio::select! {
                () = tokio::time::sleep_until(next.into()) => {
                    let mut state = self.lock();
                    state.look_at_health();
                    self.change_locked(state, |switchboard, now| switchboard.handle_timeout(now));
                }
                () = self.timer.notified() => {}
            }
        }
    }

    /// Writes what clients are told, for ever. One task for all: it runs once those that were woken with the one that had
    /// something to say have had their turn, so that what they have to say to the same client goes in one write.
    pub(crate) async fn write_out(&self) {
        let mut waiting = Vec::new();
        poll_fn(|context| {
            {
                let mut state = self.lock();
                mem::swap(&mut state.waiting, &mut waiting);
                let waker = context.waker();
                if !state
                    .writer
                    .as_ref()
                    .is_some_and(|writer| writer.will_wake(waker))
                {
                    state.writer = Some(waker.clone());
                }
            }
            for outbox in waiting.drain(..) {
                outbox.flush();
            }
            Poll::Pending
        })
        .await
    }

    fn change(&self, input: impl FnOnce(&mut Switchboard, Instant)) {
        self.change_locked(self.lock(), input);
    }

    fn change_locked(
        &self,
        mut state: MutexGuard<'_, State>,
        input: impl FnOnce(&mut Switchboard, Instant),
    ) {
        let before = state.switchboard.poll_timeout();
        let now = Instant::now();
        input(&mut state.switchboard, now);
        while let Some(output) = state.switchboard.poll_output() {
            self.carry_out(&mut state, output, now);
        }
        self.say_again(&mut state);
        let after = state.switchboard.poll_timeout();
        let is_unsaid = !state.unsaid.is_empty();
        drop(state);
        if is_unsaid || after.is_some_and(|after| before.is_none_or(|before| after < before)) {
            self.timer.notify_one();
        }
    }

    fn carry_out(&self, state: &mut State, output: Output, now: Instant) {
        match output {
            Output::Deliver { to, message } => self.deliver(state, &to, &message),
            Output::Dropped(reason) => self.metrics.drop_for(reason.label()),
            Output::Cluster(command) => self.submit(state, command, now),
        }
    }

    /// What the backplane has no room for is not lost: the room is compared later.
    fn submit(&self, state: &mut State, command: ClusterCommand, now: Instant) {
        let Some(backplane) = &state.backplane else {
            return;
        };
        let refused = match &command {
            ClusterCommand::Join {
                connection, room, ..
            } => Some(ClusterEvent::JoinFailed {
                connection: *connection,
                room: room.clone(),
            }),
            ClusterCommand::Leave { room, .. } | ClusterCommand::Assert { room, .. } => {
                Some(ClusterEvent::AssertFailed { room: room.clone() })
            }
            ClusterCommand::Send {
                room,
                from,
                to,
                payload,
                ..
            } if payload.form() == Form::Message => Some(ClusterEvent::Unsent {
                room: room.clone(),
                from: from.clone(),
                to: to.clone(),
                payload: payload.clone(),
            }),
            ClusterCommand::Forget { .. }
            | ClusterCommand::Confirm { .. }
            | ClusterCommand::Send { .. }
            | ClusterCommand::Pass { .. }
            | ClusterCommand::HandedOver { .. }
            | ClusterCommand::Broadcast { .. } => None,
        };
        state.unsaid.withdraw(&command);
        let unsaid = Unsaid::of(&command);
        if backplane.submit(cluster::command(command)).is_err() {
            self.metrics.overloaded.inc();
            state.unsaid.extend(unsaid);
            state.look_at_health();
            if let Some(event) = refused {
                state.switchboard.handle_cluster(event, now);
            }
        }
    }

    /// What the backplane had no room for, and may have by now.
    fn say_again(&self, state: &mut State) {
        let Some(backplane) = &state.backplane else {
            return;
        };
        while let Some(command) = state.unsaid.next() {
            if backplane.submit(cluster::command(command.clone())).is_err() {
                state.unsaid.extend(Unsaid::of(&command));
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; if it ever did, the other peers' calls would still count.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What is answered may depend on it.
    fn look_at_health(&mut self) {
        if let Some(backplane) = &self.backplane {
            let is_reachable = backplane.health() != Health::Degraded;
            self.switchboard.handle_reachable(is_reachable);
        }
    }
}

/// Whether the sender may be told what has become of it.
fn is_answered(message: &ClientMessage) -> bool {
    match message {
        ClientMessage::Request { .. } => true,
        ClientMessage::Send { payload, .. } => payload.form() == Form::Message,
        ClientMessage::Announce { .. }
        | ClientMessage::Leave { .. }
        | ClientMessage::Broadcast { .. } => false,
    }
}

#[cfg(test)]
mod tests;
