use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::Args;
use daemon::listen::address;

use crate::RedisArgs;

/// Options of a signalling node.
#[derive(Args, Clone, Debug)]
pub struct SignalArgs {
    /// Where WebSockets and pages are served; several separated by commas, port 0 for a free one
    #[arg(
        long,
        env = "TRUNKLINE_LISTEN",
        value_name = "ADDRESS",
        value_delimiter = ',',
        value_parser = address,
        default_value = "0.0.0.0:8080,[::]:8080"
    )]
    pub listen: Vec<SocketAddr>,

    /// Where /metrics, /healthz and /readyz are served, for operators alone
    #[arg(
        long,
        env = "TRUNKLINE_ADMIN_LISTEN",
        value_name = "ADDRESS",
        value_delimiter = ',',
        value_parser = address,
        default_value = "127.0.0.1:8081"
    )]
    pub admin_listen: Vec<SocketAddr>,

    /// How long a peer whose connection was lost may take to return before the others are told that it left
    #[arg(
        long,
        env = "TRUNKLINE_SUSPEND_WINDOW",
        value_name = "DURATION",
        value_parser = window,
        default_value = "8s"
    )]
    pub suspend_window: Duration,

    /// How often a silent connection is pinged; one that answers neither of two pings is lost
    #[arg(
        long,
        env = "TRUNKLINE_PING_INTERVAL",
        value_name = "DURATION",
        value_parser = interval,
        default_value = "25s"
    )]
    pub ping_interval: Duration,

    /// A file with a key of at least 16 bytes, the same for every node of a cluster: it makes the tokens with which native
    /// clients resume at any of them. Without it each node makes up its own
    #[arg(long, env = "TRUNKLINE_CLUSTER_KEY_FILE", value_name = "FILE")]
    pub cluster_key_file: Option<PathBuf>,

    /// Other nodes.
    #[command(flatten)]
    pub redis: RedisArgs,
}

/// Within ten minutes: what a peer misses meanwhile is kept in memory.
fn window(text: &str) -> Result<Duration, String> {
    between(text, Duration::ZERO, Duration::from_secs(600))
}

fn interval(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_millis(10), Duration::from_secs(3600))
}

pub(crate) fn between(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write a number with a unit, such as 8s or 500ms"))?;
    if duration < least || duration > most {
        return Err(format!(
            "must be from {} to {}",
            humantime::format_duration(least),
            humantime::format_duration(most)
        ));
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        signal: SignalArgs,
    }

    #[test]
    fn several_addresses_are_separated_by_commas() {
        let cli = Cli::parse_from(["x", "--listen", "127.0.0.1:1,[::1]:2"]);
        assert_eq!(
            cli.signal.listen,
            ["127.0.0.1:1".parse().unwrap(), "[::1]:2".parse().unwrap()]
        );
    }

    #[test]
    fn a_bad_value_names_its_option() {
        for (option, value) in [
            ("--listen", "localhost"),
            ("--admin-listen", "8081"),
            ("--suspend-window", "8"),
            ("--suspend-window", "11m"),
            ("--ping-interval", "1ms"),
            ("--redis", "http://localhost"),
            ("--redis-prefix", "a{b}"),
            ("--lease", "10"),
        ] {
            let error = Cli::try_parse_from(["x", option, value]).err().unwrap();
            assert!(error.to_string().contains(option), "{error}");
        }
    }
}
