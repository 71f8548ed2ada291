//! The commands and their options. What they are said to be here is the one source: `--help`, the file, what
//! `trunkline config` prints and the reference page are all made from it.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Arg, ArgAction, Args, CommandFactory, Parser, Subcommand};
use daemon::logs::LogArgs;
use signal::{IceArgs, MintArgs, SignalArgs};
use turn_server::{OperationArgs, TurnArgs};

use crate::secret_files;

/// Where `dev` serves: this machine alone.
const DEV_LISTEN: &str = "127.0.0.1:8080,[::1]:8080";

/// Where `dev` relays: this machine alone.
const DEV_TURN_LISTEN: &str = "127.0.0.1:3478,[::1]:3478";

/// In `dev` a user is an address, and every tab of a machine is one user.
const DEV_TURN_USER_QUOTA: &str = "256";

/// WebRTC signalling with STUN and TURN built in: peers announce themselves in rooms, find each other and connect,
/// through the relay where no direct path exists.
///
/// Without a command, `dev` runs: everything in one process, for this machine alone. Its options are those of
/// `trunkline dev --help`; each command has its own.
///
/// A flag comes before its TRUNKLINE_* variable, that before the file of --config, and that before the default.
/// `trunkline config` prints what has come of it, `trunkline config --example` every option, to begin a file with.
#[derive(Debug, Parser)]
#[command(
    name = "trunkline",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// A TOML file of options, by the names of their flags: suspend-window = "8s". A table [dev], [signal] or [turn] is for
    /// that command alone, what stands above for each that has such an option
    #[arg(
        long,
        global = true,
        env = "TRUNKLINE_CONFIG",
        value_name = "FILE",
        help_heading = "Configuration"
    )]
    pub(crate) config: Option<PathBuf>,

    #[command(flatten, next_help_heading = "Logs")]
    pub(crate) logs: LogArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    Run(Run),
    Config(ConfigArgs),
}

/// What a process does.
#[derive(Debug, Subcommand)]
pub(crate) enum Run {
    /// Run everything in one process on this machine: signalling, a relay, and a demo page at http://localhost:8080
    Dev(DevArgs),
    /// Run a signalling node that others can reach
    Signal(SignalCommandArgs),
    /// Run a STUN and TURN server
    Turn(TurnCommandArgs),
}

/// Print the options that a command would run with, as a file: what each is for, its value, and where that comes from
///
/// Without a command it is `dev`. Secrets are not shown. With --config it says what is wrong with a file, and exits with 64
/// then, with 0 if it is good.
#[derive(Args, Debug)]
pub(crate) struct ConfigArgs {
    /// Print every option at its default, commented out, to begin a file with; without a command, those of all
    #[arg(long, global = true)]
    pub(crate) example: bool,

    /// Print the page about all options that is served at /docs/configuration, in Markdown
    #[arg(long, conflicts_with = "example")]
    pub(crate) reference: bool,

    #[command(subcommand)]
    pub(crate) of: Option<Run>,
}

#[derive(Args, Debug)]
pub(crate) struct SignalCommandArgs {
    #[command(flatten)]
    pub(crate) signal: SignalArgs,

    #[command(flatten)]
    pub(crate) ice: IceArgs,

    #[command(flatten)]
    pub(crate) mint: MintArgs,
}

#[derive(Args, Debug)]
pub(crate) struct TurnCommandArgs {
    /// Where /metrics, /healthz, /readyz and /admin are served, for operators alone
    #[arg(
        long,
        env = "TRUNKLINE_ADMIN_LISTEN",
        value_name = "ADDRESS",
        value_delimiter = ',',
        value_parser = daemon::listen::address,
        default_value = "127.0.0.1:8082"
    )]
    pub(crate) admin_listen: Vec<SocketAddr>,

    #[command(flatten)]
    pub(crate) turn: TurnArgs,

    #[command(flatten)]
    pub(crate) operation: OperationArgs,
}

#[derive(Args, Debug)]
pub(crate) struct DevArgs {
    /// Let the whole network connect, without authentication: listen on every address, unless --listen says where
    #[arg(long, env = "TRUNKLINE_OPEN")]
    pub(crate) open: bool,

    #[command(flatten)]
    pub(crate) signal: SignalArgs,

    #[command(flatten)]
    pub(crate) ice: IceArgs,

    #[command(flatten)]
    pub(crate) turn: TurnArgs,
}

/// The command line, complete.
pub(crate) fn definition() -> clap::Command {
    Cli::command().mut_subcommands(|command| match command.get_name() {
        "config" => command.mut_subcommands(completed),
        _ => completed(command),
    })
}

/// What the definitions that commands share cannot say: defaults of `dev`, files of secrets, and that a flag that is true
/// in a file can be given as false.
fn completed(command: clap::Command) -> clap::Command {
    let is_dev = command.get_name() == "dev";
    let command = command.mut_args(|arg| match arg.get_id().as_str() {
        "listen" if is_dev => arg.default_value(DEV_LISTEN),
        "turn_listen" if is_dev => arg.default_value(DEV_TURN_LISTEN),
        "turn_user_quota" if is_dev => arg.default_value(DEV_TURN_USER_QUOTA),
        _ if matches!(arg.get_action(), ArgAction::SetTrue) => switch(arg),
        _ => arg,
    });
    secret_files::define(command.next_help_heading(None))
}

fn switch(arg: Arg) -> Arg {
    arg.action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .value_name("BOOLEAN")
        .value_parser(truth)
        .default_missing_value("true")
        .default_value("false")
        .hide_default_value(true)
}

/// An empty variable, as compose files make of one that is not set, is false.
fn truth(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "" | "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}
