//! The relay as a process by itself: its place in the fleet, its admin listener, its end.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use backplane::fleet::Kicks;
use daemon::{
    access::Access,
    admin::{self, Readiness},
    listen,
    metrics::Metrics,
    serve,
};
use prometheus_client::registry::Registry;
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Infrastructure, OperationArgs, SetupError, Turn, TurnArgs,
    admin::{Admin, routes},
    alternates,
    control::Control,
    drain::Drain,
    registration::{self, Registration},
};

/// Longest time that answers of the admin listener, and a farewell to the fleet, are waited for at the end.
const FAREWELL: Duration = Duration::from_secs(3);

/// A relay by itself: its metrics, health and /admin are served on the admin listener. When `shutdown` is cancelled it
/// drains for `--drain-window` at most.
///
/// # Errors
/// When a socket cannot be bound, or a file cannot be used; the error names the option.
pub async fn run_alone(
    args: &TurnArgs,
    operation: &OperationArgs,
    admin_listen: &[SocketAddr],
    shutdown: CancellationToken,
) -> Result<(), SetupError> {
    let listeners = listen::tcp("admin-listen", admin_listen)?;
    let access = Access::open(admin_listen, operation.admin_token_file.as_deref())?;
    let alternates = alternates::look_up(&operation.turn_alternate_server).await?;
    let bound = listeners
        .iter()
        .filter_map(|listener| listener.local_addr().ok());
    let infrastructure = Infrastructure::of_listeners(bound);
    let infrastructure = infrastructure
        .with_redis(operation.redis.as_deref())
        .await?;
    let turn = Turn::bind_as(args, Vec::new(), &infrastructure, operation.nonce_key()?)?;
    for listener in &listeners {
        if let Ok(address) = listener.local_addr() {
            tracing::info!(name = "admin", %address, "listening");
        }
    }
    let urls = registration::urls(turn.addresses(), turn.tls_addresses(), args, operation);
    let (fleet, kicks) = operation.attach()?;
    let mut registry = Registry::default();
    let stopped = CancellationToken::new();
    let running = turn.start(&mut registry, stopped.clone());
    let control = running.control();
    let registration = Arc::new(Registration {
        fleet,
        control: control.clone(),
        id: format!("{:016x}", getrandom::u64()?),
        region: operation.region.clone(),
        urls,
        secrets: running.secret_ids(),
    });
    let drain = Arc::new(Drain::new(alternates));
    let tasks = TaskTracker::new();
    let served = CancellationToken::new();
    let router = admin::router(
        Metrics::new(registry, env!("CARGO_PKG_VERSION")),
        readiness(control.clone()),
    );
    let router = router.merge(access.protect(routes(Admin {
        control: control.clone(),
        registration: registration.clone(),
        drain: drain.clone(),
        in_cluster: operation.redis.is_some(),
    })));
    for listener in listeners {
        let serving = serve::http(listener, router.clone(), (), tasks.clone(), served.clone());
        tasks.spawn(serving);
    }
    let begun = async |ending| begin(&registration, drain.order(ending)).await;
    let drained = drain.wait(&control, &shutdown, operation.drain_window, begun);
    let mut hearing = tokio::spawn(hear(kicks, control.clone()));
    let mut relaying = Box::pin(running.wait());
    let ended = tokio::select! {
        ended = &mut relaying => Some(ended),
        () = drained => None,
        () = registration.keep() => None,
    };
    stopped.cancel();
    let ended = match ended {
        Some(ended) => ended,
        None => relaying.await,
    };
    served.cancel();
    tasks.close();
    let _ = timeout(FAREWELL, tasks.wait()).await;
    // Admin's tasks are over, so this is the last that holds it: the fleet is told, and then nobody is kicked any more.
    drop((router, registration));
    let _ = timeout(FAREWELL, &mut hearing).await;
    ended
}

fn readiness(control: Arc<Control>) -> Readiness {
    Readiness::new(move || match control.is_draining() {
        true => Err("draining"),
        false => Ok(()),
    })
}

/// The process was told to end: no more allocations, and the fleet knows it at once.
async fn begin(registration: &Registration, order: Option<relay::Drain>) {
    if let Err(error) = registration.control.drain(order).await {
        tracing::warn!(%error, "not all threads know that the relay drains");
    }
    registration.say();
}

/// Puts out whomever the fleet says.
async fn hear(mut kicks: Kicks, control: Arc<Control>) {
    while let Some(kicks) = kicks.next().await {
        match control.kick(&kicks).await {
            Ok(ended) => tracing::info!(users = kicks.len(), ended, "users were put out"),
            Err(error) => tracing::warn!(%error, "users could not be put out everywhere"),
        }
    }
}
