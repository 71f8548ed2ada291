//! HTTP/1.1 over an accept loop of our own: a client that is slow to send its headers holds nothing but its
//! own task, and running out of descriptors is survived.

use std::{convert::Infallible, io, net::SocketAddr, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, extract::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use crate::answer::{AnswerStream, KeepAnswer};

/// Longest time a client may take to send a request's headers, the TLS-less handshake included.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time a request that is under way may take once the process stops.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// Most bytes of a request's headers.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// Pause after accepting failed for want of a resource of the process.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The address of this host that a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnAddress(pub SocketAddr);

/// Serves `router` until `shutdown`; requests that run then are finished, no new ones are read. Every
/// connection's task is tracked by `tasks`, so that the caller can wait for their end.
///
/// Handlers find the client's address as [`ConnectInfo<SocketAddr>`], ours as [`OwnAddress`], and a [`KeepAnswer`]. An
/// upgraded connection's stream is a `TokioIo<AnswerStream>`.
pub async fn http(
    listener: TcpListener,
    router: Router,
    tasks: TaskTracker,
    shutdown: CancellationToken,
) {
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => return,
        };
        match accepted {
            Ok((stream, address)) => {
                failing = false;
                let connection = connection(stream, address, router.clone(), shutdown.clone());
                tasks.spawn(connection);
            }
            Err(error) if is_one_connection(&error) => {}
            Err(error) => {
                if !failing {
                    tracing::warn!(%error, "connections cannot be accepted");
                }
                failing = true;
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Errors that concern only the connection that would have been accepted.
fn is_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    router: Router,
    shutdown: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let Ok(own_address) = stream.local_addr() else {
        return;
    };
    let keep = KeepAnswer::default();
    let stream = AnswerStream::new(stream, keep.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let (router, keep) = (router.clone(), keep.clone());
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(address));
            request.extensions_mut().insert(OwnAddress(own_address));
            request.extensions_mut().insert(keep);
            Ok::<_, Infallible>(
                router
                    .oneshot(request)
                    .await
                    .unwrap_or_else(|no| match no {}),
            )
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(serving);
    let served = tokio::select! {
        served = &mut serving => served,
        () = shutdown.cancelled() => {
            serving.as_mut().graceful_shutdown();
            // A request that is only half there is not waited for as long as its client likes.
            match timeout(STOP_GRACE, serving).await {
                Ok(served) => served,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(%address, %error, "HTTP connection ended");
    }
}
