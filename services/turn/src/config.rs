use std::{
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use daemon::listen::address;
use ipnet::IpNet;

use crate::LimitArgs;

/// Options of the relay.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Relay")]
pub struct TurnArgs {
    /// Where STUN and TURN are served over UDP and TCP; several separated by commas
    #[arg(
        long,
        env = "TRUNKLINE_TURN_LISTEN",
        value_name = "ADDRESS",
        value_delimiter = ',',
        value_parser = address,
        default_value = "0.0.0.0:3478,[::]:3478"
    )]
    pub turn_listen: Vec<SocketAddr>,

    /// TCP and TLS.
    #[command(flatten)]
    pub streams: StreamArgs,

    /// The address that relayed packets come from; repeat for the other family. Without it, the address of
    /// --turn-listen, or the one that this host reaches others with
    #[arg(
        long,
        env = "TRUNKLINE_TURN_RELAY_IP",
        value_name = "IP",
        value_delimiter = ','
    )]
    pub turn_relay_ip: Vec<IpAddr>,

    /// The address that clients are told where a NAT stands before the relay; repeat for the other family
    #[arg(
        long,
        env = "TRUNKLINE_TURN_EXTERNAL_IP",
        value_name = "IP",
        value_delimiter = ','
    )]
    pub turn_external_ip: Vec<IpAddr>,

    /// The ports that relayed packets come from: one for each allocation
    #[arg(
        long,
        env = "TRUNKLINE_TURN_RELAY_PORTS",
        value_name = "FIRST-LAST",
        value_parser = ports,
        default_value = "49152-65535"
    )]
    pub turn_relay_ports: RangeInclusive<u16>,

    /// The realm of the credentials; up to 12 bytes keep answers to strangers small
    #[arg(
        long,
        env = "TRUNKLINE_TURN_REALM",
        value_name = "REALM",
        default_value = "trunkline"
    )]
    pub turn_realm: String,

    /// A secret that time-limited credentials are minted with, as coturn's static-auth-secret; repeat while
    /// secrets are rotated: the first mints, all are valid
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

    /// End allocations at once when the secret is gone that they were made with, or refreshed with last; otherwise they
    /// last until they would be refreshed with it
    #[arg(long, env = "TRUNKLINE_TURN_END_WITH_SECRET")]
    pub turn_end_with_secret: bool,

    /// A user whose password does not expire; repeat for more
    #[arg(
        long,
        env = "TRUNKLINE_TURN_USER",
        value_name = "NAME:PASSWORD",
        value_parser = user,
        hide_env_values = true
    )]
    pub turn_user: Vec<(String, String)>,

    /// How many relayed addresses one user may have at a time: one for an allocation, two for one of both
    /// families, one for a port that is reserved; 0 for any number
    #[arg(
        long,
        env = "TRUNKLINE_TURN_USER_QUOTA",
        value_name = "NUMBER",
        default_value_t = 12
    )]
    pub turn_user_quota: usize,

    /// Limits.
    #[command(flatten)]
    pub limits: LimitArgs,

    /// Networks that may be reached though they are private or special; several separated by commas
    #[arg(
        long,
        env = "TRUNKLINE_TURN_ALLOW_PEERS",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    pub turn_allow_peers: Vec<IpNet>,

    /// Let clients that come by TCP or TLS reach peers over TCP as well, RFC 6062; no browser does that
    #[arg(long, env = "TRUNKLINE_TURN_TCP_PEERS")]
    pub turn_tcp_peers: bool,

    /// Let clients that come by UDP take their allocations along to another address, RFC 8016
    #[arg(long, env = "TRUNKLINE_TURN_MOBILITY")]
    pub turn_mobility: bool,

    /// Tell clients of ICMP errors of their peers, RFC 8656 §11.5. Some clients fail when they are told: those of pion and
    /// webrtc-rs stop to listen
    #[arg(long, env = "TRUNKLINE_TURN_ICMP")]
    pub turn_icmp: bool,

    /// Help clients to find out what NAT they are behind, RFC 5780: --turn-listen must name two addresses at two ports
    /// each, as in 192.0.2.1:3478,192.0.2.1:3479,192.0.2.2:3478,192.0.2.2:3479
    #[arg(long, env = "TRUNKLINE_TURN_DISCOVERY")]
    pub turn_discovery: bool,

    /// Let clients number channels up to 0x7FFF, as before RFC 8656
    #[arg(long, env = "TRUNKLINE_TURN_OLD_CHANNELS")]
    pub turn_old_channels: bool,

    /// How old an allocation may become, however often it is refreshed
    #[arg(
        long,
        env = "TRUNKLINE_TURN_MAX_ALLOCATION_AGE",
        value_name = "DURATION",
        value_parser = age,
        default_value = "12h"
    )]
    pub turn_max_allocation_age: Duration,

    /// How many threads relay; 0 for one on each core
    #[arg(
        long,
        env = "TRUNKLINE_TURN_THREADS",
        value_name = "NUMBER",
        default_value_t = 0,
        value_parser = clap::value_parser!(u16).range(..=256)
    )]
    pub turn_threads: u16,
}

