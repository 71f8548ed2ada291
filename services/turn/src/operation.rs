use std::{path::PathBuf, time::Duration};

use backplane::{
    fleet::{Fleet, Kicks, Memory},
    redis::{LAYOUT, Options, Redis, UrlError},
};
use clap::Args;
use daemon::{cluster_key, reload::FileError};
use relay::NonceKey;
use std::sync::Arc;

use crate::alternates::server;

/// Options of a relay that is a process by itself, perhaps one of a fleet.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Fleet")]
pub struct OperationArgs {
    /// Redis 7 or later, in which signalling nodes find this relay, as their --redis; of several servers, the first
    #[arg(
        long,
        env = "TRUNKLINE_REDIS",
        value_name = "URL",
        value_parser = urls,
        hide_env_values = true
    )]
    pub redis: Option<String>,

    /// What every key and channel in Redis begins with, as signalling nodes have it
    #[arg(
        long,
        env = "TRUNKLINE_REDIS_PREFIX",
        value_name = "TEXT",
        value_parser = prefix,
        default_value = "trunkline:"
    )]
    pub redis_prefix: String,

    /// Where this relay is: signalling nodes of the same region send their clients here first
    #[arg(
        long,
        env = "TRUNKLINE_REGION",
        value_name = "NAME",
        value_parser = region,
        default_value = "default"
    )]
    pub region: String,

    /// A file with a key of at least 16 bytes, the same for every relay of a fleet: each takes the others' nonces
    #[arg(long, env = "TRUNKLINE_CLUSTER_KEY_FILE", value_name = "FILE")]
    pub cluster_key_file: Option<PathBuf>,

    /// How clients reach this relay, in place of what its listeners say, such as turn:example.org:3478?transport=udp;
    /// several separated by commas
    #[arg(
        long,
        env = "TRUNKLINE_TURN_PUBLIC_URL",
        value_name = "URL",
        value_delimiter = ',',
        value_parser = url
    )]
    pub turn_public_url: Vec<String>,

    /// How long allocations may go on when the process is told to end; it ends when there is none left
    #[arg(
        long,
        env = "TRUNKLINE_DRAIN_WINDOW",
        value_name = "DURATION",
        value_parser = window,
        default_value = "25s"
    )]
    pub drain_window: Duration,

    /// Another relay, to which new clients over UDP and TCP are sent while this one drains (300, ALTERNATE-SERVER), if it
    /// has an address of their family; looked up when this process starts. Repeat for more; without one they are refused
    /// (508)
    #[arg(
        long,
        env = "TRUNKLINE_TURN_ALTERNATE_SERVER",
        value_name = "HOST:PORT",
        value_delimiter = ',',
        value_parser = server
    )]
    pub turn_alternate_server: Vec<String>,

    /// A file with the token that /admin asks for; without it, /admin is open where the admin listener is on
    /// loopback alone, and closed elsewhere
    #[arg(long, env = "TRUNKLINE_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,
}

impl OperationArgs {
    /// The way to the fleet; a fleet of its own without Redis. Must be called in a tokio runtime.
    pub(crate) fn attach(&self) -> Result<(Arc<dyn Fleet>, Kicks), UrlError> {
        let Some(urls) = &self.redis else {
            return Ok(Memory::default().attach());
        };
        let options = Options {
            prefix: format!("{}{LAYOUT}:", self.redis_prefix),
            ..Options::default()
        };
        Ok(Redis::new(urls, options)?.attach_fleet())
    }

    /// The key of the fleet's nonces, if it has one.
    pub(crate) fn nonce_key(&self) -> Result<Option<NonceKey>, FileError> {
        let Some(path) = &self.cluster_key_file else {
            return Ok(None);
        };
        let key = cluster_key::read(path)?;
        Ok(Some(NonceKey::derive(key.as_bytes())))
    }
}

fn urls(text: &str) -> Result<String, UrlError> {
    Redis::new(text, Options::default()).map(|_| text.into())
}

fn prefix(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(['{', '}']) || text.contains(char::is_whitespace) {
        return Err("must not be empty, and have neither braces nor spaces".into());
    }
    Ok(text.into())
}

fn region(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if text.is_empty() || text.len() > 64 || !text.bytes().all(plain) {
        return Err("write up to 64 letters, digits, dots, hyphens and underscores".into());
    }
    Ok(text.into())
}

fn url(text: &str) -> Result<String, String> {
    let is_turn = text.starts_with("turn:") || text.starts_with("turns:");
    if !is_turn || text.len() > 512 || text.contains(['@', ' ']) {
        return Err("write turn:HOST:PORT?transport=udp, or turns:HOST:PORT?transport=tcp".into());
    }
    Ok(text.into())
}

/// Within a day.
fn window(text: &str) -> Result<Duration, String> {
    let window = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write a number with a unit, such as 25s"))?;
    if window > Duration::from_secs(24 * 60 * 60) {
        return Err("must be at most a day".to_owned());
    }
    Ok(window)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        operation: OperationArgs,
    }

    #[test]
    fn a_bad_value_names_its_option() {
        let long = "x".repeat(65);
        for (option, value) in [
            ("--redis", "http://localhost"),
            ("--redis-prefix", "a{b}"),
            ("--region", ""),
            ("--region", "eu west"),
            ("--region", &long),
            ("--turn-public-url", "stun:turn.example"),
            ("--turn-public-url", "turn:bob:p@turn.example"),
            ("--turn-alternate-server", "turn.example"),
            ("--drain-window", "25"),
            ("--drain-window", "25h"),
        ] {
            let error = Cli::try_parse_from(["x", option, value]).unwrap_err();
            assert!(error.to_string().contains(option), "{error}");
        }
    }
}
