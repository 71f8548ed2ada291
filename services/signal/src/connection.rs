use std::{
    future::poll_fn,
    io, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytestring::ByteString;
use futures_util::{Sink, SinkExt, Stream};
use protocol::rtcio;
use switchboard::ConnectionId;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, Sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Bytes, Error, Message, Utf8Bytes,
        error::ProtocolError,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};

use crate::{
    CloseCode,
    boundary::Boundary,
    node::Node,
    outbox::{Next, Outbox},
};

/// Longest message a client may send, in bytes.
pub(crate) const MAX_MESSAGE_BYTES: usize = 256 * 1024;

/// Bytes written to the socket in one go, at least while more wait.
const FLUSH_BYTES: usize = 64 * 1024;

/// Buffers that have held more are given back when the connection is idle, at the next ping.
const SHRINK_ABOVE_BYTES: u64 = 8 * 1024;

/// Messages read before the task lets others run.
const READ_BUDGET: usize = 64;

/// Longest time the end of a connection takes: writing what is under way and the close frame, and reading
/// on until the client has closed too, so that the close frame is not lost to a reset.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// Most bytes read from a client after the close frame.
const CLOSE_DRAIN_BYTES: usize = 64 * 1024 * 1024;

/// Sizes for many idle connections: tungstenite would set 128 KiB aside for reading on each.
pub(crate) fn websocket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(2 * 1024)
        .write_buffer_size(FLUSH_BYTES)
        .max_write_buffer_size(FLUSH_BYTES + 2 * MAX_MESSAGE_BYTES)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES))
}

/// One WebSocket: a single task that reads, writes and pings.
pub(crate) struct Connection {
    id: ConnectionId,
    node: Arc<Node>,
    outbox: Arc<Outbox>,
    socket: WebSocketStream<Boundary>,
    /// Bytes handed to the socket since it was last flushed, and the most there have been.
    unflushed: usize,
    most_unflushed: usize,
    /// Whether frames that were read still wait to be looked at.
    unread: bool,
    ping: Ping,
}

/// When to ping, and whether the client is still there.
struct Ping {
    interval: Duration,
    timer: Pin<Box<Sleep>>,
    /// Whether anything was heard since the last ping.
    heard: bool,
    unanswered: u32,
}

/// What a connection's task is woken for, besides reading and writing.
enum Wake {
    End(End),
    /// The socket's buffers are empty, and larger than an idle connection's should be.
    Shrink,
}

/// Why a connection ended.
enum End {
    /// The client closed it.
    Closed,
    /// It broke.
    Lost(Error),
    /// The client answered no ping.
    Silent,
    /// The node closes it.
    Closing(CloseCode),
}

impl Connection {
    /// Makes `socket` a connection of the node.
    pub(crate) fn new(
        node: Arc<Node>,
        socket: WebSocketStream<Boundary>,
        greeting: bool,
        ping_interval: Duration,
    ) -> Self {
        let outbox = Arc::new(Outbox::default());
        if greeting {
            outbox.push(Utf8Bytes::from_static(rtcio::GREETING));
        }
        let id = node.connect(outbox.clone());
        node.metrics.opened.inc();
        Self {
            id,
            node,
            outbox,
            socket,
            unflushed: 0,
            most_unflushed: 0,
            unread: false,
            ping: Ping::new(ping_interval, id),
        }
    }

