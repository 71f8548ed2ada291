use clap::{Args, builder::FalseyValueParser};
use turn_credentials::Secret;

use super::{
    ForeignServer, IceServers, Ours,
    url::{foreign_server, turn_url},
};

/// Which servers of others clients are told.
#[derive(Args, Clone, Debug, Default)]
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

    /// The secret that the servers of --turn-url verify credentials with; of several, while secrets are rotated,
    /// the first mints
    #[arg(
        long,
        env = "TRUNKLINE_TURN_SECRET",
        value_name = "SECRET",
        value_parser = secret,
        hide_env_values = true
    )]
    pub turn_secret: Vec<String>,

    /// Hand out credentials for relays though there is no authentication: whoever asks may relay
    #[arg(
        long,
        env = "TRUNKLINE_INSECURE_OPEN_TURN",
        value_parser = FalseyValueParser::new()
    )]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IceConfigError {
    /// Servers, and nothing to mint with.
    #[error("--turn-secret: give the one that the servers of --turn-url verify credentials with")]
    NoSecret,
    /// A secret, and no servers to mint for.
    #[error("--turn-url: name the servers that verify credentials with --turn-secret")]
    NoUrl,
    /// It would be an open relay, and nobody said so.
    #[error(
        "--insecure-open-turn: there is no authentication, and whoever asks for /v1/ice could relay through \
         the server of --{option}; leave that out, or give this flag if it is meant"
    )]
    Open {
        /// The option that names the relay, without its dashes.
        option: &'static str,
    },
}

impl IceServers {
    /// What a node that others reach hands out. Without authentication credentials for relays are for
    /// everybody, which must be meant.
    ///
    /// # Errors
    /// [`IceConfigError`] names the option.
    pub fn of_node(ice: &IceArgs, mint: &MintArgs) -> Result<Self, IceConfigError> {
        let ours = match (mint.turn_secret.first(), mint.turn_url.is_empty()) {
            (None, true) => Ours::None,
            (None, false) => return Err(IceConfigError::NoSecret),
            (Some(_), true) => return Err(IceConfigError::NoUrl),
            (Some(secret), false) => Ours::Elsewhere {
                secret: Secret::new(secret.as_bytes()),
                urls: mint.turn_url.clone(),
            },
        };
        let option = match &ours {
            Ours::None => "ice-server",
            Ours::Beside(_) | Ours::Elsewhere { .. } => "turn-url",
        };
        let servers = Self {
            ours,
            foreign: ice.ice_server.clone(),
        };
        if servers.hands_out_relays() && !mint.insecure_open_turn {
            return Err(IceConfigError::Open { option });
        }
        Ok(servers)
    }
}
