//! A client's side of the native dialect without any I/O.

mod hearing;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use bytestring::ByteString;
use protocol::{
    PeerId, RoomId,
    native::{
        ClientFrame, Json, MAX_DATA_BYTES, MAX_REASON_BYTES, VERSION,
        client::{Accept, Announce, Decline, Hello, Wanted},
        server::{Limits, Member, Reason},
    },
};

use crate::{
    announcement::{Announcement, Waiter},
    error::Failure,
    event::Event,
    mail::{Letter, Mail},
    output::{Output, Outputs, Ticket},
    requests::Requests,
    roster::Roster,
};

/// Until a node has said what it takes.
const LIMITS: Limits = Limits {
    frame_bytes: 256 * 1024,
    unacknowledged: 256,
};

/// Until a node has said for how long it waits for us.
const WINDOW: Duration = Duration::from_secs(8);

/// Who a client is to be.
#[derive(Clone, Debug)]
pub struct Config {
    /// The room.
    pub room: RoomId,
    /// The id; a node gives one to who has none.
    pub peer: Option<PeerId>,
    /// Tells a node who the client is, where it wants to know.
    pub token: Option<ByteString>,
    /// Of an earlier client whose place this one takes, [`Session::keepsake`].
    pub resume: Option<Keepsake>,
    /// After how long a message or an announce of which nothing was heard is given up.
    pub patience: Duration,
    /// Makes the names of requests: a random number that no other client has.
    pub seed: u128,
}

/// What a client that comes after this one needs to be the same peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keepsake {
    /// The resume token, which is a secret.
    pub token: ByteString,
    /// The id.
    pub peer: PeerId,
}

/// A peer's life in a room, over any number of sockets.
///
/// After each call [`Self::poll_output`] is to be called until it gives nothing, and [`Self::poll_timeout`] says when
/// [`Self::handle_timeout`] has something to do if nothing happens before. Nothing here fails: what comes of a [`Ticket`]
/// is an [`Output::Settled`], said once.
#[derive(Debug)]
pub struct Session {
    config: Config,
    is_id_chosen: bool,
    /// The session's name, once a node has given it one.
    id: Option<ByteString>,
    peer: Option<PeerId>,
    resume: Option<Resume>,
    window: Duration,
    limits: Limits,
    roster: Roster,
    mail: Mail,
    requests: Requests,
    announcement: Announcement,
    /// Answers to other peers' requests that wait for a connection.
    unsaid: Vec<ClientFrame>,
    /// Whether there is a socket.
    is_open: bool,
    /// Whether the node has told on this socket who is in the room.
    is_present: bool,
    tickets: u64,
    out: Outputs,
}

#[derive(Debug)]
struct Resume {
    token: ByteString,
    /// Whether another client has counted with it.
    anew: bool,
}

impl Session {
    /// One that has no socket yet.
    pub fn new(mut config: Config) -> Self {
        let kept = config.resume.take();
        // A token is good for its own peer alone.
        let kept = kept.filter(|kept| config.peer.as_ref().is_none_or(|peer| *peer == kept.peer));
        let peer = config.peer.clone();
        let peer = peer.or_else(|| kept.as_ref().map(|kept| kept.peer.clone()));
        Self {
            is_id_chosen: config.peer.is_some(),
            config,
            id: None,
            peer,
            resume: kept.map(|kept| Resume {
                token: kept.token,
                anew: true,
            }),
            window: WINDOW,
            limits: LIMITS,
            roster: Roster::default(),
            mail: Mail::default(),
            requests: Requests::default(),
            announcement: Announcement::default(),
            unsaid: Vec::new(),
            is_open: false,
            is_present: false,
            tickets: 0,
            out: Outputs::default(),
        }
    }

    /// Our id, once it is known.
    pub fn peer(&self) -> Option<&PeerId> {
        self.peer.as_ref()
    }

