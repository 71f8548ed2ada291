//! What others have said: each message once and in order, and what is to be acknowledged.

use std::collections::{BTreeMap, VecDeque};

use bytestring::ByteString;
use protocol::{
    PeerId,
    native::{client::Ack, server::Message},
};

/// Of one peer: messages of a session before this one may still be on their way.
const MOST_SESSIONS: usize = 3;

/// Peers that are known; who was heard of longest ago is forgotten.
const MOST_PEERS: usize = 4096;

#[derive(Debug, Default)]
pub(crate) struct Inbox {
    peers: BTreeMap<PeerId, Heard>,
    /// The numbers up to which is to be acknowledged, by who has said them, in which session.
    owed: BTreeMap<(PeerId, ByteString), u64>,
    uses: u64,
}

#[derive(Debug, Default)]
struct Heard {
    sessions: VecDeque<(ByteString, Stream)>,
    /// When it was heard of last.
    used: u64,
}

#[derive(Debug, Default)]
struct Stream {
    /// The next message; none was heard of yet.
    expected: Option<u64>,
    /// The last broadcast.
    heard: u64,
}

impl Inbox {
    /// Whether a message is to be delivered: it is neither here already nor before its turn.
    pub(crate) fn take(&mut self, message: &Message) -> bool {
        let (Some(session), Some(n)) = (&message.session, message.n) else {
            return true; // Of a dialect without numbers.
        };
        let stream = self.stream(&message.from, session);
        if message.to.is_none() {
            let is_new = n > stream.heard;
            stream.heard = stream.heard.max(n);
            return is_new;
        }
        // What is before `first` its sender has given up, or we had it in an earlier life.
        let first = message.first.unwrap_or(n);
        let mut expected = stream
            .expected
            .map_or(first, |expected| expected.max(first));
        let is_early = n > expected;
        let is_next = n == expected;
        if is_next {
            expected += 1;
        }
        stream.expected = Some(expected);
        if !is_early {
            self.owe(message.from.clone(), session.clone(), expected);
        }
        is_next
    }

    fn stream(&mut self, from: &PeerId, session: &ByteString) -> &mut Stream {
        self.uses += 1;
        if !self.peers.contains_key(from) && self.peers.len() >= MOST_PEERS {
            let oldest = self.peers.iter().min_by_key(|(_, heard)| heard.used);
            if let Some(oldest) = oldest.map(|(peer, _)| peer.clone()) {
                self.peers.remove(&oldest);
            }
        }
        let heard = self.peers.entry(from.clone()).or_default();
        heard.used = self.uses;
        let known = heard.sessions.iter().position(|(name, _)| name == session);
        let at = known.unwrap_or_else(|| {
            if heard.sessions.len() >= MOST_SESSIONS {
                heard.sessions.pop_front();
            }
            let new = (session.clone(), Stream::default());
            heard.sessions.push_back(new);
            heard.sessions.len() - 1
        });
        &mut heard.sessions[at].1
    }

    fn owe(&mut self, from: PeerId, session: ByteString, expected: u64) {
        if expected > 1 {
            self.owed.insert((from, session), expected - 1);
        }
    }

    pub(crate) fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    /// What is to be acknowledged, once for each sender, which covers all before it.
    pub(crate) fn acks(&mut self) -> impl Iterator<Item = Ack> + use<> {
        let owed = std::mem::take(&mut self.owed).into_iter();
        owed.map(|((from, session), n)| Ack { from, session, n })
    }

    /// A socket was lost, and with it perhaps acknowledgements: those who are still there are told again.
    pub(crate) fn owe_again(&mut self, is_present: impl Fn(&PeerId) -> bool) {
        self.owed.clear();
        for (peer, heard) in &self.peers {
            if !is_present(peer) {
                continue;
            }
            for (session, stream) in &heard.sessions {
                if let Some(expected) = stream.expected.filter(|expected| *expected > 1) {
                    let key = (peer.clone(), session.clone());
                    self.owed.insert(key, expected - 1);
                }
            }
        }
    }
}
