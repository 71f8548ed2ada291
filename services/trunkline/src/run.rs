use anyhow::Context;
use daemon::shutdown;
use signal::{IceServers, MintSecrets, OwnRelay, Signal};
use tokio_util::sync::CancellationToken;
use turn_server::{Infrastructure, Turn};

use crate::{
    banner,
    cli::{DevArgs, Run},
};

/// Runs the command until it ends or a signal ends it.
pub(crate) fn run(command: Run) -> anyhow::Result<()> {
    // One thread: what a second one costs each message is more than the work it would take over. The relay has its own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime")?;
    runtime.block_on(async {
        let shutdown = shutdown::on_signals().context("signals cannot be caught")?;
        match command {
            Run::Dev(dev) => run_dev(dev, shutdown).await,
            Run::Signal(args) => {
                let servers = IceServers::of_node(&args.ice, &args.mint, &args.signal.redis)?;
                let mut signal = Signal::open(&args.signal)?;
                tracing::warn!(
                    "no authentication: whoever connects may join any room, under any id that no native client has"
                );
                if servers.hands_out_relays() {
                    tracing::warn!("relays for everybody: whoever asks for /v1/ice may relay");
                }
                signal.name_servers(servers);
                Ok(signal.run(shutdown).await?)
            }
            Run::Turn(args) => {
                let (turn, operation) = (&args.turn, &args.operation);
                Ok(turn_server::run_alone(turn, operation, &args.admin_listen, shutdown).await?)
            }
        }
    })
}

/// Signalling and a relay in one process; the relay reaches this machine's own addresses and no other special ones.
async fn run_dev(mut dev: DevArgs, shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut signal = Signal::open(&dev.signal)?;
    if dev.turn.turn_secret.is_empty() && dev.turn.turn_secret_file.is_none() {
        let secret = getrandom::u64().and_then(|first| Ok((first, getrandom::u64()?)));
        let (first, second) = secret.context("no random numbers")?;
        dev.turn
            .turn_secret
            .push(format!("{first:016x}{second:016x}"));
    }
    let infrastructure = Infrastructure::of_listeners(
        signal
            .public_addresses()
            .into_iter()
            .chain(signal.admin_addresses()),
    )
    .with_redis(dev.signal.redis.redis.as_deref())
    .await?;
    let own_hosts = turn_server::own_hosts(&dev.turn);
    let turn = Turn::bind(&dev.turn, own_hosts, &infrastructure)?;
    let secrets = MintSecrets::open(&dev.turn.turn_secret, dev.turn.turn_secret_file.as_deref())?;
    let relay = OwnRelay::new(secrets, turn.addresses().to_vec()).with_tls(
        turn.tls_addresses().to_vec(),
        dev.turn.streams.turn_public_name.clone(),
    );
    signal.name_servers(IceServers::beside(relay, &dev.ice));
    banner::dev(&signal, turn.addresses(), turn.tls_addresses());
    // Calls go on over the relay while signalling says goodbye.
    let relay_shutdown = CancellationToken::new();
    let relay = turn.start(signal.registry_mut(), relay_shutdown.clone());
    let signalling = async {
        let ended = signal.run(shutdown.clone()).await;
        relay_shutdown.cancel();
        ended
    };
    let relaying = async {
        let ended = relay.wait().await;
        shutdown.cancel();
        ended
    };
    let (signalling, relaying) = tokio::join!(signalling, relaying);
    signalling?;
    Ok(relaying?)
}
