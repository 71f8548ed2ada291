//! Allocations that are with another thread than their clients' packets come to, RFC 8016.
//!
//! The kernel chooses a packet's thread by its addresses, and so a client that has moved may come to another thread
//! than before. Its allocation stays: the sockets are that thread's. So the thread which the client comes to hands on
//! what it sends, by a copy and a queue, and the other one answers from the listener of the same number, which is bound
//! to the same address. `visitors` is what the one knows of such clients; the other tells it who is none any more.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, OnceLock,
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    time::Instant,
};

use mio::Waker;
use relay::{AllocationId, Client, Home};

use crate::visitors::Visitors;

/// What waits for a thread at most; a packet that does not fit is lost, and counted.
pub(crate) const QUEUE: usize = 256;

/// What a thread tells another.
#[derive(Debug)]
pub(crate) enum Note {
    /// A client of yours has sent this.
    Message(Message),
    /// It is none of mine any more: see to it yourself.
    Back(Message),
    /// An allocation of mine is over.
    Over(Home),
    /// This client showed a ticket that is no good any more, if it ever was.
    Left(Client, Home),
}

/// What a client sent to a thread that does not have its allocation.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) client: Client,
    pub(crate) home: Home,
    /// The thread that it came to.
    by: u16,
    /// Whether it has a ticket with which the client comes.
    pub(crate) is_first: bool,
    pub(crate) bytes: Box<[u8]>,
}

/// The queue of a thread, from outside.
struct Way {
    queue: SyncSender<Note>,
    /// There once the thread has something to be woken from.
    waker: OnceLock<Arc<Waker>>,
}

/// A thread's part in this.
#[derive(Debug)]
pub(crate) struct Moves {
    thread: u16,
    ways: Arc<[Way]>,
    notes: Receiver<Note>,
    visitors: Visitors,
    /// Allocations of this thread's whose clients came to others, and to which.
    abroad: HashMap<AllocationId, Vec<u16>>,
    /// Threads that are to be woken when the round is over.
    to_wake: Vec<u16>,
}

impl Moves {
    /// One for each of so many threads.
    pub(crate) fn between(threads: usize) -> Vec<Self> {
        let (ways, queues): (Vec<Way>, Vec<Receiver<Note>>) = (0..threads)
            .map(|_| {
                let (queue, notes) = sync_channel(QUEUE);
                let waker = OnceLock::new();
                (Way { queue, waker }, notes)
            })
            .unzip();
        let ways: Arc<[Way]> = ways.into();
        (0..)
            .zip(queues)
            .map(|(thread, notes)| Self {
                thread,
                ways: ways.clone(),
                notes,
                visitors: Visitors::default(),
                abroad: HashMap::new(),
                to_wake: Vec::new(),
            })
            .collect()
    }

    /// This thread's number.
    pub(crate) fn thread(&self) -> u16 {
        self.thread
    }

    /// What wakes this thread.
    pub(crate) fn wake_with(&self, waker: Arc<Waker>) {
        if let Some(way) = self.ways.get(usize::from(self.thread)) {
            way.waker.get_or_init(|| waker);
        }
    }

    /// Where the client's allocation is, if it moved here from another thread.
    #[inline]
    pub(crate) fn home_of(&mut self, client: Client, now: Instant) -> Option<Home> {
        self.visitors.home_of(client, now)
    }

    /// A client shows a ticket: has that, and what it sends from now on, handed on to `home`. Tells whether there was
    /// room.
    pub(crate) fn enter(&mut self, client: Client, home: Home, bytes: &[u8], now: Instant) -> bool {
        self.visitors.enter(client, home, now) && self.hand_on_as(client, home, bytes, true)
    }

    /// Hands on what a client sent; tells whether there was room.
    pub(crate) fn hand_on(&mut self, client: Client, home: Home, bytes: &[u8]) -> bool {
        self.hand_on_as(client, home, bytes, false)
    }

    fn hand_on_as(&mut self, client: Client, home: Home, bytes: &[u8], is_first: bool) -> bool {
        let message = Message {
            client,
            home,
            by: self.thread,
            is_first,
            bytes: bytes.into(),
        };
        self.tell(home.thread, Note::Message(message))
    }

    /// What others have told this thread. Whoever is no visitor any more has been forgotten.
    pub(crate) fn next(&mut self) -> Option<Note> {
        loop {
            match self.notes.try_recv() {
                Ok(Note::Over(home)) => self.visitors.end(home),
                Ok(Note::Left(client, home)) => self.visitors.leave(client, home),
                Ok(Note::Back(message)) => {
                    self.visitors.leave(message.client, message.home);
                    return Some(Note::Back(message));
                }
                Ok(note) => return Some(note),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return None,
            }
        }
    }

