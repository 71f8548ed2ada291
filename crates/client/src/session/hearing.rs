//! What is done about each frame of a node's.

use std::time::{Duration, Instant};

use bytestring::ByteString;
use protocol::native::{
    Json, ServerFrame,
    server::{
        self, ErrorFrame, IceServers, Left, Limits, Member, Members, Message, Present, Requested,
        Welcome,
    },
};

use super::{Resume, Session};
use crate::{
    announcement::{Refusal, Refused},
    error::Failure,
    event::{Asked, Event, Said, State},
    output::Settled,
    requests::Heard,
};

impl Session {
    /// A frame has come. One that is not understood, of a newer node perhaps, is nothing.
    pub fn handle_frame(&mut self, now: Instant, text: &str) {
        // What a socket that was given up still says.
        if !self.is_open {
            return;
        }
        let Ok(frame) = server::decode(text) else {
            return;
        };
        match frame {
            ServerFrame::Welcome(welcome) => self.on_welcome(welcome),
            ServerFrame::Members(members) => self.on_members(now, members),
            ServerFrame::Joined(present)
            | ServerFrame::Updated(present)
            | ServerFrame::Resumed(present) => self.on_present(now, present),
            ServerFrame::Suspended(absent) => {
                let changes = self.roster.suspended(&absent.peer);
                self.tell(changes);
            }
            ServerFrame::Left(left) => self.on_left(left),
            ServerFrame::Message(message) => self.on_message(now, message),
            ServerFrame::Acked(acked) => {
                if Some(&acked.session) == self.id.as_ref() {
                    self.mail.acked(&acked, now, &mut self.out);
                }
            }
            ServerFrame::Undelivered(told) => {
                if Some(&told.session) == self.id.as_ref() {
                    self.mail.undelivered(&told, now, &mut self.out);
                }
            }
            ServerFrame::Requested(requested) => self.on_requested(requested),
            ServerFrame::Answer(answer) => self.requests.answered(answer, &mut self.out),
            ServerFrame::IceServers(IceServers { ice_servers, ttl }) => {
                self.on_ice_servers(ice_servers, ttl);
            }
            ServerFrame::Migrate(_) => self.out.reconnect(),
            ServerFrame::Error(error) => self.on_error(now, error),
            ServerFrame::Pong => {}
        }
    }

    fn on_welcome(&mut self, welcome: Welcome) {
        let Welcome {
            session,
            resume: token,
            node,
            region,
            window_ms,
            ice_servers,
            ttl,
            limits,
            trace: _,
        } = welcome;
        if self.id.as_ref().is_some_and(|id| *id != session) {
            self.mail.renew(&mut self.out);
        }
        self.id = Some(session.clone());
        self.resume = Some(Resume { token, anew: false });
        // Longer than any node allows; what it says is added to the time.
        let day = 24 * 3600 * 1000;
        self.window = Duration::from_millis(window_ms.min(day));
        self.limits = Limits {
            unacknowledged: limits.unacknowledged.min(super::LIMITS.unacknowledged),
            ..limits
        };
        self.out.tell(Event::State(State::Connected {
            session,
            node,
            region,
        }));
        self.on_ice_servers(ice_servers, ttl);
    }

    fn on_ice_servers(&mut self, ice_servers: Json, ttl: u64) {
        if ice_servers.as_str().starts_with('[') {
            let ttl = Duration::from_secs(ttl);
            self.out.tell(Event::IceServers { ice_servers, ttl });
        }
    }

