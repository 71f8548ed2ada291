//! The task behind a client: it carries out what the session and the dialer say.

use std::{
    collections::{BTreeMap, VecDeque},
    future::pending,
    time::Instant,
};

use bytestring::ByteString;
use http::Uri;
use protocol::native::{ClientFrame, client};
use tokio::{sync::mpsc, time::sleep_until};

use super::{
    command::{Command, Waiting, answer},
    jitter::Jitter,
    link::{Happened, Link, Loss},
};
use crate::{
    dialer::{Dialer, Step},
    error::Failure,
    event::{Event, State},
    output::{Output, Ticket},
    session::Session,
};

/// The session, the dialer and the socket, and who waits for what.
pub(super) struct Driver {
    session: Session,
    dialer: Dialer,
    urls: Vec<Uri>,
    jitter: Jitter,
    accepts: bool,
    link: Link,
    waiting: BTreeMap<Ticket, Waiting>,
    /// What the application has no room for yet. While there is any, nothing is read that could make more.
    untold: VecDeque<Event>,
    is_over: bool,
}

/// What a turn begins with.
enum Turn {
    Command(Option<Command>),
    Link(Happened),
    /// The application has taken an event, or has gone.
    Told(bool),
    Time,
}

impl Driver {
    pub(super) fn new(
        session: Session,
        dialer: Dialer,
        urls: Vec<Uri>,
        jitter: Jitter,
        accepts: bool,
    ) -> Self {
        Self {
            session,
            dialer,
            urls,
            jitter,
            accepts,
            link: Link::None,
            waiting: BTreeMap::new(),
            untold: VecDeque::new(),
            is_over: false,
        }
    }

