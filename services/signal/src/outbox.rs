use std::{
    cell::RefCell,
    io::{self, Cursor},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use tokio::net::tcp::OwnedWriteHalf;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;

use crate::{CloseCode, frames};

/// Bytes that wait for one client at most; what peers say has at most 256 KiB. Beyond it the client is closed as
/// [`CloseCode::Slow`]: it connects again and is told everything anew, while a message left out would be
/// missing for ever.
pub(crate) const OUTBOX_BYTES: usize = 1024 * 1024;

/// While no more than this waits, one message may be longer than that: who is in a large room. Whoever comes back is told
/// that behind all that it has missed, 256 KiB at most.
const FREE_BYTES: usize = 512 * 1024;

/// Largest buffer that a thread keeps for the next outbox that needs one.
const SPARE_BYTES: usize = 16 * 1024;

thread_local! {
    /// Idle connections keep no buffer, and most are needed from one message to its being written only.
    static SPARE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Frames on their way to one client, and its end of the socket.
///
/// The node fills it, and [`Node::write_out`](crate::node::Node::write_out) empties it into the socket, without waking
/// the connection's task; that is woken when the socket takes no more, or for the end.
#[derive(Debug, Default)]
pub(crate) struct Outbox(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    socket: Option<OwnedWriteHalf>,
    /// Whole frames, and how much of the first was written.
    output: Vec<u8>,
    written: usize,
    /// Whether somebody is about to write.
    is_listed: bool,
    /// Whether the connection's task is to write, as soon as the socket takes more.
    is_blocked: bool,
    end: Option<CloseCode>,
    task: Option<Waker>,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It waits with others, or the connection has ended.
    Taken,
    /// It is the first: whoever pushed it has to see to it that [`Outbox::flush`] is called.
    First,
    /// It did not fit: nothing more is taken, and the connection ends.
    Overflowed,
}

impl Outbox {
    /// An outbox that is written to `socket`.
    pub(crate) fn new(socket: OwnedWriteHalf) -> Self {
        let state = State {
            socket: Some(socket),
            ..State::default()
        };
        Self(Mutex::new(state))
    }

    /// Queues a text frame.
    pub(crate) fn push(&self, text: &str) -> Pushed {
        let mut state = self.lock();
        if state.end.is_some() {
            return Pushed::Taken;
        }
        let waiting = state.output.len() - state.written;
        if waiting > FREE_BYTES && waiting + text.len() > OUTBOX_BYTES {
            state.end(CloseCode::Slow);
            return Pushed::Overflowed;
        }
        if state.output.capacity() == 0 {
            state.output = SPARE.take();
        }
        frames::write_text(text, &mut state.output);
        if state.is_listed || state.is_blocked {
            return Pushed::Taken;
        }
        state.is_listed = true;
        Pushed::First
    }

    /// Writes a control frame behind what is queued; false, and nothing, where the socket is blocked.
    pub(crate) fn control(&self, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut state = self.lock();
        if state.is_blocked {
            return false;
        }
        write(&mut state.output);
        state.flush();
        true
    }

    /// Writes what is queued; what the socket does not take is left to the connection's task.
    pub(crate) fn flush(&self) {
        self.lock().flush();
    }

    /// Ends the connection, ahead of what is queued.
    pub(crate) fn close(&self, code: CloseCode) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.end(code);
        }
    }

    /// Ready with the end, if there is one; writes on where the socket had been blocked. The task is woken for both.
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<io::Result<CloseCode>> {
        let mut state = self.lock();
        if let Some(code) = state.end {
            return Poll::Ready(Ok(code));
        }
        let waker = context.waker();
        if !state
            .task
            .as_ref()
            .is_some_and(|task| task.will_wake(waker))
        {
            state.task = Some(waker.clone());
        }
        while state.is_blocked
            && let Some(socket) = &state.socket
        {
            if let Err(error) = ready!(socket.as_ref().poll_write_ready(context)) {
                return Poll::Ready(Err(error));
            }
            if let Err(error) = state.write() {
                return Poll::Ready(Err(error));
            }
        }
        Poll::Pending
    }

    /// The socket, and what is still to be written to it: no more than the rest of a frame, once it has ended.
    pub(crate) fn take(&self) -> (Option<OwnedWriteHalf>, Vec<u8>) {
        let mut state = self.lock();
        state.cut();
        state.is_listed = true;
        let written = mem::take(&mut state.written);
        let left = mem::take(&mut state.output).split_off(written);
        (state.socket.take(), left)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn flush(&mut self) {
        self.is_listed = false;
        // The task looks at an error as well: it writes again, and has it again.
        if self.is_blocked {
            return;
        }
        self.is_blocked |= self.write().is_err();
        if self.is_blocked {
            self.wake();
        }
    }

    /// Writes until all is written or the socket is blocked.
    fn write(&mut self) -> io::Result<()> {
        let Some(socket) = &self.socket else {
            return Ok(());
        };
        while self.written < self.output.len() {
            match socket.try_write(&self.output[self.written..]) {
                Ok(written) => self.written += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_blocked = true;
                    let whole = self.whole();
                    self.output.drain(..whole);
                    self.written -= whole;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        // Idle connections are many: they keep nothing.
        let mut spare = mem::take(&mut self.output);
        if spare.capacity() <= SPARE_BYTES {
            spare.clear();
            SPARE.set(spare);
        }
        self.written = 0;
        self.is_blocked = false;
        Ok(())
    }

    fn end(&mut self, code: CloseCode) {
        self.cut();
        self.end = Some(code);
        self.wake();
    }

    /// Gives up the frames of which nothing was written.
    fn cut(&mut self) {
        let begun = self.whole();
        let rest = match begun < self.written {
            true => frame_len(&self.output[begun..]),
            false => 0,
        };
        self.output.truncate(begun + rest);
        self.output.shrink_to_fit();
    }

    /// How long the frames are that were written to their end.
    fn whole(&self) -> usize {
        let mut whole = 0;
        while whole < self.output.len() {
            let end = whole + frame_len(&self.output[whole..]);
            if end > self.written {
                break;
            }
            whole = end;
        }
        whole
    }

    fn wake(&self) {
        if let Some(task) = &self.task {
            task.wake_by_ref();
        }
    }
}

/// The length of the first of our own frames.
fn frame_len(frames: &[u8]) -> usize {
    let mut cursor = Cursor::new(frames);
    let len = FrameHeader::parse(&mut cursor).ok().flatten();
    len.and_then(|(_, len)| usize::try_from(cursor.position() + len).ok())
        .unwrap_or(frames.len())
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::AsyncReadExt,
        net::{TcpListener, TcpStream},
    };

    use super::*;

    /// An outbox, and where its frames arrive.
    async fn connected() -> (Outbox, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await;
        let (stream, _) = listener.accept().await.unwrap();
        let (_, socket) = stream.into_split();
        (Outbox::new(socket), client.unwrap())
    }

    #[tokio::test]
    async fn frames_come_out_in_order_once_they_are_flushed() {
        let (outbox, mut client) = connected().await;
        assert_eq!(outbox.push("one"), Pushed::First);
        assert_eq!(outbox.push("two"), Pushed::Taken);
        outbox.flush();
        assert_eq!(outbox.push("three"), Pushed::First);
        outbox.flush();
        let mut bytes = [0; 17];
        client.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"\x81\x03one\x81\x03two\x81\x05three");
        assert_eq!(outbox.lock().output.capacity(), 0);
    }

    #[tokio::test]
    async fn who_has_missed_all_that_is_kept_is_told_who_is_in_a_large_room_besides() {
        let (outbox, client) = connected().await;
        let missed = "x".repeat(1024);
        for _ in 0..256 {
            assert_ne!(outbox.push(&missed), Pushed::Overflowed);
        }
        let members = "m".repeat(4 * OUTBOX_BYTES);
        assert_eq!(outbox.push(&members), Pushed::Taken);
        assert_eq!(outbox.push("one more"), Pushed::Overflowed);
        drop(client);
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_ended_once_and_keeps_the_rest_of_a_frame() {
        let (outbox, mut client) = connected().await;
        let text = "x".repeat(1000);
        let frame = 4 + text.len();
        let mut pushed = 0;
        let last = loop {
            match outbox.push(&text) {
                Pushed::First => outbox.flush(),
                Pushed::Taken => {}
                Pushed::Overflowed => break outbox.push(&text),
            }
            pushed += 1;
        };
        assert_eq!(last, Pushed::Taken, "an overflow is reported once");
        outbox.close(CloseCode::GoingAway);
        let end = outbox.poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(end, Poll::Ready(Ok(CloseCode::Slow))), "{end:?}");
        let (socket, rest) = outbox.take();
        assert!(rest.len() < frame && rest.capacity() < 2 * frame);
        socket.unwrap().forget();
        drop(outbox);
        let mut read = Vec::new();
        let mut chunk = vec![0; 65536];
        while let Ok(Ok(len @ 1..)) = tokio::time::timeout(
            std::time::Duration::from_millis(200),
            client.read(&mut chunk),
        )
        .await
        {
            read.extend_from_slice(&chunk[..len]);
        }
        assert_eq!((read.len() + rest.len()) % frame, 0);
        assert!(pushed * frame > OUTBOX_BYTES);
    }
}
