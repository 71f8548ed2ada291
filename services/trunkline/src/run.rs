use anyhow::Context;
use daemon::shutdown;
use signal::Signal;

use crate::{
    banner,
    cli::{Cli, Command},
};

/// Runs the command until it ends or a signal ends it.
pub(crate) fn run(cli: Cli) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no runtime")?;
    runtime.block_on(async {
        let signal = match cli.command {
            Command::Dev(dev) => {
                let signal = Signal::alone(&dev.signal)?;
                banner::dev(&signal);
                signal
            }
            Command::Signal(args) => {
                tracing::warn!(
                    "no authentication: whoever connects may join any room under any id"
                );
                Signal::alone(&args)?
            }
        };
        let shutdown = shutdown::on_signals().context("signals cannot be caught")?;
        Ok(signal.run(shutdown).await?)
    })
}
