use std::{
    cell::RefCell,
    future::poll_fn,
    io, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use protocol::rtcio;
use switchboard::ConnectionId;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf},
    net::{TcpStream, tcp::OwnedReadHalf},
    sync::futures::OwnedNotified,
    time::{Instant, Sleep, timeout},
};

use crate::{
    CloseCode,
    frames::{self, Frame, MAX_MESSAGE_BYTES, Reader},
    native::Native,
    node::{Dialect, Node},
    outbox::Outbox,
};

/// Bytes read from a socket at once: some of the longest session descriptions, and not so many short frames that the
/// others would wait for long.
const READ_BYTES: usize = 16 * 1024;

/// Reads before the task lets others run.
const READ_BUDGET: usize = 4;

/// Longest time the end of a connection takes: writing what is under way and the close frame, and reading
/// on until the client has closed too, so that the close frame is not lost to a reset.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// Most bytes read from a client after the close frame.
const CLOSE_DRAIN_BYTES: usize = 64 * 1024 * 1024;

thread_local! {
    /// What one connection of the thread reads just now.
    static INPUT: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// One WebSocket: a single task that reads, writes and pings.
pub(crate) struct Connection {
    id: ConnectionId,
    node: Arc<Node>,
    outbox: Arc<Outbox>,
    stream: OwnedReadHalf,
    /// Bytes that came with the handshake, until they are looked at.
    early: Vec<u8>,
    reader: Reader,
    /// The content of the last ping that is to be answered.
    pong: Option<Box<[u8]>>,
    /// What is awaited before more is read: clients say more to other nodes than the backplane takes.
    relief: Option<Pin<Box<OwnedNotified>>>,
    ping: Ping,
    speech: Speech,
}

/// What the client speaks.
#[derive(Debug)]
pub(crate) enum Speech {
    RtcIo,
    Native(Box<Native>),
}

/// When to ping, and whether the client is still there.
struct Ping {
    interval: Duration,
    timer: Pin<Box<Sleep>>,
    /// Whether the task will be woken when the timer goes off.
    is_set: bool,
    /// Whether the timer went off and the ping is still to be written.
    is_due: bool,
    /// Whether anything was heard since the last ping.
    heard: bool,
    unanswered: u32,
}

/// Why a connection ended.
enum End {
    /// The client closed it, with this content in its close frame.
    Closed(Box<[u8]>),
    /// It broke.
    Lost(io::Error),
    /// The client answered no ping.
    Silent,
    /// The node closes it.
    Closing(CloseCode),
}

impl Connection {
    /// Makes `stream` a connection of the node; `early` was read from it already.
    pub(crate) fn new(
        node: Arc<Node>,
        stream: TcpStream,
        early: Vec<u8>,
        ping_interval: Duration,
        speech: Speech,
    ) -> Self {
        let (stream, socket) = stream.into_split();
        let outbox = Arc::new(Outbox::new(socket));
        let id = match &speech {
            Speech::RtcIo => node.connect(outbox.clone(), Dialect::RtcIo),
            Speech::Native(_) => node.connect(outbox.clone(), Dialect::Native(None)),
        };
        node.metrics.opened.inc();
        Self {
            id,
            node,
            outbox,
            stream,
            early,
            reader: Reader::default(),
            pong: None,
            relief: None,
            ping: Ping::new(ping_interval, id),
            speech,
        }
    }

    /// Serves the connection to its end.
    pub(crate) async fn run(mut self) {
        let end = poll_fn(|context| self.poll(context)).await;
        // First: whoever is still to be told something by this peer has been told.
        self.node.disconnect(self.id);
        let reason = match &end {
            End::Closed(_) => "client",
            End::Lost(_) => "lost",
            End::Silent => "silent",
            End::Closing(code) => code.label(),
        };
        self.node.metrics.close_for(reason);
        tracing::debug!(connection = self.id.0, reason, "connection ended");
        match end {
            // Apart, so that connections that go on do not keep the room for it.
            End::Closing(code) => Box::pin(self.close(code)).await,
            End::Closed(answer) => {
                let (socket, mut left) = self.outbox.take();
                frames::write_close(&answer, &mut left);
                if let Some(mut socket) = socket {
                    let _ = timeout(CLOSE_PATIENCE, socket.write_all(&left)).await;
                    // It is closed with the other half, without a shutdown before.
                    socket.forget();
                }
            }
            End::Lost(error) => tracing::trace!(%error, "connection lost"),
            End::Silent => {}
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        if let Poll::Ready(end) = self.poll_read(context) {
            return Poll::Ready(end);
        }
        if let Speech::Native(native) = &mut self.speech
            && let Poll::Ready(code) = native.poll(context, &self.node, self.id)
        {
            return Poll::Ready(End::Closing(code));
        }
        while self.ping.poll(context).is_ready() {
            if !self.ping.tick() {
                return Poll::Ready(End::Silent);
            }
        }
        if self.ping.is_due && self.outbox.control(frames::write_ping) {
            self.ping.is_due = false;
        }
        // After what was said before: whoever has the answer has that too.
        if let Some(content) = &self.pong
            && self
                .outbox
                .control(|output| frames::write_pong(content, output))
        {
            self.pong = None;
        }
        self.outbox.poll(context).map(|end| match end {
            Ok(code) => End::Closing(code),
            Err(error) => End::Lost(error),
        })
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<End> {
        if !self.early.is_empty() {
            let mut early = mem::take(&mut self.early);
            if let Err(end) = self.understand(&mut early) {
                return Poll::Ready(end);
            }
        }
        INPUT.with_borrow_mut(|input| {
            for _ in 0..READ_BUDGET {
                ready!(self.poll_relief(context));
                let mut buffer = ReadBuf::new(input);
                if let Err(error) =
                    ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))
                {
                    return Poll::Ready(End::Lost(error));
                }
                if buffer.filled().is_empty() {
                    return Poll::Ready(End::Lost(io::ErrorKind::UnexpectedEof.into()));
                }
                if let Err(end) = self.understand(buffer.filled_mut()) {
                    return Poll::Ready(end);
                }
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
    }

    /// What a client says must not be refused once it has been read.
    fn poll_relief(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(relief) = &mut self.relief {
                ready!(relief.as_mut().poll(context));
            }
            self.relief = self.node.pressure.relief().map(Box::pin);
            if self.relief.is_none() {
                return Poll::Ready(());
            }
            self.node.metrics.paused.inc();
        }
    }

    fn understand(&mut self, bytes: &mut [u8]) -> Result<(), End> {
        let mut at = 0;
        while let Some(frame) = self.reader.next(bytes, &mut at).map_err(End::Closing)? {
            self.ping.heard = true;
            match frame {
                Frame::Text(text) => {
                    hear(&self.node, self.id, &mut self.speech, text).map_err(End::Closing)?;
                }
                // Of several, the last is answered, RFC 6455 §5.5.3.
                Frame::Ping(content) => self.pong = Some(content.into()),
                Frame::Close(content) => {
                    return Err(End::Closed(content.into()));
                }
                Frame::Pong | Frame::Part => {}
            }
        }
        Ok(())
    }

    async fn close(self, code: CloseCode) {
        let (socket, mut left) = self.outbox.take();
        let Some(Ok(mut stream)) = socket.map(|socket| self.stream.reunite(socket)) else {
            return;
        };
        let content = [&code.code().to_be_bytes(), code.reason().as_bytes()].concat();
        frames::write_close(&content, &mut left);
        let closing = async {
            stream.write_all(&left).await?;
            stream.shutdown().await?;
            drain(&mut stream).await
        };
        match timeout(CLOSE_PATIENCE, closing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::trace!(%error, "while closing"),
            Err(_) => tracing::trace!("the client did not close in time"),
        }
    }
}

fn hear(
    node: &Node,
    connection: ConnectionId,
    speech: &mut Speech,
    text: &str,
) -> Result<(), CloseCode> {
    let metrics = &node.metrics;
    metrics.received.inc();
    tracing::trace!(connection = connection.0, %text, "heard");
    if let Speech::Native(native) = speech {
        return native.hear(node, connection, text);
    }
    match rtcio::decode(text) {
        // Escaping may have made it longer.
        Ok(message) if message.size() > MAX_MESSAGE_BYTES => metrics.drop_for("too-long"),
        Ok(message) => node.message(connection, &message),
        Err(refusal) => metrics.drop_for(refusal.label()),
    }
    Ok(())
}

/// Reads and forgets until the client closes, in bounds.
async fn drain(stream: &mut TcpStream) -> io::Result<()> {
    let mut scratch = vec![0; 16 * 1024];
    let mut left = CLOSE_DRAIN_BYTES;
    while left > 0 {
        let read = stream.read(&mut scratch).await?;
        if read == 0 {
            break;
        }
        left = left.saturating_sub(read);
    }
    Ok(())
}

impl Ping {
    fn new(interval: Duration, id: ConnectionId) -> Self {
        // Connections that open together, after a node was lost, are not all pinged together.
        let spread = f64::from((id.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32)
            / f64::from(u32::MAX);
        let first = interval.mul_f64(0.5 + spread / 2.0);
        Self {
            interval,
            timer: Box::pin(tokio::time::sleep(first)),
            is_set: false,
            is_due: false,
            heard: false,
            unanswered: 0,
        }
    }

    /// Whether the timer has gone off. The task that asks must be the same each time: it is remembered once, since asking
    /// tokio costs more than looking.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.is_set && !self.timer.is_elapsed() {
            return Poll::Pending;
        }
        self.is_set = true;
        self.timer.as_mut().poll(context)
    }

    /// The timer went off: false when the client is not there any more, else it may be asked again.
    fn tick(&mut self) -> bool {
        if self.heard {
            self.unanswered = 0;
        }
        self.heard = false;
        let next = Instant::now() + self.interval;
        self.timer.as_mut().reset(next);
        self.is_set = false;
        self.is_due = true;
        let is_there = self.unanswered < 2;
        // Also where no ping can be written: what does not read and says nothing is gone as well.
        self.unanswered += 1;
        is_there
    }
}
