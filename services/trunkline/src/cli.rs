use std::{
    ffi::OsString,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use clap::{
    ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand,
    builder::FalseyValueParser, parser::ValueSource,
};
use daemon::logs::LogArgs;
use signal::{IceArgs, MintArgs, SignalArgs};
use turn_server::{OperationArgs, TurnArgs};

/// Where `dev` serves: this machine alone.
const DEV_LISTEN: &str = "127.0.0.1:8080,[::1]:8080";

/// Where `dev` relays: this machine alone.
const DEV_TURN_LISTEN: &str = "127.0.0.1:3478,[::1]:3478";

/// In `dev` a user is an address, and every tab of a machine is one user.
const DEV_TURN_USER_QUOTA: &str = "256";

/// Where `dev --open` serves and relays, on every address.
const PORT: u16 = 8080;
const TURN_PORT: u16 = 3478;

/// WebRTC signalling with STUN and TURN built in: peers announce themselves in rooms, find each other and connect,
/// through the relay where no direct path exists.
///
/// Without a command, `dev` runs: everything in one process, for this machine alone. Its options are those of
/// `trunkline dev --help`; each command has its own.
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

    #[command(flatten, next_help_heading = "Logs")]
    pub(crate) logs: LogArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything in one process on this machine: signalling, a relay, and a demo page at http://localhost:8080
    Dev(DevArgs),
    /// Run a signalling node that others can reach
    Signal(SignalCommandArgs),
    /// Run a STUN and TURN server
    Turn(TurnCommandArgs),
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
    #[command(flatten)]
    pub(crate) turn: TurnArgs,

    #[command(flatten)]
    pub(crate) operation: OperationArgs,

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
}

#[derive(Args, Debug)]
pub(crate) struct DevArgs {
    /// Let the whole network connect, without authentication: listen on every address, unless --listen says where
    #[arg(long, env = "TRUNKLINE_OPEN", value_parser = FalseyValueParser::new())]
    pub(crate) open: bool,

    #[command(flatten)]
    pub(crate) signal: SignalArgs,

    #[command(flatten)]
    pub(crate) ice: IceArgs,

    #[command(flatten)]
    pub(crate) turn: TurnArgs,
}

/// Reads the command line; `dev` is put in where no command stands.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    let command = Cli::command().mut_subcommand("dev", |dev| {
        dev.mut_arg("listen", |listen| listen.default_value(DEV_LISTEN))
            .mut_arg("turn_listen", |listen| {
                listen.default_value(DEV_TURN_LISTEN)
            })
            .mut_arg("turn_user_quota", |quota| {
                quota.default_value(DEV_TURN_USER_QUOTA)
            })
    });
    if !names_a_command(&command, &arguments) {
        arguments.insert(arguments.len().min(1), "dev".into());
    }
    let matches = command.clone().try_get_matches_from(arguments)?;
    let mut cli = Cli::from_arg_matches(&matches).map_err(|error| error.with_cmd(&command))?;
    if let Some((_, matches)) = matches.subcommand() {
        cli.command.listen_where_possible(matches);
    }
    Ok(cli)
}

/// Whether a command stands somewhere, or a question about the program as a whole comes first.
fn names_a_command(command: &clap::Command, arguments: &[OsString]) -> bool {
    let words = || arguments.iter().skip(1).filter_map(|word| word.to_str());
    let Some(first) = words().next() else {
        return false;
    };
    matches!(first, "help" | "-h" | "--help" | "-V" | "--version")
        // A word that is no option is a command that does not exist: clap says so.
        || !first.starts_with('-')
        || words().any(|word| command.find_subcommand(word).is_some())
}

impl Command {
    /// A default names both families; a host without IPv6 still works.
    fn listen_where_possible(&mut self, matches: &ArgMatches) {
        let is_default =
            |option: &str| matches.value_source(option) == Some(ValueSource::DefaultValue);
        match self {
            Self::Dev(dev) => {
                let open = dev.open;
                if is_default("listen") {
                    settle(&mut dev.signal.listen, open.then_some(PORT));
                }
                if is_default("turn_listen") {
                    settle(&mut dev.turn.turn_listen, open.then_some(TURN_PORT));
                }
            }
            Self::Signal(args) if is_default("listen") => settle(&mut args.signal.listen, None),
            Self::Turn(args) if is_default("turn_listen") => {
                settle(&mut args.turn.turn_listen, None);
            }
            Self::Signal(_) | Self::Turn(_) => {}
        }
    }
}

/// Replaces default addresses by those that are open to the network, if asked to, and leaves out IPv6 where this
/// host has none.
fn settle(addresses: &mut Vec<SocketAddr>, open: Option<u16>) {
    if let Some(port) = open {
        *addresses = vec![
            (Ipv4Addr::UNSPECIFIED, port).into(),
            (Ipv6Addr::UNSPECIFIED, port).into(),
        ];
    }
    if !daemon::listen::has_ipv6_loopback() {
        addresses.retain(SocketAddr::is_ipv4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Cli, clap::Error> {
        parse(line.split(' ').map(OsString::from))
    }

    fn listens(line: &str) -> Vec<String> {
        let signal = match read(line).unwrap().command {
            Command::Dev(dev) => dev.signal,
            Command::Signal(args) => args.signal,
            Command::Turn(_) => panic!("no signalling node: {line}"),
        };
        signal.listen.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn without_a_command_dev_runs_for_this_machine_alone() {
        for line in ["trunkline", "trunkline dev", "trunkline --ping-interval 5s"] {
            assert!(matches!(read(line).unwrap().command, Command::Dev(_)));
            assert_eq!(listens(line)[0], "127.0.0.1:8080");
            assert!(
                !listens(line)
                    .iter()
                    .any(|address| address.starts_with("0."))
            );
        }
    }

    #[test]
    fn a_node_and_an_open_dev_listen_on_every_address() {
        for line in [
            "trunkline signal",
            "trunkline dev --open",
            "trunkline --open",
        ] {
            assert_eq!(listens(line)[0], "0.0.0.0:8080");
        }
    }

    #[test]
    fn what_is_named_is_taken_as_it_is() {
        assert_eq!(listens("trunkline --listen [::1]:9"), ["[::1]:9"]);
    }

    #[test]
    fn a_command_may_follow_options_of_the_whole_program() {
        let cli = read("trunkline --log debug signal").unwrap();
        assert!(matches!(cli.command, Command::Signal(_)));
        assert_eq!(cli.logs.log, "debug");
        assert_eq!(
            read("trunkline signal --log debug").unwrap().logs.log,
            "debug"
        );
    }

    #[test]
    fn an_address_that_is_named_is_not_opened() {
        assert_eq!(
            listens("trunkline --open --listen 127.0.0.1:9"),
            ["127.0.0.1:9"]
        );
    }

    #[test]
    fn an_unknown_command_or_option_is_an_error() {
        for line in ["trunkline sgnal", "trunkline dev --lisen x", "trunkline -x"] {
            assert!(read(line).unwrap_err().use_stderr(), "{line}");
        }
    }

    #[test]
    fn in_dev_one_user_is_a_machine_with_all_its_tabs() {
        let Command::Dev(dev) = read("trunkline").unwrap().command else {
            panic!("dev");
        };
        assert_eq!(dev.turn.turn_user_quota, 256);
        let Command::Turn(args) = read("trunkline turn").unwrap().command else {
            panic!("turn");
        };
        assert_eq!(args.turn.turn_user_quota, 12);
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