    /// A client of this thread's allocation comes to thread `by` now, which is to be told when that one is over.
    pub(crate) fn is_abroad(&mut self, message: &Message) {
        let threads = self.abroad.entry(message.home.allocation).or_default();
        if !threads.contains(&message.by) {
            threads.push(message.by);
        }
    }

    /// The client that has sent `message` came in vain. Where there is no room to say so, it stays until it is silent
    /// for long, or what it sends is given back.
    pub(crate) fn refused(&mut self, message: &Message) {
        self.tell(message.by, Note::Left(message.client, message.home));
    }

    /// Gives a message back that is for none of this thread's allocations; tells whether there was room.
    pub(crate) fn give_back(&mut self, message: Message) -> bool {
        self.tell(message.by, Note::Back(message))
    }

    /// An allocation of this thread's is over. Whoever is not told for want of room hands on what is given back.
    pub(crate) fn over(&mut self, allocation: AllocationId) {
        let thread = self.thread;
        for by in self.abroad.remove(&allocation).into_iter().flatten() {
            self.tell(by, Note::Over(Home { thread, allocation }));
        }
    }

    fn tell(&mut self, thread: u16, note: Note) -> bool {
        let Some(way) = self.ways.get(usize::from(thread)) else {
            return false;
        };
        if way.queue.try_send(note).is_err() {
            return false;
        }
        if !self.to_wake.contains(&thread) {
            self.to_wake.push(thread);
        }
        true
    }

    /// Ends a round: wakes those who were told something.
    pub(crate) fn wake(&mut self) {
        for thread in self.to_wake.drain(..) {
            let way = self.ways.get(usize::from(thread));
            let waker = way.and_then(|way| way.waker.get());
            if let Some(Err(error)) = waker.map(|waker| waker.wake()) {
                tracing::warn!(%error, thread, "a relay thread cannot be woken");
            }
        }
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use relay::ListenerId;

    use super::*;

    fn client() -> Client {
        Client {
            listener: ListenerId(0),
            address: ([192, 0, 2, 1], 4000).into(),
        }
    }

    fn home() -> Home {
        Home {
            thread: 0,
            allocation: AllocationId::from_bits(7),
        }
    }

    /// The thread that has the allocation, and the one that its client has come to.
    fn two() -> [Moves; 2] {
        let mut two: [Moves; 2] = Moves::between(2).try_into().unwrap();
        assert!(two[1].enter(client(), home(), b"hello", Instant::now()));
        two
    }

    #[track_caller]
    fn message(moves: &mut Moves) -> Message {
        match moves.next() {
            Some(Note::Message(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn is_visiting(moves: &mut Moves, expected: bool) {
        assert!(moves.next().is_none());
        let home = moves.home_of(client(), Instant::now());
        assert_eq!(home.is_some(), expected);
    }

    #[test]
    fn what_a_client_sends_comes_to_its_allocation_s_thread_until_that_is_over() {
        let [mut at_home, mut abroad] = two();
        assert!(abroad.hand_on(client(), home(), b"more"));
        for (bytes, is_first) in [(b"hello".as_slice(), true), (b"more", false)] {
            let message = message(&mut at_home);
            assert_eq!((message.client, &*message.bytes), (client(), bytes));
            assert_eq!((message.home, message.is_first), (home(), is_first));
            at_home.is_abroad(&message);
        }
        is_visiting(&mut abroad, true);
        at_home.over(AllocationId::from_bits(8));
        is_visiting(&mut abroad, true);
        at_home.over(home().allocation);
        is_visiting(&mut abroad, false);
        assert!(at_home.abroad.is_empty());
    }

    #[test]
    fn a_message_that_is_given_back_makes_its_client_a_visitor_no_more() {
        let [mut at_home, mut abroad] = two();
        let message = message(&mut at_home);
        assert!(at_home.give_back(message));
        let Some(Note::Back(message)) = abroad.next() else {
            panic!("nothing came back");
        };
        assert_eq!(&*message.bytes, b"hello");
        is_visiting(&mut abroad, false);
    }

    #[test]
    fn a_client_that_came_in_vain_is_no_visitor() {
        let [mut at_home, mut abroad] = two();
        let message = message(&mut at_home);
        at_home.refused(&message);
        is_visiting(&mut abroad, false);
    }

    #[test]
    fn a_thread_that_does_not_listen_holds_so_much_and_no_more() {
        let [mut at_home, mut abroad] = two();
        let handed_on = (0..2 * QUEUE).filter(|_| abroad.hand_on(client(), home(), b"more"));
        assert_eq!(handed_on.count(), QUEUE - 1);
        assert_eq!(std::iter::from_fn(|| at_home.next()).count(), QUEUE);
        assert!(abroad.hand_on(client(), home(), b"again"));
    }
}