    /// Who else is in the room, as far as it is known.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.roster.members()
    }

    /// Whether the node has told on this socket who is in the room.
    pub fn is_present(&self) -> bool {
        self.is_present
    }

    /// How long a node waits for us before it tells the others that we have left.
    pub fn window(&self) -> Duration {
        self.window
    }

    /// What a client that comes after this one needs to be the same peer, once it is known.
    pub fn keepsake(&self) -> Option<Keepsake> {
        Some(Keepsake {
            token: self.resume.as_ref()?.token.clone(),
            peer: self.peer.clone()?,
        })
    }

    /// A socket has opened.
    pub fn handle_connected(&mut self, _now: Instant) {
        self.is_open = true;
        self.is_present = false;
        self.out.say(&ClientFrame::Hello(Hello {
            v: VERSION,
            token: self.config.token.clone(),
            resume: self.resume.as_ref().map(|resume| resume.token.clone()),
            anew: self.resume.as_ref().is_some_and(|resume| resume.anew),
        }));
        // What is known to be wanted goes right behind the greeting.
        self.say_announce();
    }

    /// The socket is lost.
    pub fn handle_disconnected(&mut self, now: Instant) {
        self.announcement.lost(self.is_present, now, self.window);
        self.is_open = false;
        self.absent();
        self.out.drop_frames();
    }

    /// Enters the room, or tells it of other data, an object of at most 4096 bytes.
    pub fn announce(&mut self, now: Instant, data: Json) -> Ticket {
        let ticket = self.ticket();
        let until = now + self.config.patience;
        let wanted =
            check_data(&data).and_then(|()| self.announcement.want(data, Waiter { ticket, until }));
        match wanted {
            Ok(()) if self.is_open => self.say_announce(),
            Ok(()) => {}
            Err(failure) => self.out.settle(ticket, Err(failure)),
        }
        ticket
    }

    /// Says something to one peer, now or as soon as there is a connection.
    ///
    /// It is settled when the peer has it. A failure says that the peer does not have it, or that this cannot be known.
    pub fn send(&mut self, now: Instant, to: PeerId, body: Json) -> Ticket {
        let ticket = self.ticket();
        let letter = Letter {
            to,
            body,
            ticket,
            until: now + self.config.patience,
        };
        let said = if self.announcement.is_wanted() {
            let (limits, roster) = (self.limits, &self.roster);
            self.mail.send(letter, limits, roster, now, &mut self.out)
        } else {
            Err(Failure::NotAnnounced)
        };
        if let Err(failure) = said {
            self.out.settle(ticket, Err(failure));
        }
        ticket
    }

    /// Says something to everybody in the room, of which nobody acknowledges it: it is heard by whoever is there.
    ///
    /// # Errors
    /// When nothing was announced, it is too long, or too many wait for a connection already.
    pub fn broadcast(&mut self, body: Json) -> Result<(), Failure> {
        if !self.announcement.is_wanted() {
            return Err(Failure::NotAnnounced);
        }
        self.mail.broadcast(body, self.limits, &mut self.out)
    }

    /// Asks for a peer that will talk, within four seconds if no other time is given, and a minute at most.
    pub fn request(&mut self, now: Instant, wanted: Wanted, timeout: Option<Duration>) -> Ticket {
        let ticket = self.ticket();
        let id: ByteString = format!("{:032x}-{}", self.config.seed, ticket.0).into();
        let asked = match &wanted {
            _ if !self.announcement.is_wanted() => Err(Failure::NotAnnounced),
            Wanted::Match(data) => check_data(data),
            Wanted::Peer(_) => Ok(()),
        };
        let asked =
            asked.and_then(|()| self.requests.ask(id.clone(), wanted, timeout, ticket, now));
        match asked {
            Ok(()) if self.is_present => self.requests.say(&id, now, &mut self.out),
            Ok(()) => {}
            Err(failure) => self.out.settle(ticket, Err(failure)),
        }
        ticket
    }

    /// Takes another peer's request, unless it was answered already.
    pub fn accept(&mut self, from: &PeerId, id: &ByteString) {
        let frame = ClientFrame::Accept(Accept {
            from: from.clone(),
            id: id.clone(),
        });
        self.answer(from, id, frame);
    }

    /// Does not take another peer's request, unless it was answered already. Of the reason, 256 bytes are said.
    pub fn decline(&mut self, from: &PeerId, id: &ByteString, reason: Option<&str>) {
        let frame = ClientFrame::Decline(Decline {
            from: from.clone(),
            id: id.clone(),
            reason: reason.map(|reason| {
                let end = reason.floor_char_boundary(MAX_REASON_BYTES);
                reason[..end].into()
            }),
        });
        self.answer(from, id, frame);
    }

    fn answer(&mut self, from: &PeerId, id: &ByteString, frame: ClientFrame) {
        if !self.requests.answer(from, id, &frame) {
            return;
        }
        if self.is_present {
            self.out.say(&frame);
        } else if self.unsaid.len() < LIMITS.unacknowledged as usize {
            self.unsaid.push(frame);
        }
    }

    /// Leaves the room, in which a later announce enters again. Nothing will come of what is under way. Without a
    /// connection, the others are told when the window is over.
    pub fn leave(&mut self) {
        if self.is_open && (self.is_present || self.announcement.is_asked()) {
            self.out.say(&ClientFrame::Leave);
            // Where no node hears that, our place is kept for a while, for whoever has the token.
            self.resume = None;
        }
        self.absent();
        self.give_up(&Failure::Left);
        self.roster.clear();
    }

    /// We are in no room for now.
    fn absent(&mut self) {
        self.is_present = false;
        self.mail.down();
    }

    /// Nothing will come of what is under way.
    pub fn give_up(&mut self, failure: &Failure) {
        for waiter in self.announcement.drop_all() {
            self.out.settle(waiter.ticket, Err(failure.clone()));
        }
        self.mail.give_up(failure, &mut self.out);
        self.requests.give_up(failure, &mut self.out);
        self.unsaid.clear();
    }

    /// What there is to be said and told, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.next()
    }

    /// When [`Self::handle_timeout`] has something to do, if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let announce = self.announcement.deadline();
        let all = [announce, self.requests.deadline(), self.mail.deadline()];
        all.into_iter().flatten().min()
    }

    /// It is so late now.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.requests.expire(now, self.is_present, &mut self.out);
        if self.announcement.is_due(now) && self.is_open {
            self.say_announce();
        }
        for waiter in self.announcement.expire(now) {
            let failure = Failure::because(Reason::Unreachable, None);
            self.out.settle(waiter.ticket, Err(failure));
        }
        self.mail.tick(&self.roster, now, &mut self.out);
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    fn say_announce(&mut self) {
        if let Some(data) = self.announcement.say() {
            self.out.say(&ClientFrame::Announce(Announce {
                room: self.config.room.clone(),
                peer: self.peer.clone(),
                data,
                // Who is in the room hears of what changes.
                known: self.roster.known().filter(|_| !self.is_present),
            }));
        }
    }

    fn tell(&mut self, changes: impl IntoIterator<Item = Event>) {
        for change in changes {
            self.out.tell(change);
        }
    }
}

/// Whether a node takes this as what is announced, or as what that is matched with.
fn check_data(data: &Json) -> Result<(), Failure> {
    match data.as_str().len() > MAX_DATA_BYTES {
        true => Err(Failure::TooLong {
            most: MAX_DATA_BYTES as u64,
        }),
        false => Ok(()),
    }
}
