use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::CloseCode;

/// Bytes that wait for one client at most; one message has at most 256 KiB. Beyond it the client is closed as
/// [`CloseCode::Slow`]: it connects again and is told everything anew, while a message left out would be
/// missing for ever.
pub(crate) const OUTBOX_BYTES: usize = 1024 * 1024;

/// What a frame costs besides its text.
const FRAME_OVERHEAD: usize = 64;

/// Frames on their way to one client: filled by the node, emptied by the connection's task.
#[derive(Debug, Default)]
pub(crate) struct Outbox(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Utf8Bytes>,
    bytes: usize,
    end: Option<CloseCode>,
    reader: Option<Waker>,
}

/// What the connection's task finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Frame(Utf8Bytes),
    End(CloseCode),
}

impl Outbox {
    /// Queues a frame. False when it overflowed: nothing more is taken, and the connection ends.
    pub(crate) fn push(&self, frame: Utf8Bytes) -> bool {
        let mut state = self.lock();
        if state.end.is_some() {
            return true;
        }
        state.bytes += frame.len() + FRAME_OVERHEAD;
        if state.bytes > OUTBOX_BYTES {
            end(state, CloseCode::Slow);
            return false;
        }
        // A reader that has not emptied the queue since is awake, or cannot write.
        let is_first = state.frames.is_empty();
        state.frames.push_back(frame);
        if let Some(reader) = &state.reader
            && is_first
        {
            reader.wake_by_ref();
        }
        true
    }

    /// Ends the connection, ahead of what is queued.
    pub(crate) fn close(&self, code: CloseCode) {
        let state = self.lock();
        if state.end.is_none() {
            end(state, code);
        }
    }

    /// The next frame, or the end; otherwise the task is woken when there is one.
    pub(crate) fn poll_next(&self, context: &Context<'_>) -> Poll<Next> {
        let mut state = self.lock();
        if let Some(code) = state.end {
            return Poll::Ready(Next::End(code));
        }
        if let Some(frame) = state.frames.pop_front() {
            state.bytes -= frame.len() + FRAME_OVERHEAD;
            return Poll::Ready(Next::Frame(frame));
        }
        // Idle connections are many: they keep no queue.
        state.frames = VecDeque::new();
        state.remember(context.waker());
        Poll::Pending
    }

    /// The end, if there is one, while nothing can be written.
    pub(crate) fn poll_end(&self, context: &Context<'_>) -> Poll<CloseCode> {
        let mut state = self.lock();
        if let Some(code) = state.end {
            return Poll::Ready(code);
        }
        state.remember(context.waker());
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remember(&mut self, waker: &Waker) {
        // It stays: connections are woken a lot, and always by the same one.
        if !self
            .reader
            .as_ref()
            .is_some_and(|reader| reader.will_wake(waker))
        {
            self.reader = Some(waker.clone());
        }
    }
}

fn end(mut state: MutexGuard<'_, State>, code: CloseCode) {
    state.frames = VecDeque::new();
    state.bytes = 0;
    state.end = Some(code);
    let reader = state.reader.take();
    drop(state);
    if let Some(reader) = reader {
        reader.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(outbox: &Outbox) -> Poll<Next> {
        outbox.poll_next(&Context::from_waker(Waker::noop()))
    }

    #[test]
    fn frames_come_out_in_order() {
        let outbox = Outbox::default();
        assert!(next(&outbox).is_pending());
        outbox.push("one".into());
        outbox.push("two".into());
        assert_eq!(next(&outbox), Poll::Ready(Next::Frame("one".into())));
        assert_eq!(next(&outbox), Poll::Ready(Next::Frame("two".into())));
        assert!(next(&outbox).is_pending());
    }

    #[test]
    fn a_client_that_does_not_read_is_ended_once_and_keeps_nothing() {
        let outbox = Outbox::default();
        let frame = Utf8Bytes::from("x".repeat(1000));
        let taken = (0..2000).take_while(|_| outbox.push(frame.clone())).count();
        assert_eq!(taken, OUTBOX_BYTES / (1000 + FRAME_OVERHEAD));
        assert!(outbox.push(frame), "an overflow is reported once");
        outbox.close(CloseCode::GoingAway);
        assert_eq!(next(&outbox), Poll::Ready(Next::End(CloseCode::Slow)));
        assert_eq!(outbox.lock().bytes, 0);
    }
}