    fn on_members(&mut self, now: Instant, members: Members) {
        let Some(kept) = self.announcement.taken() else {
            return;
        };
        let is_first = !self.is_present;
        let Members {
            room: _,
            peer,
            resume: token,
            parts,
            peers,
        } = members;
        self.peer = Some(peer.clone());
        // Who has left before has forgotten it.
        self.resume = Some(Resume { token, anew: false });
        self.is_present = true;
        let changes = self.roster.replace(parts.as_deref(), peers);
        for change in &changes {
            if let Event::Left { member, .. } = change {
                self.mail.gone(&member.peer, &mut self.out);
            }
        }
        // Before anybody is told, who may have more to say.
        if is_first {
            self.catch_up(now);
        }
        self.tell(changes);
        for waiter in kept {
            let settled = Settled::Announced(peer.clone());
            self.out.settle(waiter.ticket, Ok(settled));
        }
        self.out.tell(Event::State(State::Announced { peer }));
    }

    /// Says what waits for a connection, and what the last one may have lost.
    fn catch_up(&mut self, now: Instant) {
        self.mail.up(&self.roster, now, &mut self.out);
        self.requests.say_all(now, &mut self.out);
        for frame in std::mem::take(&mut self.unsaid) {
            self.out.say(&frame);
        }
    }

    fn on_present(&mut self, now: Instant, present: Present) {
        let Present {
            peer,
            data,
            tag,
            dialect,
        } = present;
        let member = Member {
            peer: peer.clone(),
            data,
            tag,
            suspended: false,
            dialect,
        };
        let changes = self.roster.put(member);
        self.mail.present(&peer, &self.roster, now, &mut self.out);
        self.tell(changes);
    }

    fn on_left(&mut self, left: Left) {
        self.mail.gone(&left.peer, &mut self.out);
        let change = self.roster.left(&left.peer, left.reason);
        self.tell(change);
    }

    fn on_message(&mut self, now: Instant, message: Message) {
        if self.mail.take(&message, now) {
            self.out.tell(Event::Message(Said {
                from: message.from,
                body: message.body,
                is_broadcast: message.to.is_none(),
            }));
        }
    }

    fn on_requested(&mut self, requested: Requested) {
        let Requested { id, from, data } = requested;
        match self.requests.heard(&from, &id) {
            Heard::Ask => self.out.tell(Event::Requested(Asked { id, from, data })),
            Heard::Wait => {}
            Heard::Again(answer) => self.out.say(&answer),
        }
    }

    fn on_error(&mut self, now: Instant, error: ErrorFrame) {
        let ErrorFrame {
            code,
            message,
            temporary,
            about,
        } = error;
        // A node that could not read a frame may not say which.
        let is_unclear = about.is_none() && &*code == "bad-field" && self.announcement.is_asked();
        if about.as_deref() == Some("announce") || is_unclear {
            let code = code.clone();
            if !self.is_refused(now, code, &message, temporary) {
                return;
            }
        }
        if &*code == "bad-resume" {
            self.resume = None;
        }
        self.out.tell(Event::Error {
            code,
            message,
            temporary,
        });
    }

    /// Whether that is final, and to be told.
    fn is_refused(
        &mut self,
        now: Instant,
        code: ByteString,
        message: &ByteString,
        temporary: bool,
    ) -> bool {
        let is_in_use = &*code == "id-in-use";
        let refused = Refused {
            is_in_use,
            can_change: is_in_use && !self.is_id_chosen && self.peer.is_some(),
            is_temporary: temporary,
            is_present: self.is_present,
        };
        let refusal = self.announcement.refused(now, refused);
        if is_in_use && !matches!(refusal, Refusal::Later) {
            self.absent();
        }
        let (waiting, is_out) = match refusal {
            Refusal::Later => return false,
            Refusal::AsAnother => {
                self.peer = None;
                return false;
            }
            Refusal::Stays(waiting) => (waiting, false),
            Refusal::Out(waiting) => (waiting, true),
        };
        let failure = Failure::Refused {
            code,
            message: message.clone(),
            temporary,
        };
        for waiter in waiting {
            self.out.settle(waiter.ticket, Err(failure.clone()));
        }
        // We are in no room, and do not try to be until the application says so.
        if is_out {
            self.give_up(&failure);
            let left = self.roster.replace(None, Vec::new());
            self.tell(left);
        }
        true
    }
}
