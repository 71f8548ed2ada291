//! Connections with peers that wait for their clients, RFC 6062 §5.4.
//!
//! A client brings the id over another connection, which may be another thread's: so that all threads share them. The
//! socket itself waits, and goes to the thread that the id came to, so that no byte ever crosses.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use mio::net::TcpStream;
use relay::{BIND_TIMEOUT, ConnectionId, UserId};

use crate::{allowance::Allowance, due::Due, quotas::DescriptorSlot};

/// Ids drawn for one connection; one that is taken is rare.
const MAX_TRIES: usize = 8;

/// What an allocation and its connection know of each other, whichever threads they are on: it is held by both.
#[derive(Debug, Default)]
pub(crate) struct Link(AtomicBool);

impl Link {
    /// The allocation has ended.
    pub(crate) fn end(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection with a peer. It is closed when it is dropped.
#[derive(Debug)]
pub(crate) struct Handover {
    pub(crate) socket: TcpStream,
    pub(crate) user: UserId,
    pub(crate) link: Arc<Link>,
    /// Of its allocation's.
    pub(crate) allowance: Arc<Allowance>,
    #[expect(dead_code, reason = "it is held, and given back when it is dropped")]
    pub(crate) slot: DescriptorSlot,
}

/// Those that wait, over all threads. There are never more than there are descriptors for connections.
#[derive(Debug)]
pub(crate) struct Handovers {
    held: Mutex<Held>,
    /// When the first of them is over.
    due: Due,
}

#[derive(Debug, Default)]
struct Held {
    by_id: HashMap<ConnectionId, (Instant, Handover)>,
    /// All wait equally long. Of those that were taken some are left here until then.
    in_order: VecDeque<(Instant, ConnectionId)>,
}

impl Handovers {
    pub(crate) fn new(start: Instant) -> Self {
        Self {
            held: Mutex::default(),
            due: Due::new(start),
        }
    }

    /// An id that nobody waits under; none when there are no random numbers.
    pub(crate) fn draw(&self) -> Option<ConnectionId> {
        let held = self.held();
        (0..MAX_TRIES).find_map(|_| {
            let id = ConnectionId(getrandom::u32().ok()?);
            (!held.by_id.contains_key(&id)).then_some(id)
        })
    }

    /// Lets a connection wait under an id that was drawn; gives it back when somebody else has that by now.
    pub(crate) fn hold(
        &self,
        id: ConnectionId,
        handover: Handover,
        now: Instant,
    ) -> Result<(), Handover> {
        let mut held = self.held();
        if held.by_id.contains_key(&id) {
            return Err(handover);
        }
        let until = now + BIND_TIMEOUT;
        held.by_id.insert(id, (until, handover));
        held.in_order.push_back((until, id));
        self.set_due(&held);
        Ok(())
    }

    /// The connection that `id` stands for, once, and for its own user.
    pub(crate) fn take(&self, id: ConnectionId, user: &UserId, now: Instant) -> Option<Handover> {
        let mut held = self.held();
        let (until, handover) = held.by_id.get(&id)?;
        if *until <= now || handover.user != *user || handover.link.has_ended() {
            return None;
        }
        held.by_id.remove(&id).map(|(_, handover)| handover)
    }

    /// Closes those whose allocation has ended.
    pub(crate) fn purge(&self) {
        self.held()
            .by_id
            .retain(|_, (_, handover)| !handover.link.has_ended());
    }

    /// Closes those that nobody came for in time.
    pub(crate) fn handle_timeout(&self, now: Instant) {
        if !self.due.is_over(now) {
            return;
        }
        let mut held = self.held();
        while let Some((until, id)) = held.in_order.front().copied()
            && until <= now
        {
            held.in_order.pop_front();
            // Another may wait under the same id by now.
            if held.by_id.get(&id).is_some_and(|(of, _)| *of == until) {
                held.by_id.remove(&id);
            }
        }
        self.set_due(&held);
    }

    /// How long until [`Self::handle_timeout`] has something to do.
    pub(crate) fn due_in(&self, now: Instant) -> Option<Duration> {
        self.due.due_in(now)
    }

    fn set_due(&self, held: &Held) {
        self.due.set(held.in_order.front().map(|(until, _)| *until));
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::quotas::Quotas;

    fn user(name: &str) -> UserId {
        UserId::Static(Arc::from(name))
    }

    fn handover(quotas: &Arc<Quotas>, listener: &TcpListener) -> Handover {
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        Handover {
            socket,
            user: user("alice"),
            link: Arc::default(),
            allowance: Allowance::new(0, Instant::now()),
            slot: quotas.enter_connection().unwrap(),
        }
    }

    #[test]
    fn a_connection_waits_half_a_minute_for_its_own_user_once() {
        let (quotas, start) = (Arc::new(Quotas::new(0, 100)), Instant::now());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let handovers = Handovers::new(start);
        let hold = |at| {
            let id = handovers.draw().unwrap();
            assert!(handovers.hold(id, handover(&quotas, &listener), at).is_ok());
            id
        };
        let (first, second) = (hold(start), hold(start + Duration::from_secs(1)));
        let late = start + BIND_TIMEOUT;
        assert!(handovers.take(first, &user("bob"), start).is_none());
        assert!(handovers.take(first, &user("alice"), late).is_none());
        assert!(handovers.take(second, &user("alice"), start).is_some());
        assert!(handovers.take(second, &user("alice"), start).is_none());
        assert_eq!(quotas.connections(), 1);
        assert_eq!(handovers.due_in(start), Some(BIND_TIMEOUT));
        handovers.handle_timeout(late);
        assert_eq!(quotas.connections(), 0);
        handovers.handle_timeout(late + Duration::from_secs(1));
        assert_eq!(handovers.due_in(late), None);
    }

    #[test]
    fn a_connection_whose_allocation_ended_waits_no_more() {
        let (quotas, start) = (Arc::new(Quotas::new(0, 100)), Instant::now());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let handovers = Handovers::new(start);
        let (id, waiting) = (handovers.draw().unwrap(), handover(&quotas, &listener));
        let link = waiting.link.clone();
        assert!(handovers.hold(id, waiting, start).is_ok());
        link.end();
        assert!(handovers.take(id, &user("alice"), start).is_none());
        handovers.purge();
        assert_eq!(quotas.connections(), 0);
    }
}
