use std::{
    future::poll_fn,
    io,
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
        protocol::{CloseFrame, WebSocketConfig},
    },
};

use crate::{
    CloseCode,
    node::Node,
    outbox::{Next, Outbox},
};

/// Longest message a client may send, in bytes.
pub(crate) const MAX_MESSAGE_BYTES: usize = 256 * 1024;

/// Bytes written to the socket in one go, at least while more wait.
const FLUSH_BYTES: usize = 64 * 1024;

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
        .read_buffer_size(4 * 1024)
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
    socket: WebSocketStream<TcpStream>,
    /// Bytes handed to the socket since it was last flushed.
    unflushed: usize,
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
        socket: WebSocketStream<TcpStream>,
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
            ping: Ping::new(ping_interval, id),
        }
    }

    /// Serves the connection to its end.
    pub(crate) async fn run(mut self) {
        let end = poll_fn(|context| self.poll(context)).await;
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

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        if let Poll::Ready(end) = self.poll_read(context) {
            return Poll::Ready(end);
        }
        if let Poll::Ready(end) = self.poll_ping(context) {
            return Poll::Ready(end);
        }
        match self.poll_write(context) {
            Poll::Ready(end) => Poll::Ready(end),
            // Blocked or idle: the node may still end the connection.
            Poll::Pending => self.outbox.poll_end(context).map(End::Closing),
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<End> {
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
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn hear(&self, text: Utf8Bytes) {
        let metrics = &self.node.metrics;
        metrics.received.inc();
        tracing::trace!(connection = self.id.0, %text, "heard");
        let Ok(frame) = ByteString::try_from(Bytes::from(text)) else {
            return;
        };
        match rtcio::decode(&frame) {
            // Escaping may have made it longer.
            Ok(message) if message.size() > MAX_MESSAGE_BYTES => metrics.drop_for("too-long"),
            Ok(message) => self.node.message(self.id, &message),
            Err(refusal) => metrics.drop_for(refusal.label()),
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<End> {
        loop {
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

    fn poll_ping(&mut self, context: &mut Context<'_>) -> Poll<End> {
        while self.ping.timer.as_mut().poll(context).is_ready() {
            if !self.ping.tick() {
                return Poll::Ready(End::Silent);
            }
            // A socket that cannot take a ping now has more to say than one anyway.
            if let Poll::Ready(Ok(())) = Pin::new(&mut self.socket).poll_ready(context) {
                let ping = Message::Ping(Bytes::new());
                if let Err(error) = Pin::new(&mut self.socket).start_send(ping) {
                    return Poll::Ready(end_of(error));
                }
                self.unflushed += 1;
            }
        }
        Poll::Pending
    }

    async fn close(mut self, code: CloseCode) {
        let frame = Message::Close(Some(CloseFrame {
            code: code.code().into(),
            reason: Utf8Bytes::from_static(code.reason()),
        }));
        let closing = async {
            self.socket.send(frame).await?;
            let mut stream = self.socket.into_inner();
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
        Error::ConnectionClosed | Error::AlreadyClosed => End::Closed,
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

    /// The timer went off: false when the client is not there any more.
    fn tick(&mut self) -> bool {
        self.unanswered = if self.heard { 0 } else { self.unanswered + 1 };
        self.heard = false;
        let next = Instant::now() + self.interval;
        self.timer.as_mut().reset(next);
        // The first tick asks, the second has asked twice.
        self.unanswered <= 2
    }
}
