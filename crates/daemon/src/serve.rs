//! HTTP/1.1 over an accept loop of our own: a client that is slow to send its headers holds nothing but its
//! own task, and running out of descriptors is survived.

use std::{
    convert::Infallible,
    future::{pending, poll_fn},
    io,
    mem::MaybeUninit,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::ready,
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo, extract::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use crate::begun::BegunStream;

/// Longest time a client may take to send a request's headers, the TLS-less handshake included.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time a request that is under way may take once the process stops.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// Most bytes of a request's headers.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// Most bytes that [`Opening::open`] is shown: nearly every handshake of a browser, its cookies included.
const OPENING_BYTES: usize = 4 * 1024;

/// Pause after accepting failed for want of a resource of the process.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The address of this host that a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnAddress(pub SocketAddr);

/// Requests that are answered without an HTTP server, when they are the first on their connection.
pub trait Opening: Clone + Send + Sync + 'static {
    /// What was understood.
    type Opened: Send + 'static;

    /// Looks at what a client sent first. `None` leaves it, and all that follows, to HTTP: so does a request that is
    /// not whole, is followed by something, or is unusual in any way.
    fn open(&self, bytes: &[u8]) -> Option<Self::Opened>;

    /// Answers, and serves the connection to its end.
    fn serve(
        self,
        stream: TcpStream,
        address: SocketAddr,
        opened: Self::Opened,
    ) -> impl Future<Output = ()> + Send + 'static;
}

/// All requests are left to HTTP.
impl Opening for () {
    type Opened = Infallible;

    fn open(&self, _: &[u8]) -> Option<Infallible> {
        None
    }

    async fn serve(self, _: TcpStream, _: SocketAddr, opened: Infallible) {
        match opened {}
    }
}

/// Serves `router` until `shutdown`, and what is for `opening`; requests that run then are finished, no new ones are
/// read. Every connection's task is tracked by `tasks`, so that the caller can wait for their end.
///
/// Handlers find the client's address as [`ConnectInfo<SocketAddr>`], ours as [`OwnAddress`]. An upgraded connection's
/// stream is a `TokioIo<BegunStream>`.
pub async fn http(
    listener: TcpListener,
    router: Router,
    opening: impl Opening,
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
                let (router, shutdown) = (router.clone(), shutdown.clone());
                tasks.spawn(connection(
                    stream,
                    address,
                    opening.clone(),
                    router,
                    shutdown,
                ));
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

async fn connection<O: Opening>(
    mut stream: TcpStream,
    address: SocketAddr,
    opening: O,
    router: Router,
    shutdown: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let deadline = Instant::now() + HEADER_TIMEOUT;
    let beginning = tokio::select! {
        biased;
        beginning = beginning(&mut stream, &opening) => beginning,
        () = shutdown.cancelled() => return,
        () = sleep_until(deadline) => return,
    };
    match beginning {
        Ok(Beginning::Opened(opened)) => {
            drop((router, shutdown));
            opening.serve(stream, address, opened).await;
        }
        Ok(Beginning::Http(begun)) => {
            drop(opening);
            let stream = BegunStream::new(stream, begun);
            // Apart: it is large, and connections that are upgraded would keep the room for it.
            Box::pin(serve(stream, address, router, shutdown, deadline)).await;
        }
        Err(error) => tracing::debug!(%address, %error, "the client left before its request"),
    }
}

/// What a client begins with.
enum Beginning<T> {
    Opened(T),
    /// Anything else; empty at the stream's end.
    Http(Vec<u8>),
}

async fn beginning<O: Opening>(
    stream: &mut TcpStream,
    opening: &O,
) -> io::Result<Beginning<O::Opened>> {
    poll_fn(|context| {
        let mut space = [const { MaybeUninit::uninit() }; OPENING_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
        let bytes = buffer.filled();
        let beginning = match opening.open(bytes) {
            Some(opened) => Beginning::Opened(opened),
            None => Beginning::Http(bytes.to_vec()),
        };
        Ok(beginning).into()
    })
    .await
}

/// Ends when the connection's first request has not come by `deadline`.
async fn too_slow(deadline: Instant, is_asked: &AtomicBool) {
    sleep_until(deadline).await;
    if is_asked.load(Ordering::Relaxed) {
        pending().await
    }
}

async fn serve(
    stream: BegunStream,
    address: SocketAddr,
    router: Router,
    shutdown: CancellationToken,
    deadline: Instant,
) {
    let Ok(own_address) = stream.local_addr() else {
        return;
    };
    let is_asked = Arc::new(AtomicBool::new(false));
    let asked = is_asked.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        let router = router.clone();
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(address));
            request.extensions_mut().insert(OwnAddress(own_address));
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
        () = too_slow(deadline, &is_asked) => return,
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
