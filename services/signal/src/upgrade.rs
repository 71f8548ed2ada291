use std::{net::SocketAddr, time::Duration};

use axum::{
    body::Body,
    extract::{ConnectInfo, Request},
    http::{HeaderMap, Response, StatusCode, header},
};
use daemon::answer::{AnswerStream, KeepAnswer};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use protocol::rtcio;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

use crate::{
    connection::Connection,
    frames,
    http::{App, refuse},
};

/// Longest time the answer to a handshake takes to be written; a fresh socket has room for it.
const OPENING_PATIENCE: Duration = Duration::from_secs(5);

/// Whether a request wants a WebSocket.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    headers
        .get(header::UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Answers a WebSocket's handshake, and serves the socket on a task of its own.
///
/// axum's own extractor keeps the stream to itself; the connection needs it back when it closes, to read on
/// until a client that is still sending has seen the close frame.
pub(crate) fn accept(app: &App, mut request: Request, greeting: bool) -> Response<Body> {
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
    // One write, and one wake of the client, for the answer and the greeting.
    if let Some(keep) = request.extensions().get::<KeepAnswer>() {
        keep.keep();
    }
    let (node, ping_interval) = (app.node.clone(), app.ping_interval);
    app.tasks.spawn(async move {
        let Some(Opened {
            mut stream,
            early,
            mut unsent,
        }) = websocket(upgrade).await
        else {
            return;
        };
        if greeting {
            frames::write_text(rtcio::GREETING, &mut unsent);
        }
        match timeout(OPENING_PATIENCE, stream.write_all(&unsent)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, "the client left during its handshake");
                return;
            }
            Err(_) => return,
        }
        let connection = Connection::new(node, stream, early, ping_interval);
        tracing::debug!(?address, "connection opened");
        connection.run().await;
    });
    response
}

/// A socket on which HTTP has ended.
struct Opened {
    stream: TcpStream,
    /// What was read of it already.
    early: Vec<u8>,
    /// What is still to be written to it.
    unsent: Vec<u8>,
}

async fn websocket(upgrade: OnUpgrade) -> Option<Opened> {
    let upgraded = match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => {
            tracing::debug!(%error, "the client left during its handshake");
            return None;
        }
    };
    let Ok(parts) = Upgraded::downcast::<TokioIo<AnswerStream>>(upgraded) else {
        tracing::error!("an upgraded connection is not a TCP stream");
        return None;
    };
    let (stream, unsent) = parts.io.into_inner().into_parts();
    Some(Opened {
        stream,
        early: parts.read_buf.to_vec(),
        unsent,
    })
}
