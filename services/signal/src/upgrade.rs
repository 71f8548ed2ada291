use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{ConnectInfo, Request},
    http::{HeaderMap, Response, StatusCode, header},
};
use daemon::{begun::BegunStream, serve::Opening};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use protocol::rtcio;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

use crate::{
    connection::{Connection, Speech},
    frames, handshake,
    http::{App, refuse},
    node::Node,
};

/// Longest time what opens a WebSocket takes to be written; a fresh socket has room for it.
const OPENING_PATIENCE: Duration = Duration::from_secs(5);

/// Whether a request wants a WebSocket.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    headers
        .get(header::UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Answers a WebSocket's handshake that HTTP was spoken for, and serves the socket on a task of its own.
///
/// axum's own extractor keeps the stream to itself; the connection needs it back when it closes, to read on
/// until a client that is still sending has seen the close frame.
pub(crate) fn accept(
    app: &App,
    mut request: Request,
    greeting: bool,
    speech: Speech,
) -> Response<Body> {
    let response = match create_response_with_body(&request, Body::empty) {
        Ok(response) => response,
        Err(error) => {
            let message = format!("not a WebSocket handshake: {error}");
            return refuse(StatusCode::BAD_REQUEST, "bad-handshake", &message);
        }
    };
    let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
        let message = "this connection cannot become a WebSocket";
        return refuse(StatusCode::UPGRADE_REQUIRED, "no-upgrade", message);
    };
    let address = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|info| info.0);
    let (node, ping_interval) = (app.node.clone(), app.ping_interval);
    app.tasks.spawn(async move {
        let Some((stream, early)) = websocket(upgrade).await else {
            return;
        };
        let mut unsent = Vec::new();
        if greeting {
            frames::write_text(rtcio::GREETING, &mut unsent);
        }
        let opened = Opened {
            stream,
            early,
            unsent,
            speech,
        };
        run(node, ping_interval, address, opened).await;
    });
    response
}

/// Handshakes that come first need no HTTP server, and no second task; the answer and the greeting are one write, and
/// wake the client once.
impl Opening for App {
    type Opened = Vec<u8>;

    fn open(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        handshake::answer(bytes)
    }

    fn serve(
        self,
        stream: TcpStream,
        address: SocketAddr,
        answer: Vec<u8>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (node, ping_interval) = (self.node, self.ping_interval);
        let opened = Opened {
            stream,
            early: Vec::new(),
            unsent: answer,
            speech: Speech::RtcIo,
        };
        run(node, ping_interval, Some(address), opened)
    }
}

/// A WebSocket whose handshake is read.
struct Opened {
    stream: TcpStream,
    /// What was read of it already.
    early: Vec<u8>,
    /// What is to be written first.
    unsent: Vec<u8>,
    speech: Speech,
}

async fn run(
    node: Arc<Node>,
    ping_interval: Duration,
    address: Option<SocketAddr>,
    opened: Opened,
) {
    let Opened {
        mut stream,
        early,
        unsent,
        speech,
    } = opened;
    match timeout(OPENING_PATIENCE, stream.write_all(&unsent)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::debug!(%error, "the client left during its handshake");
            return;
        }
        Err(_) => return,
    }
    drop(unsent);
    let connection = Connection::new(node, stream, early, ping_interval, speech);
    tracing::debug!(?address, "connection opened");
    connection.run().await;
}

/// The socket on which HTTP has ended, and what was read of it already.
async fn websocket(upgrade: OnUpgrade) -> Option<(TcpStream, Vec<u8>)> {
    let upgraded = match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => {
            tracing::debug!(%error, "the client left during its handshake");
            return None;
        }
    };
    let Ok(parts) = Upgraded::downcast::<TokioIo<BegunStream>>(upgraded) else {
        tracing::error!("an upgraded connection is not a TCP stream");
        return None;
    };
    let (stream, begun) = parts.io.into_inner().into_parts();
    Some((stream, [&parts.read_buf[..], &begun].concat()))
}
