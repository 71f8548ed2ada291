//! Where clients are sent that a draining relay does not take.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{net::lookup_host, time::timeout};

use crate::SetupError;

/// Longest wait for a name's addresses.
const PATIENCE: Duration = Duration::from_secs(5);

/// Addresses at most.
const MAX_ALTERNATES: usize = 64;

/// The addresses that `--turn-alternate-server` stands for. ALTERNATE-SERVER holds an address and no name.
///
/// # Errors
/// When a name has none.
pub(crate) async fn look_up(servers: &[String]) -> Result<Vec<SocketAddr>, SetupError> {
    let mut alternates = Vec::new();
    for server in servers {
        let found = timeout(PATIENCE, lookup_host(server)).await;
        let found = found.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let found = found.map_err(|source| SetupError::AlternateServer {
            server: server.clone(),
            source,
        })?;
        for address in found {
            if alternates.contains(&address) {
                continue;
            }
            if alternates.len() == MAX_ALTERNATES {
                tracing::warn!(
                    "--turn-alternate-server stands for more than {MAX_ALTERNATES} addresses: clients are sent to the first"
                );
                return Ok(alternates);
            }
            alternates.push(address);
        }
    }
    Ok(alternates)
}

/// A host and a port, which is not looked up yet.
pub(crate) fn server(text: &str) -> Result<String, String> {
    let wrong =
        || "write HOST:PORT, such as turn-2.example.org:3478 or [2001:db8::2]:3478".to_owned();
    if text
        .parse::<SocketAddr>()
        .is_ok_and(|address| address.port() > 0)
    {
        return Ok(text.to_owned());
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let is_host = !host.is_empty() && host.len() <= 253 && host.bytes().all(is_plain);
    match port.parse::<u16>() {
        Ok(1..) if is_host => Ok(text.to_owned()),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_and_a_port() {
        for text in ["turn.example:3478", "192.0.2.1:3478", "[2001:db8::1]:3478"] {
            assert_eq!(server(text), Ok(text.to_owned()));
        }
        for text in [
            "",
            "turn.example",
            "turn.example:0",
            "2001:db8::1:3478",
            "a b:1",
            ":1",
            "192.0.2.1:0",
        ] {
            assert!(server(text).is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn names_become_addresses_and_what_has_none_is_named() {
        let servers = ["127.0.0.1:1", "localhost:1", "[::1]:9"].map(str::to_owned);
        let found = look_up(&servers).await.unwrap();
        assert_eq!(found[0], "127.0.0.1:1".parse().unwrap());
        assert!(found.contains(&"[::1]:9".parse().unwrap()));
        assert_eq!(
            found.iter().filter(|address| **address == found[0]).count(),
            1
        );
        let error = look_up(&["nobody.invalid:1".to_owned()]).await.unwrap_err();
        // It may be known later.
        assert!(!error.is_usage());
        assert!(
            error
                .to_string()
                .contains("--turn-alternate-server nobody.invalid:1")
        );
    }
}
