//! SIGINT and SIGTERM: the first asks for an orderly end, the second ends the process.

use std::{io, process};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancelled at the first SIGINT or SIGTERM. At the second the process exits at once, with the code that
/// shells give to a process ended by that signal.
///
/// # Errors
/// When the signals cannot be caught.
pub fn on_signals() -> io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let signals = [
        (signal(SignalKind::interrupt())?, "SIGINT", 130),
        (signal(SignalKind::terminate())?, "SIGTERM", 143),
    ];
    for (stream, name, code) in signals {
        tokio::spawn(watch(stream, name, code, token.clone()));
    }
    Ok(token)
}

async fn watch(mut stream: Signal, name: &'static str, code: i32, token: CancellationToken) {
    while stream.recv().await.is_some() {
        if token.is_cancelled() {
            tracing::warn!(signal = name, "second signal: exiting at once");
            process::exit(code);
        }
        tracing::info!(
            signal = name,
            "shutting down; a second signal exits at once"
        );
        token.cancel();
    }
}
