//! What clients saw, and what was done to the nodes: all that the oracle knows.

/// Microseconds since the field was made.
pub(crate) type Micros = u64;

/// A peer; on the wire `p7`.
pub(crate) type PeerNumber = u32;

/// One life of a node's process, or of a listener before it.
pub(crate) type NodeNumber = usize;

/// One second.
pub(crate) const SECOND: Micros = 1_000_000;

/// All that was seen of one peer.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) peer: PeerNumber,
    pub(crate) room: u32,
    /// In the order of their numbers, which begin with 0.
    pub(crate) sessions: Vec<Session>,
}

/// One announce, and what its connection saw.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) number: u32,
    pub(crate) node: NodeNumber,
    /// When the announce was sent.
    pub(crate) announced: Micros,
    /// When it was answered.
    pub(crate) joined: Option<Micros>,
    pub(crate) ended: Option<(Micros, Ending)>,
    /// In the order in which they happened.
    pub(crate) events: Vec<(Micros, Event)>,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ending {
    /// The client said `/leave`.
    Left,
    /// The client reset its connection.
    Cut,
    /// The connection ended, and the client had not ended it.
    Lost,
}

/// What a client says or hears.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Event {
    /// A peer's announce; an answer to one's own comes directed.
    Announced {
        peer: PeerNumber,
        session: u32,
        directed: bool,
    },
    /// A peer's leave.
    Left { peer: PeerNumber },
    /// A directed message, numbered by the sender's session for this receiver.
    HeardDirected {
        from: PeerNumber,
        session: u32,
        number: u32,
    },
    /// A broadcast, numbered by the sender's session.
    HeardBroadcast {
        from: PeerNumber,
        session: u32,
        number: u32,
    },
    /// Said to one peer.
    SaidDirected { to: PeerNumber, number: u32 },
    /// Said to the room.
    SaidBroadcast { number: u32 },
    /// A frame that nobody may have sent.
    Strange,
}

impl Event {
    /// Of a message that was heard: whether it is a broadcast, its sender, the sender's session, its number.
    pub(crate) fn heard(self) -> Option<(bool, PeerNumber, u32, u32)> {
        if let Self::HeardDirected {
            from,
            session,
            number,
        } = self
        {
            Some((false, from, session, number))
        } else if let Self::HeardBroadcast {
            from,
            session,
            number,
        } = self
        {
            Some((true, from, session, number))
        } else {
            None
        }
    }
}

/// What was done to nodes and to Redis.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deeds {
    /// Killed, or told to end.
    pub(crate) killed: Vec<(NodeNumber, Micros)>,
    /// Frozen and thawed again.
    pub(crate) frozen: Vec<(NodeNumber, Micros, Micros)>,
    /// Every connection to it was cut by the network.
    pub(crate) severed: Vec<(NodeNumber, Micros)>,
    /// Cut off from Redis, and so from the others, for longer than its lease, while they were not.
    pub(crate) isolated: Vec<(NodeNumber, Micros, Micros)>,
    /// Redis was away.
    pub(crate) outages: Vec<(Micros, Micros)>,
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) lives: Vec<Life>,
    pub(crate) deeds: Deeds,
    /// When it ends.
    pub(crate) end: Micros,
}

/// What was promised, in time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// How long a lost peer may take to return.
    pub(crate) window: Micros,
    /// After how long the peers of a node that does not answer may be left; at latest `late` after it.
    pub(crate) lease: Micros,
    /// Between two beats; the last of a node that dies was up to 2.4 of them before.
    pub(crate) beat: Micros,
    /// How late a leave may be told, after the window or the lease.
    pub(crate) late: Micros,
    /// How long a message may be under way while Redis is there; a disturbance of either end loses it no later.
    pub(crate) in_flight: Micros,
    /// How long a node may take to notice that a connection is lost.
    pub(crate) noticed: Micros,
}

impl Rules {
    /// For a window, with the lease that follows from it.
    pub(crate) fn for_window(window: Micros) -> Self {
        Self {
            window,
            lease: (10 * SECOND).max(window + 2 * SECOND),
            beat: SECOND,
            late: 4 * SECOND,
            in_flight: 2 * SECOND,
            noticed: SECOND,
        }
    }
}

impl Session {
    /// Whether it saw everything from `from` to `to`, as far as its own connection goes.
    pub(crate) fn spans(&self, from: Micros, to: Micros) -> bool {
        self.joined.is_some_and(|joined| joined <= from)
            && self.ended.is_none_or(|(ended, _)| ended > to)
    }
}

impl Life {
    /// The session that lives at the end, if there is one.
    pub(crate) fn last(&self) -> Option<&Session> {
        let last = self.sessions.last()?;
        (last.ended.is_none() && last.joined.is_some()).then_some(last)
    }
}
