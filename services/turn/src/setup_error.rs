use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use backplane::redis::UrlError;
use daemon::{listen::ListenError, reload::FileError};
use relay::InvalidRealm;

use crate::{AddressError, TlsError};

/// Why a relay cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Nobody could use it.
    #[error(
        "--turn-secret: give one, or a --turn-secret-file or --turn-user; nobody could use the relay"
    )]
    NoCredentials,
    /// The realm.
    #[error("--turn-realm")]
    Realm(#[from] InvalidRealm),
    /// The addresses.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A file of secrets.
    #[error(transparent)]
    File(#[from] FileError),
    /// Where the cluster meets.
    #[error("--redis: {0}")]
    Redis(#[from] UrlError),
    /// A listener.
    #[error("--turn-listen {address}")]
    Listen {
        /// What the option said.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// Not what RFC 5780 needs.
    #[error(
        "--turn-discovery: --turn-listen must name two addresses at the same two ports each, four in all, of each family \
         that it has"
    )]
    Discovery,
    /// Clients would be told addresses at which they cannot reach the listeners.
    #[error("--turn-discovery: not with --turn-external-ip")]
    DiscoveryBehindNat,
    /// The same port in TCP.
    #[error("--turn-listen {address}: over TCP")]
    ListenTcp {
        /// Where.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// A listener of TLS.
    #[error("--turn-tls-listen {address}")]
    ListenTls {
        /// Where.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// A listener of DTLS.
    #[error("--turn-dtls-listen {address}")]
    ListenDtls {
        /// Where.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Where relayed packets would come from.
    #[error(
        "--turn-relay-ip {ip}: not an address of this host; behind a NAT, name it with --turn-external-ip"
    )]
    RelayIp {
        /// The address.
        ip: IpAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// A relay that clients would be sent to.
    #[error("--turn-alternate-server {server}: {source}")]
    AlternateServer {
        /// What the option said.
        server: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A thread has ended by itself.
    #[error("a relay thread ended, and its allocations with it")]
    ThreadEnded,
    /// The admin listener.
    #[error(transparent)]
    Admin(#[from] ListenError),
    /// Anything else of the system's.
    #[error("the relay's threads")]
    System(#[from] io::Error),
    /// No random numbers.
    #[error("no random numbers")]
    Random(#[from] getrandom::Error),
}

impl SetupError {
    /// Whether an option says what cannot be, and not the system.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::NoCredentials
            | Self::Discovery
            | Self::DiscoveryBehindNat
            | Self::Realm(_)
            | Self::Address(_)
            | Self::File(_)
            | Self::Redis(_)
            | Self::Tls(_)
            | Self::RelayIp { .. } => true,
            Self::Listen { .. }
            | Self::ListenTcp { .. }
            | Self::ListenTls { .. }
            | Self::ListenDtls { .. }
            | Self::AlternateServer { .. }
            | Self::ThreadEnded
            | Self::Admin(_)
            | Self::System(_)
            | Self::Random(_) => false,
        }
    }
}