    /// Serves the connection to its end.
    pub(crate) async fn run(mut self) {
        let end = loop {
            match poll_fn(|context| self.poll(context)).await {
                Wake::End(end) => break end,
                Wake::Shrink => {
                    let stream = self.socket.into_inner();
                    let config = Some(websocket_config());
                    self.socket =
                        WebSocketStream::from_raw_socket(stream, Role::Server, config).await;
                }
            }
        };
        // First: whoever is still to be told something by this peer has been told.
        self.node.disconnect(self.id);
        let reason = match &end {
            End::Closed => "client",
            End::Lost(_) => "lost",
            End::Silent => "silent",
            End::Closing(code) => code.label(),
        };
        self.node.metrics.close_for(reason);
        tracing::debug!(connection = self.id.0, reason, "connection ended");
        match end {
            End::Closing(code) => self.close(code).await,
            // The close frame of the answer is on its way.
            End::Closed => {
                let _ = timeout(CLOSE_PATIENCE, self.socket.flush()).await;
            }
            End::Lost(error) => tracing::trace!(%error, "connection lost"),
            End::Silent => {}
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Wake> {
        if let Poll::Ready(end) = self.poll_read(context) {
            return Poll::Ready(Wake::End(end));
        }
        let pinged = match self.poll_ping(context) {
            Poll::Ready(Err(end)) => return Poll::Ready(Wake::End(end)),
            Poll::Ready(Ok(())) => true,
            Poll::Pending => false,
        };
        if let Poll::Ready(end) = self.poll_write(context) {
            return Poll::Ready(Wake::End(end));
        }
        // Blocked or idle: the node may still end the connection.
        if let Poll::Ready(code) = self.outbox.poll_end(context) {
            return Poll::Ready(Wake::End(End::Closing(code)));
        }
        if pinged && self.has_outgrown() {
            return Poll::Ready(Wake::Shrink);
        }
        Poll::Pending
    }

    /// Whether the socket's buffers are empty, and have grown since this was last so.
    fn has_outgrown(&mut self) -> bool {
        let is_idle = self.unflushed == 0 && !self.unread;
        if !is_idle || !self.socket.get_ref().is_between_messages() {
            return false;
        }
        let read = self.socket.get_mut().take_longest();
        let written = mem::take(&mut self.most_unflushed);
        read > SHRINK_ABOVE_BYTES || written as u64 > SHRINK_ABOVE_BYTES
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<End> {
        self.unread = false;
        for _ in 0..READ_BUDGET {
            let message = match ready!(Pin::new(&mut self.socket).poll_next(context)) {
                None => return Poll::Ready(End::Closed),
                Some(Ok(message)) => message,
                Some(Err(error)) => return Poll::Ready(end_of(error)),
            };
            self.ping.heard = true;
            match message {
                Message::Text(text) => self.hear(text),
                Message::Binary(_) => return Poll::Ready(End::Closing(CloseCode::BinaryFrame)),
                // The socket answers pings and close frames by itself, when it is flushed.
                Message::Ping(_) | Message::Close(_) => self.unflushed += 1,
                Message::Pong(_) | Message::Frame(_) => {}
            }
        }
        self.unread = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn hear(&self, text: Utf8Bytes) {
        let metrics = &self.node.metrics;
        metrics.received.inc();
        tracing::trace!(connection = self.id.0, %text, "heard");
        // A copy: the text is a slice of the socket's buffer, and what waits in another client's outbox, or is
        // kept in a roster, would keep all of that alive.
        let frame = ByteString::from(text.as_str());
        match rtcio::decode(&frame) {
            // Escaping may have made it longer.
            Ok(message) if message.size() > MAX_MESSAGE_BYTES => metrics.drop_for("too-long"),
            Ok(message) => self.node.message(self.id, &message),
            Err(refusal) => metrics.drop_for(refusal.label()),
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<End> {
        loop {
            self.most_unflushed = self.most_unflushed.max(self.unflushed);
            if self.unflushed >= FLUSH_BYTES {
                match ready!(Pin::new(&mut self.socket).poll_flush(context)) {
                    Ok(()) => self.unflushed = 0,
                    Err(error) => return Poll::Ready(end_of(error)),
                }
            }
            if let Err(error) = ready!(Pin::new(&mut self.socket).poll_ready(context)) {
                return Poll::Ready(end_of(error));
            }
            match self.outbox.poll_next(context) {
                Poll::Ready(Next::Frame(frame)) => {
                    self.unflushed += frame.len().max(1);
                    let message = Message::Text(frame);
                    if let Err(error) = Pin::new(&mut self.socket).start_send(message) {
                        return Poll::Ready(end_of(error));
                    }
                }
                Poll::Ready(Next::End(code)) => return Poll::Ready(End::Closing(code)),
                Poll::Pending if self.unflushed == 0 => return Poll::Pending,
                Poll::Pending => match ready!(Pin::new(&mut self.socket).poll_flush(context)) {
                    Ok(()) => {
                        self.unflushed = 0;
                        return Poll::Pending;
                    }
                    Err(error) => return Poll::Ready(end_of(error)),
                },
            }
        }
    }

    /// Ready when the timer went off.
    fn poll_ping(&mut self, context: &mut Context<'_>) -> Poll<Result<(), End>> {
        ready!(self.ping.timer.as_mut().poll(context));
        if !self.ping.tick() {
            return Poll::Ready(Err(End::Silent));
        }
        if let Poll::Ready(Ok(())) = Pin::new(&mut self.socket).poll_ready(context) {
            let ping = Message::Ping(Bytes::new());
            if let Err(error) = Pin::new(&mut self.socket).start_send(ping) {
                return Poll::Ready(Err(end_of(error)));
            }
            self.unflushed += 1;
        }
        // Asks to be woken when it goes off again.
        let _ = self.ping.timer.as_mut().poll(context);
        Poll::Ready(Ok(()))
    }

    async fn close(mut self, code: CloseCode) {
        let frame = Message::Close(Some(CloseFrame {
            code: code.code().into(),
            reason: Utf8Bytes::from_static(code.reason()),
        }));
        let closing = async {
            self.socket.send(frame).await?;
            let mut stream = self.socket.into_inner().into_inner();
            stream.shutdown().await?;
            drain(&mut stream).await?;
            Ok::<_, Error>(())
        };
        match timeout(CLOSE_PATIENCE, closing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::trace!(%error, "while closing"),
            Err(_) => tracing::trace!("the client did not close in time"),
        }
    }
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

fn end_of(error: Error) -> End {
    match error {
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::SendAfterClosing) => End::Closed,
        Error::Capacity(_) => End::Closing(CloseCode::TooLong),
        Error::Utf8(_) => End::Closing(CloseCode::NotUtf8),
        Error::WriteBufferFull(_) => End::Closing(CloseCode::Slow),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | Error::Io(_) => {
            End::Lost(error)
        }
        Error::Protocol(_) => End::Closing(CloseCode::ProtocolError),
        Error::Tls(_)
        | Error::AttackAttempt
        | Error::Url(_)
        | Error::Http(_)
        | Error::HttpFormat(_) => End::Lost(error),
    }
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
            heard: false,
            unanswered: 0,
        }
    }

    /// The timer went off: false when the client is not there any more, else it may be asked again.
    fn tick(&mut self) -> bool {
        if self.heard {
            self.unanswered = 0;
        }
        self.heard = false;
        let next = Instant::now() + self.interval;
        self.timer.as_mut().reset(next);
        let is_there = self.unanswered < 2;
        // Also where no ping could be written: what does not read and says nothing is gone as well.
        self.unanswered += 1;
        is_there
    }
}
