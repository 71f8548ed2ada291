use std::{path::PathBuf, time::Duration};

use backplane::redis::UrlError;
use clap::Args;
use daemon::reload::FileError;

use crate::{RedisArgs, config::between};

use super::{
    ForeignServer, IceServers, MAX_SERVERS, MintSecrets, Region,
    url::{foreign_server, turn_url},
};

/// Which servers of others clients are told.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "ICE servers")]
pub struct IceArgs {
    /// A STUN or TURN server of somebody else's that clients are told at /v1/ice besides: stun:HOST:PORT or
    /// turn:USER:PASSWORD@HOST:PORT?transport=udp, where %2C is a comma; several separated by commas
    #[arg(
        long,
        env = "TRUNKLINE_ICE_SERVER",
        value_name = "URL",
        value_delimiter = ',',
        value_parser = foreign_server,
        hide_env_values = true
    )]
    pub ice_server: Vec<ForeignServer>,

    /// How long the TURN credentials that clients are given may be used to make allocations; connected clients of the native
    /// dialect are told fresh ones at half that time
    #[arg(
        long,
        env = "TRUNKLINE_ICE_TTL",
        value_name = "DURATION",
        value_parser = ttl,
        default_value = "1h"
    )]
    pub ice_ttl: Duration,
}

/// Whole seconds are what credentials are told and made in.
fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = between(text, Duration::from_secs(2), Duration::from_secs(7 * 86400))?;
    Ok(Duration::from_secs(ttl.as_secs()))
}

/// What a node mints credentials with that runs no relay itself.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "ICE servers")]
pub struct MintArgs {
    /// A TURN server that has --turn-secret too, `trunkline turn` or coturn, for which clients are given
    /// credentials at /v1/ice, such as turn:example.org:3478?transport=udp; several separated by commas
    #[arg(
        long,
        env = "TRUNKLINE_TURN_URL",
        value_name = "URL",
        value_delimiter = ',',
        value_parser = turn_url
    )]
    pub turn_url: Vec<String>,

    /// The secret that relays verify credentials with, those of --turn-url and those that have registered in --redis;
    /// of several, while secrets are rotated, the first mints that a relay has
    #[arg(
        long,
        env = "TRUNKLINE_TURN_SECRET",
        value_name = "SECRET",
        value_parser = secret,
        hide_env_values = true
    )]
    pub turn_secret: Vec<String>,

    /// A file with such secrets, one a line; it is read again when it has changed, and at SIGHUP. Those of the file
    /// come first
    #[arg(long, env = "TRUNKLINE_TURN_SECRET_FILE", value_name = "FILE")]
    pub turn_secret_file: Option<PathBuf>,

    /// Hand out credentials for relays though there is no authentication: whoever asks may relay
    #[arg(long, env = "TRUNKLINE_INSECURE_OPEN_TURN")]
    pub insecure_open_turn: bool,
}

/// With an empty secret everybody could mint: an unset variable of a compose file must not be one.
fn secret(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("a secret must not be empty".to_owned());
    }
    Ok(text.to_owned())
}

/// Why a node cannot hand out what it was told to.
#[derive(Debug, thiserror::Error)]
pub enum IceConfigError {
    /// Servers, and nothing to mint with.
    #[error("--turn-secret: give the one that the servers of --turn-url verify credentials with")]
    NoSecret,
    /// A secret, and no servers to mint for.
    #[error(
        "--turn-url: name the servers that verify credentials with --turn-secret, or the --redis where they register"
    )]
    NoUrl,
    /// No place would be left for the cluster's own relays.
    #[error(
        "--ice-server: clients are told of three servers; with relays in --redis, name two others at most, those of \
         --turn-url counted as one"
    )]
    TooMany,
    /// A file of secrets.
    #[error(transparent)]
    File(#[from] FileError),
    /// Where the relays register.
    #[error("--redis: {0}")]
    Redis(UrlError),
    /// It would be an open relay, and nobody said so.
    #[error(
        "--insecure-open-turn: there is no authentication, and whoever asks for /v1/ice could relay through \
         the relays of --{option}; leave that out, or give this flag if it is meant"
    )]
    Open {
        /// The option that names the relay, without its dashes.
        option: &'static str,
    },
}

impl IceServers {
    /// What a node that others reach hands out: relays of its cluster where it has Redis and a secret, those of
    /// `--turn-url`, those of others. Without authentication credentials for relays are for everybody, which must be
    /// meant. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// [`IceConfigError`] names the option.
    pub fn of_node(
        ice: &IceArgs,
        mint: &MintArgs,
        redis: &RedisArgs,
    ) -> Result<Self, IceConfigError> {
        let secrets = MintSecrets::open(&mint.turn_secret, mint.turn_secret_file.as_deref())?;
        let fleet = match secrets.is_empty() {
            true => None,
            false => redis.attach_fleet().map_err(IceConfigError::Redis)?,
        };
        let servers = Self {
            urls: mint.turn_url.clone(),
            fleet: fleet.map(|fleet| Region {
                fleet,
                name: redis.region.clone(),
            }),
            secrets,
            foreign: ice.ice_server.clone(),
            beside: None,
            ttl: ice.ice_ttl,
        };
        match (servers.secrets.is_empty(), servers.urls.is_empty()) {
            (true, false) => return Err(IceConfigError::NoSecret),
            (false, true) if servers.fleet.is_none() => return Err(IceConfigError::NoUrl),
            (true | false, true) | (false, false) => {}
        }
        if servers.fleet.is_some() && servers.told_of() >= MAX_SERVERS {
            return Err(IceConfigError::TooMany);
        }
        let option = match (servers.urls.is_empty(), &servers.fleet) {
            (false, _) => "turn-url",
            (true, Some(_)) => "redis",
            (true, None) => "ice-server",
        };
        if servers.hands_out_relays() && !mint.insecure_open_turn {
            return Err(IceConfigError::Open { option });
        }
        Ok(servers)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        ice: IceArgs,
    }

    #[test]
    fn credentials_are_good_for_as_long_as_without_options() {
        assert_eq!(Cli::parse_from(["x"]).ice.ice_ttl, IceServers::none().ttl);
        let told = Cli::parse_from(["x", "--ice-ttl", "90m500ms"]);
        assert_eq!(told.ice.ice_ttl, Duration::from_secs(90 * 60));
        for value in ["1s", "8d", "3600"] {
            let error = Cli::try_parse_from(["x", "--ice-ttl", value])
                .err()
                .unwrap();
            assert!(error.to_string().contains("--ice-ttl"), "{error}");
        }
    }
}
