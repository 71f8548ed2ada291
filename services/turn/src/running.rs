use std::{io, sync::Arc, thread};

use tokio::{sync::watch, task};
use tokio_util::sync::CancellationToken;

use crate::{SetupError, control::Control, orders::Stop, tls::Certificates};

/// A relay at work.
#[derive(Debug)]
pub struct Running {
    pub(crate) threads: Vec<io::Result<thread::JoinHandle<()>>>,
    pub(crate) stops: Vec<Stop>,
    pub(crate) certificates: Option<Arc<Certificates>>,
    pub(crate) ended: CancellationToken,
    pub(crate) shutdown: CancellationToken,
    pub(crate) control: Arc<Control>,
    pub(crate) secret_ids: watch::Receiver<Vec<String>>,
    pub(crate) following: task::JoinHandle<()>,
}

impl Running {
    /// All threads together.
    pub(crate) fn control(&self) -> Arc<Control> {
        self.control.clone()
    }

    /// Ids of the secrets that are live.
    pub(crate) fn secret_ids(&self) -> watch::Receiver<Vec<String>> {
        self.secret_ids.clone()
    }

    /// Waits for the end of every thread; `shutdown` brings it about. A thread that ends by itself leaves clients
    /// without an answer, since the kernel goes on giving it theirs: that ends the process.
    ///
    /// # Errors
    /// [`SetupError::ThreadEnded`] then.
    pub async fn wait(self) -> Result<(), SetupError> {
        if let Some(certificates) = self.certificates {
            let watching = certificates.watch(self.shutdown.clone());
            task::spawn(async {
                if let Err(error) = watching.await {
                    tracing::error!(%error, "the certificate for TLS will not be renewed");
                }
            });
        }
        let result = tokio::select! {
            () = self.shutdown.cancelled() => Ok(()),
            () = self.ended.cancelled() => Err(SetupError::ThreadEnded),
        };
        self.shutdown.cancel();
        self.following.abort();
        for stop in &self.stops {
            stop.stop();
        }
        let threads = self.threads;
        let joined = task::spawn_blocking(|| {
            for thread in threads.into_iter().flatten() {
                // A panic has been printed where it happened.
                let _ = thread.join();
            }
        });
        if let Err(error) = joined.await {
            tracing::error!(%error, "the relay's threads");
        }
        result
    }
}
