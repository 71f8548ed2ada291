use std::net::SocketAddr;

use axum::{
    body::Body,
    extract::{ConnectInfo, Request},
    http::{HeaderMap, Response, StatusCode, header},
};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

use crate::{
    connection::Connection,
    http::{App, refuse},
};

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
    let (node, ping_interval) = (app.node.clone(), app.ping_interval);
    app.tasks.spawn(async move {
        let Some((stream, early)) = websocket(upgrade).await else {
            return;
        };
        let connection = Connection::new(node, stream, early, greeting, ping_interval);
        tracing::debug!(?address, "connection opened");
        connection.run().await;
    });
    response
}

/// The socket, and what was read of it already.
async fn websocket(upgrade: OnUpgrade) -> Option<(TcpStream, Vec<u8>)> {
    let upgraded = match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => {
            tracing::debug!(%error, "the client left during its handshake");
            return None;
        }
    };
    let Ok(parts) = Upgraded::downcast::<TokioIo<TcpStream>>(upgraded) else {
        tracing::error!("an upgraded connection is not a TCP stream");
        return None;
    };
    Some((parts.io.into_inner(), parts.read_buf.to_vec()))
}
