use anyhow::Context;
use daemon::shutdown;
use signal::{OwnRelay, Signal};
use tokio_util::sync::CancellationToken;
use turn_server::Turn;

use crate::{
    banner,
    cli::{Cli, Command, DevArgs},
};

/// Runs the command until it ends or a signal ends it.
pub(crate) fn run(cli: Cli) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no runtime")?;
    runtime.block_on(async {
        let shutdown = shutdown::on_signals().context("signals cannot be caught")?;
        match cli.command {
            Command::Dev(dev) => run_dev(dev, shutdown).await,
            Command::Signal(args) => {
                let signal = Signal::open(&args)?;
                tracing::warn!(
                    "no authentication: whoever connects may join any room under any id"
                );
                Ok(signal.run(shutdown).await?)
            }
            Command::Turn(args) => {
                Ok(turn_server::run_alone(&args.turn, &args.admin_listen, shutdown).await?)
            }
        }
    })
}

/// Signalling and a relay in one process; the relay reaches this machine's own addresses and no other special ones.
async fn run_dev(mut dev: DevArgs, shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut signal = Signal::open(&dev.signal)?;
    if dev.turn.turn_secret.is_empty() {
        let secret = getrandom::u64().and_then(|first| Ok((first, getrandom::u64()?)));
        let (first, second) = secret.context("no random numbers")?;
        dev.turn
            .turn_secret
            .push(format!("{first:016x}{second:016x}"));
    }
    let turn = Turn::bind(&dev.turn, turn_server::own_hosts(&dev.turn))?;
    if let (Some(secret), Some(address)) = (dev.turn.turn_secret.first(), turn.addresses().first())
    {
        signal.name_relay(OwnRelay::new(secret, address.port()));
    }
    banner::dev(&signal, turn.addresses());
    let relay = turn.start(signal.registry_mut(), shutdown.clone());
    let (signalling, relaying) = tokio::join!(signal.run(shutdown), relay.wait());
    signalling?;
    Ok(relaying?)
}