/// Options of the relay for clients that come by TCP and TLS.
#[derive(Args, Clone, Debug)]
pub struct StreamArgs {
    /// Where STUN and TURN are served over TLS, for which 5349 is the usual port; several separated by commas
    #[arg(
        long,
        env = "TRUNKLINE_TURN_TLS_LISTEN",
        value_name = "ADDRESS",
        value_delimiter = ',',
        value_parser = address
    )]
    pub turn_tls_listen: Vec<SocketAddr>,

    /// Where STUN and TURN are served over DTLS 1.2, for which 5349 is the usual port; several separated by commas. The
    /// certificate must have a key for ECDSA, on P-256 or P-384, and is shown without those that lead to its authority
    #[arg(
        long,
        env = "TRUNKLINE_TURN_DTLS_LISTEN",
        value_name = "ADDRESS",
        value_delimiter = ',',
        value_parser = address
    )]
    pub turn_dtls_listen: Vec<SocketAddr>,

    /// The certificate that clients are shown over TLS and DTLS, with those that lead to its authority, in a PEM file;
    /// read again when it changes, and on SIGHUP
    #[arg(long, env = "TRUNKLINE_TURN_TLS_CERT", value_name = "FILE")]
    pub turn_tls_cert: Option<PathBuf>,

    /// The certificate's key, in a PEM file
    #[arg(long, env = "TRUNKLINE_TURN_TLS_KEY", value_name = "FILE")]
    pub turn_tls_key: Option<PathBuf>,

    /// The name under which clients reach this relay, and that its certificate is for; without it, its addresses
    #[arg(
        long,
        env = "TRUNKLINE_TURN_PUBLIC_NAME",
        value_name = "NAME",
        value_parser = name
    )]
    pub turn_public_name: Option<String>,

    /// Networks of proxies before the TCP and TLS listeners, which must say whose each connection is, by the PROXY
    /// protocol, version 2; several separated by commas
    #[arg(
        long,
        env = "TRUNKLINE_TURN_TRUSTED_PROXY",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    pub turn_trusted_proxy: Vec<IpNet>,

    /// How long a connection over TCP, TLS or DTLS may be without an allocation, with a message that is not finished,
    /// or without reading what waits for it
    #[arg(
        long,
        env = "TRUNKLINE_TURN_CONNECTION_TIMEOUT",
        value_name = "DURATION",
        value_parser = timeout,
        default_value = "10s"
    )]
    pub turn_connection_timeout: Duration,

    /// How many connections over TCP, TLS and DTLS an address may have at a time, or a network (/64) of IPv6; 0 for any
    /// number
    #[arg(
        long,
        env = "TRUNKLINE_TURN_SOURCE_CONNECTIONS",
        value_name = "NUMBER",
        default_value_t = 500
    )]
    pub turn_source_connections: usize,

    /// How many new ones it may make in a second, ten seconds' worth at once; 0 for any number
    #[arg(
        long,
        env = "TRUNKLINE_TURN_SOURCE_CONNECTION_RATE",
        value_name = "NUMBER",
        default_value_t = 50
    )]
    pub turn_source_connection_rate: u32,
}