    pub(super) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<Event>,
    ) {
        let mut is_heard = true;
        while !self.is_over {
            match self.turn(&mut commands, &events).await {
                Turn::Command(Some(command)) => self.command(command).await,
                Turn::Command(None) => self.close().await,
                Turn::Link(happened) => self.happened(happened),
                Turn::Told(is_there) => {
                    is_heard &= is_there;
                    if self.untold.is_empty() {
                        // What came meanwhile was not read, whenever it came.
                        self.is_read_again();
                    }
                }
                Turn::Time => self.time().await,
            }
            self.carry_out().await;
            if !is_heard {
                self.untold.clear();
            }
        }
        // Whoever still asks is told that it is over; then there is time for what was not told.
        drop(commands);
        self.waiting.clear();
        for event in self.untold {
            if events.send(event).await.is_err() {
                break;
            }
        }
    }

    async fn turn(
        &mut self,
        commands: &mut mpsc::Receiver<Command>,
        events: &mpsc::Sender<Event>,
    ) -> Turn {
        let deadline = self.deadline();
        let is_reading = self.untold.is_empty() || !self.link.is_open();
        let untold = &mut self.untold;
        tokio::select! {
            permit = events.reserve(), if !untold.is_empty() => {
                match permit {
                    Ok(permit) => {
                        if let Some(event) = untold.pop_front() {
                            permit.send(event);
                        }
                        Turn::Told(true)
                    }
                    Err(_) => {
                        untold.clear();
                        Turn::Told(false)
                    }
                }
            }
            command = commands.recv() => Turn::Command(command),
            happened = self.link.next(), if is_reading => Turn::Link(happened),
            () = at(deadline) => Turn::Time,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        // A socket that is not read says nothing about its node.
        let is_reading = self.untold.is_empty() || !self.link.is_open();
        let dialer = self.dialer.poll_timeout().filter(|_| is_reading);
        [dialer, self.session.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    fn is_read_again(&mut self) {
        if self.link.is_open() && self.session.is_present() {
            self.dialer.heard(Instant::now());
        }
    }

    async fn command(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::Announce { data, reply } => {
                let ticket = self.session.announce(now, data);
                self.waiting.insert(ticket, Waiting::Announce(reply));
            }
            Command::Send { to, body, reply } => {
                let ticket = self.session.send(now, to, body);
                self.waiting.insert(ticket, Waiting::Send(reply));
            }
            Command::Broadcast { body, reply } => answer(reply, self.session.broadcast(body)),
            Command::Request {
                wanted,
                timeout,
                reply,
            } => {
                let ticket = self.session.request(now, wanted, timeout);
                self.waiting.insert(ticket, Waiting::Request(reply));
            }
            Command::Accept { asked, reply } => {
                self.session.accept(&asked.from, &asked.id);
                answer(reply, ());
            }
            Command::Decline {
                asked,
                reason,
                reply,
            } => {
                self.session
                    .decline(&asked.from, &asked.id, reason.as_deref());
                answer(reply, ());
            }
            Command::Members { reply } => {
                answer(reply, self.session.members().cloned().collect());
            }
            Command::Keepsake { reply } => answer(reply, self.session.keepsake()),
            Command::Leave { reply } => {
                self.session.leave();
                answer(reply, ());
            }
            Command::Close { reply } => {
                self.close().await;
                answer(reply, ());
            }
        }
    }

    fn happened(&mut self, happened: Happened) {
        let now = Instant::now();
        match happened {
            Happened::Opened(socket) => {
                self.link = Link::Open(socket);
                self.dialer.opened(now);
                self.session.handle_connected(now);
            }
            Happened::Heard(text) => {
                self.dialer.heard(now);
                self.session.handle_frame(now, &text);
                if self.session.is_present() {
                    self.dialer.settled(now);
                }
            }
            Happened::Lives => self.dialer.heard(now),
            Happened::Lost(loss) => self.lost(loss),
        }
    }

    async fn time(&mut self) {
        let now = Instant::now();
        self.session.handle_timeout(now);
        match self.dialer.handle_timeout(now) {
            Some(Step::Open(node)) => {
                if let Some(uri) = self.urls.get(node) {
                    self.link = Link::open(uri);
                }
            }
            Some(Step::Ping) => {
                let ping = client::encode(&ClientFrame::Ping);
                if let Err(loss) = self.link.write(vec![ping]).await {
                    self.lost(loss);
                }
            }
            Some(Step::Drop) => self.lost(Loss::because("no answer in time")),
            None => {}
        }
    }

    fn lost(&mut self, loss: Loss) {
        let now = Instant::now();
        self.link = Link::None;
        self.session.handle_disconnected(now);
        let is_own = loss.is_superseded() && self.dialer.superseded(now);
        if loss.is_final() && !is_own {
            self.end(loss.code, loss.reason);
            return;
        }
        let window = self.session.window();
        let delay = self.dialer.lost(now, window, self.jitter.next());
        // One of these in a row is enough for an application that does not look.
        if let Some(Event::State(State::Reconnecting { .. })) = self.untold.back() {
            self.untold.pop_back();
        }
        let state = State::Reconnecting { delay };
        self.untold.push_back(Event::State(state));
    }

    async fn close(&mut self) {
        self.session.leave();
        self.carry_out().await;
        self.link.close().await;
        self.end(None, ByteString::from_static("it was closed"));
    }

    fn end(&mut self, code: Option<u16>, reason: ByteString) {
        self.dialer.close();
        self.session.give_up(&Failure::Closed {
            code,
            reason: reason.clone(),
        });
        self.is_over = true;
        let closed = State::Closed { code, reason };
        self.untold.push_back(Event::State(closed));
    }

    /// Does what the session says, until it says nothing more.
    async fn carry_out(&mut self) {
        loop {
            let mut frames = Vec::new();
            let mut is_to_reconnect = false;
            while let Some(output) = self.session.poll_output() {
                match output {
                    Output::Frame(frame) => frames.push(frame),
                    Output::Event(event) => self.told(event),
                    Output::Settled(ticket, outcome) => {
                        if let Some(waiting) = self.waiting.remove(&ticket) {
                            waiting.settle(outcome);
                        }
                    }
                    Output::Reconnect => is_to_reconnect = true,
                }
            }
            if frames.is_empty() && !is_to_reconnect {
                return;
            }
            if let Err(loss) = self.link.write(frames).await {
                self.lost(loss);
            } else if is_to_reconnect && self.link.is_open() {
                self.link.close().await;
                self.lost(Loss::because("the node is about to stop"));
            }
        }
    }

    fn told(&mut self, event: Event) {
        if let (true, Event::Requested(asked)) = (self.accepts, &event) {
            self.session.accept(&asked.from, &asked.id);
        }
        self.untold.push_back(event);
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => pending().await,
    }
}
