use std::sync::Arc;

use anyhow::Context;
use backplane::{Backplane, Events, Memory, NodeId};
use daemon::shutdown;
use signal::{Signal, SignalArgs};

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
        match cli.command {
            Command::Dev(dev) => {
                let signal = bind(&dev.signal)?;
                banner::dev(&signal);
                serve(signal).await
            }
            Command::Signal(args) => serve(bind(&args)?).await,
        }
    })
}

/// A node by itself: its backplane is this process's memory.
fn bind(args: &SignalArgs) -> anyhow::Result<Signal> {
    let (backplane, events) = alone();
    Ok(Signal::bind(args, backplane, events)?)
}

fn alone() -> (Arc<dyn Backplane>, Events) {
    Memory::default().attach(NodeId("local".into()))
}

async fn serve(signal: Signal) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signals().context("signals cannot be caught")?;
    signal.run(shutdown).await;
    Ok(())
}
