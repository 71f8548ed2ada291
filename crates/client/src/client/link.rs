//! One WebSocket, from the try to make it to its loss.

use std::{fmt, future::pending, pin::Pin, time::Duration};

use bytestring::ByteString;
use futures_util::{SinkExt, StreamExt};
use http::Uri;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{
        self, Message, Utf8Bytes,
        protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
    },
};

/// How long a node may take to read what is written to it.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);

/// How long a farewell may take.
const FAREWELL_PATIENCE: Duration = Duration::from_secs(1);

/// Longest message of a node's: a whole room is in one.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Another connection has come with the same token.
const SUPERSEDED: u16 = 3502;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Opening = Pin<Box<dyn Future<Output = Result<Socket, tungstenite::Error>> + Send>>;

/// A socket, or what is to become one.
pub(super) enum Link {
    None,
    Opening(Opening),
    Open(Box<Socket>),
}

/// What has come of it.
pub(super) enum Happened {
    Opened(Box<Socket>),
    Heard(Utf8Bytes),
    /// A sign of life without words.
    Lives,
    Lost(Loss),
}

/// Why it is no more.
#[derive(Debug)]
pub(super) struct Loss {
    /// The node's close code, if it has given one.
    pub(super) code: Option<u16>,
    pub(super) reason: ByteString,
}

impl Loss {
    pub(super) fn because(reason: impl fmt::Display) -> Self {
        Self {
            code: None,
            reason: reason.to_string().into(),
        }
    }

    /// Whether the node has said not to come back.
    pub(super) fn is_final(&self) -> bool {
        self.code.is_some_and(|code| (3500..4000).contains(&code))
    }

    /// Whether another socket speaks for the peer now.
    pub(super) fn is_superseded(&self) -> bool {
        self.code == Some(SUPERSEDED)
    }
}

impl Link {
    pub(super) fn open(uri: &Uri) -> Self {
        let uri = uri.clone();
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        Self::Opening(Box::pin(async move {
            let (socket, _) = connect_async_with_config(uri, Some(config), true).await?;
            Ok(socket)
        }))
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// What happens next, which is nothing where there is no socket.
    pub(super) async fn next(&mut self) -> Happened {
        let socket = match self {
            Self::None => return pending().await,
            Self::Opening(opening) => {
                return match opening.await {
                    Ok(socket) => Happened::Opened(Box::new(socket)),
                    Err(error) => Happened::Lost(Loss::because(error)),
                };
            }
            Self::Open(socket) => socket,
        };
        match socket.next().await {
            Some(Ok(Message::Text(text))) => Happened::Heard(text),
            Some(Ok(Message::Close(frame))) => Happened::Lost(match frame {
                Some(frame) => Loss {
                    code: Some(frame.code.into()),
                    reason: frame.reason.as_str().into(),
                },
                None => Loss::because("the node has closed the connection"),
            }),
            Some(Ok(
                Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_),
            )) => Happened::Lives,
            Some(Err(error)) => Happened::Lost(Loss::because(error)),
            None => Happened::Lost(Loss::because("the connection is lost")),
        }
    }

    /// Writes frames, in order.
    ///
    /// # Errors
    /// When the socket is lost, or the node does not read.
    pub(super) async fn write(&mut self, frames: Vec<ByteString>) -> Result<(), Loss> {
        let Self::Open(socket) = self else {
            return Ok(());
        };
        let written = timeout(WRITE_PATIENCE, async {
            for frame in frames {
                socket.feed(Message::text(&*frame)).await?;
            }
            socket.flush().await
        });
        match written.await {
            Ok(written) => written.map_err(Loss::because),
            Err(_) => Err(Loss::because("the node does not read")),
        }
    }

    /// Ends it in order, as far as that is possible within a second.
    pub(super) async fn close(&mut self) {
        if let Self::Open(socket) = self {
            let frame = CloseFrame {
                code: CloseCode::Normal,
                reason: Utf8Bytes::default(),
            };
            let farewell = async {
                (**socket).close(Some(frame)).await?;
                while socket.next().await.is_some_and(|heard| heard.is_ok()) {}
                Ok::<_, tungstenite::Error>(())
            };
            // It is given up either way.
            let _ = timeout(FAREWELL_PATIENCE, farewell).await;
        }
        *self = Self::None;
    }
}
