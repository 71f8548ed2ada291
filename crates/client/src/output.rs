use std::collections::VecDeque;

use bytestring::ByteString;
use protocol::{
    PeerId,
    native::{ClientFrame, Json, client},
};

use crate::{Event, Failure};

/// Names something that was asked for, until it has come to be or has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(crate) u64);

/// What has come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The client is in the room, under this id.
    Announced(PeerId),
    /// The receiver has the message. One of another dialect acknowledges nothing: of those, it is on its way.
    Delivered,
    /// A peer will talk.
    Accepted {
        /// Who.
        peer: PeerId,
        /// What it has announced.
        data: Json,
    },
}

/// What a [`crate::Session`] has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A frame for the node, on the socket that is open.
    Frame(ByteString),
    /// Something for the application.
    Event(Event),
    /// What was asked for has come to be, or has not; said once for each ticket.
    Settled(Ticket, Result<Settled, Failure>),
    /// The node is about to stop: this socket is to be given up for another one.
    Reconnect,
}

/// Outputs in order. What one input makes is all that is ever in it, if it is emptied after each.
#[derive(Debug, Default)]
pub(crate) struct Outputs(VecDeque<Output>);

impl Outputs {
    pub(crate) fn say(&mut self, frame: &ClientFrame) {
        self.0.push_back(Output::Frame(client::encode(frame)));
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.0.push_back(Output::Event(event));
    }

    pub(crate) fn settle(&mut self, ticket: Ticket, outcome: Result<Settled, Failure>) {
        self.0.push_back(Output::Settled(ticket, outcome));
    }

    pub(crate) fn reconnect(&mut self) {
        self.0.push_back(Output::Reconnect);
    }

    pub(crate) fn next(&mut self) -> Option<Output> {
        self.0.pop_front()
    }

    /// What was to go onto a socket that is lost is said again on the next one, by who has it.
    pub(crate) fn drop_frames(&mut self) {
        let is_kept = |output: &Output| !matches!(output, Output::Frame(_) | Output::Reconnect);
        self.0.retain(is_kept);
    }
}