/// It stands in URLs.
fn name(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    match !text.is_empty() && text.len() <= 253 && text.bytes().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err("write a host name without a port, such as turn.example.org".to_owned()),
    }
}

fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write a number with a unit, such as 10s"))?;
    if timeout < Duration::from_secs(1) {
        return Err("must be at least a second".to_owned());
    }
    Ok(timeout)
}

fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let wrong =
        || "write two ports from 1 to 65535, the lower first, such as 49152-65535".to_owned();
    let (first, last) = text.split_once('-').ok_or_else(wrong)?;
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    let (first, last) = port(first).zip(port(last)).ok_or_else(wrong)?;
    if first > last {
        return Err(wrong());
    }
    Ok(first..=last)
}

/// With an empty secret everybody could mint: an unset variable of a compose file must not be one.
fn secret(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("a secret must not be empty".to_owned());
    }
    Ok(text.to_owned())
}

fn user(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, password)) if !name.is_empty() && !password.is_empty() => {
            Ok((name.to_owned(), password.to_owned()))
        }
        _ => Err("write a name and a password with a colon between them".to_owned()),
    }
}

fn age(text: &str) -> Result<Duration, String> {
    let age = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write a number with a unit, such as 12h"))?;
    if age < Duration::from_secs(60) {
        return Err("must be at least a minute".to_owned());
    }
    Ok(age)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        turn: TurnArgs,
    }

    #[test]
    fn a_bad_value_names_its_option() {
        for (option, value) in [
            ("--turn-listen", "3478"),
            ("--turn-relay-ports", "65535-49152"),
            ("--turn-relay-ports", "0-9"),
            ("--turn-relay-ports", "49152"),
            ("--turn-user", "nobody"),
            ("--turn-secret", ""),
            ("--turn-threads", "257"),
            ("--turn-max-pps", "many"),
            ("--turn-max-bps", "fast"),
            ("--turn-max-new-peers", "x"),
            ("--turn-source-quota", "x"),
            ("--turn-max-allocations", "x"),
            ("--turn-max-challenges", "x"),
            ("--turn-allow-peers", "10.0.0.0/33"),
            ("--turn-max-allocation-age", "12"),
            ("--turn-external-ip", "example.org"),
            ("--turn-tls-listen", "5349"),
            ("--turn-dtls-listen", "5349"),
            ("--turn-public-name", "turn.example.org:5349"),
            ("--turn-trusted-proxy", "10.0.0.0/33"),
            ("--turn-connection-timeout", "10"),
            ("--turn-connection-timeout", "0s"),
        ] {
            let error = Cli::try_parse_from(["x", option, value]).unwrap_err();
            assert!(error.to_string().contains(option), "{error}");
        }
    }

    #[test]
    fn secrets_and_passwords_are_taken_whole() {
        let cli = Cli::parse_from(["x", "--turn-secret", "a,b", "--turn-secret", "c"]);
        assert_eq!(cli.turn.turn_secret, ["a,b", "c"]);
        let cli = Cli::parse_from(["x", "--turn-user", "bob:a,b"]);
        assert_eq!(cli.turn.turn_user, [("bob".to_owned(), "a,b".to_owned())]);
    }

    #[test]
    fn passwords_may_contain_colons() {
        let cli = Cli::parse_from(["x", "--turn-user", "bob:a:b"]);
        assert_eq!(cli.turn.turn_user, [("bob".to_owned(), "a:b".to_owned())]);
    }
}
