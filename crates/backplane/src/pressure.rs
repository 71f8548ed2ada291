//! How much waits in front of a backplane, and who waits until it is less.
//!
//! What a client says has been taken from its socket and can go nowhere else: it must not be refused. So whoever reads
//! clients' sockets stops in good time, at half of the bound, and what is left serves what nobody can stop.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use tokio::sync::{Notify, futures::OwnedNotified};

use crate::Overloaded;

/// What waits in one bounded queue.
#[derive(Debug)]
pub(crate) struct Intake {
    bound: usize,
    bound_bytes: usize,
    commands: AtomicUsize,
    bytes: AtomicUsize,
    /// Whether somebody may wait for relief.
    is_awaited: AtomicBool,
    relief: Arc<Notify>,
}

impl Intake {
    pub(crate) fn new(bound: usize, bound_bytes: usize) -> Self {
        Self {
            bound,
            bound_bytes,
            commands: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            is_awaited: AtomicBool::new(false),
            relief: Arc::default(),
        }
    }

    /// A command of so many bytes is about to be queued; not when there is no room for it.
    pub(crate) fn enter(&self, size: usize) -> Result<(), Overloaded> {
        let commands = self.commands.fetch_add(1, SeqCst) + 1;
        let bytes = self.bytes.fetch_add(size, SeqCst) + size;
        if commands > self.bound || bytes > self.bound_bytes {
            self.leave(size);
            return Err(Overloaded);
        }
        Ok(())
    }

    /// It has been taken.
    pub(crate) fn leave(&self, size: usize) {
        self.commands.fetch_sub(1, SeqCst);
        self.bytes.fetch_sub(size, SeqCst);
        if self.is_awaited.load(SeqCst) && !self.is_filled(4) && self.is_awaited.swap(false, SeqCst)
        {
            self.relief.notify_waiters();
        }
    }

    /// Whether half of the room is taken.
    pub(crate) fn is_half_full(&self) -> bool {
        self.is_filled(2)
    }

    fn is_filled(&self, part: usize) -> bool {
        self.commands.load(SeqCst) >= self.bound / part
            || self.bytes.load(SeqCst) >= self.bound_bytes / part
    }

    /// What ends when there is room again, unless there is.
    fn relief(&self) -> Option<OwnedNotified> {
        if !self.is_half_full() {
            return None;
        }
        let relief = self.relief.clone().notified_owned();
        self.is_awaited.store(true, SeqCst);
        // Now whoever takes something sees that it is awaited; it may have taken all just before.
        self.is_half_full().then_some(relief)
    }
}

/// What waits in front of a backplane; outlives it.
#[derive(Clone, Debug, Default)]
pub struct Pressure(Arc<[Arc<Intake>]>);

impl Pressure {
    pub(crate) fn new(intakes: impl Iterator<Item = Arc<Intake>>) -> Self {
        Self(intakes.collect())
    }

    /// `None` where there is room for more; else what is to be awaited before this is asked again.
    pub fn relief(&self) -> Option<OwnedNotified> {
        self.0.iter().find_map(|intake| intake.relief())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    fn is_ready(relief: &mut (impl Future<Output = ()> + Unpin)) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        pin!(relief).poll(&mut context) == Poll::Ready(())
    }

    #[test]
    fn who_waits_does_so_from_half_of_the_room_to_a_quarter_in_commands_and_in_bytes() {
        for size in [1, 100] {
            let intake = Arc::new(Intake::new(if size == 1 { 8 } else { 80 }, 800));
            let pressure = Pressure::new([intake.clone()].into_iter());
            for _ in 0..3 {
                intake.enter(size).unwrap();
            }
            assert!(pressure.relief().is_none());
            intake.enter(size).unwrap();
            let mut relief = Box::pin(pressure.relief().unwrap());
            let mut other = Box::pin(pressure.relief().unwrap());
            for _ in 0..2 {
                intake.leave(size);
                assert!(!is_ready(&mut relief));
            }
            intake.leave(size);
            assert!(is_ready(&mut relief) && is_ready(&mut other));
            assert!(pressure.relief().is_none());
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_and_takes_no_room() {
        let intake = Intake::new(2, 100);
        assert!(intake.enter(101).is_err());
        intake.enter(60).unwrap();
        assert!(intake.enter(60).is_err());
        intake.enter(40).unwrap();
        assert!(intake.enter(0).is_err());
        intake.leave(40);
        intake.enter(40).unwrap();
    }

    #[test]
    fn of_several_queues_the_full_one_is_waited_for() {
        let intakes: Vec<_> = (0..3).map(|_| Arc::new(Intake::new(4, 100))).collect();
        let pressure = Pressure::new(intakes.iter().cloned());
        intakes[1].enter(1).unwrap();
        intakes[1].enter(1).unwrap();
        let mut relief = Box::pin(pressure.relief().unwrap());
        intakes[0].enter(1).unwrap();
        intakes[0].leave(1);
        assert!(!is_ready(&mut relief));
        intakes[1].leave(1);
        intakes[1].leave(1);
        assert!(is_ready(&mut relief));
    }
}
