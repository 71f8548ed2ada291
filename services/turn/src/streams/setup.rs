use std::{net::SocketAddr, sync::Arc};

use mio::net::TcpListener;
use relay::Transport;

use super::listeners;
use crate::{SetupError, StreamArgs, TlsError, TurnArgs, listeners::Listeners, tls::Certificates};

/// How often a free port of UDP is looked for that is free in TCP too.
const TRIES: usize = 16;

/// Every listener of a relay, bound.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) datagrams: Listeners,
    /// Where TLS is served.
    pub(crate) tls_addresses: Vec<SocketAddr>,
    pub(crate) certificates: Option<Arc<Certificates>>,
    /// The same in every thread.
    pub(crate) streams_of_threads: Vec<Vec<(Transport, TcpListener)>>,
}

impl Bound {
    /// Binds UDP and TCP where `--turn-listen` says, and TLS where `--turn-tls-listen` does.
    ///
    /// # Errors
    /// [`SetupError`] names the option.
    pub(crate) fn bind(args: &TurnArgs, threads: usize) -> Result<Self, SetupError> {
        let certificates = certificates(&args.streams)?;
        let (datagrams, tcp) = datagrams_and_tcp(args, threads)?;
        let mut tls_addresses = Vec::new();
        for address in &args.streams.turn_tls_listen {
            let listen_tls = |source| SetupError::ListenTls {
                address: *address,
                source,
            };
            for host in listeners::hosts(*address).map_err(listen_tls)? {
                if host.port() == 0 || !tls_addresses.contains(&host) {
                    tls_addresses.push(host);
                }
            }
        }
        let tls = listeners::bind(&mut tls_addresses, threads)
            .map_err(|(address, source)| SetupError::ListenTls { address, source })?;
        let streams_of_threads = tcp
            .into_iter()
            .zip(tls)
            .map(|(tcp, tls)| {
                let tcp = tcp.into_iter().map(|listener| (Transport::Tcp, listener));
                let tls = tls.into_iter().map(|listener| (Transport::Tls, listener));
                tcp.chain(tls).collect()
            })
            .collect();
        Ok(Self {
            datagrams,
            tls_addresses,
            certificates,
            streams_of_threads,
        })
    }

    /// How clients' packets come to each listener, by its number.
    pub(crate) fn transports(&self) -> Arc<[Transport]> {
        let datagrams = self.datagrams.addresses.iter().map(|_| Transport::Udp);
        let streams = self.streams_of_threads.first();
        let streams = streams.into_iter().flatten();
        datagrams
            .chain(streams.map(|(transport, _)| *transport))
            .collect()
    }

    /// Every address that is listened at.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        [&self.datagrams.addresses[..], &self.tls_addresses].concat()
    }
}

/// Both at the same ports. Where any free port will do, one that TCP has already is not taken.
fn datagrams_and_tcp(
    args: &TurnArgs,
    threads: usize,
) -> Result<(Listeners, Vec<Vec<TcpListener>>), SetupError> {
    let mut tries = match args.turn_listen.iter().any(|address| address.port() == 0) {
        true => TRIES,
        false => 1,
    };
    loop {
        let datagrams = Listeners::bind(&args.turn_listen, threads)?;
        let mut addresses = datagrams.addresses.clone();
        tries -= 1;
        match listeners::bind(&mut addresses, threads) {
            Ok(tcp) => return Ok((datagrams, tcp)),
            Err(_) if tries > 0 => {}
            Err((address, source)) => return Err(SetupError::ListenTcp { address, source }),
        }
    }
}

/// What `--turn-tls-cert` and `--turn-tls-key` name, where TLS is served.
fn certificates(args: &StreamArgs) -> Result<Option<Arc<Certificates>>, TlsError> {
    let is_served = !args.turn_tls_listen.is_empty();
    let half = |missing| Err(TlsError::Half { missing });
    match (&args.turn_tls_cert, &args.turn_tls_key) {
        (None, None) if is_served => Err(TlsError::NoCertificate),
        (None, None) => Ok(None),
        (Some(_), None) => half("turn-tls-key"),
        (None, Some(_)) => half("turn-tls-cert"),
        (Some(_), Some(_)) if !is_served => Err(TlsError::NoListener),
        (Some(cert), Some(key)) => Ok(Some(Arc::new(Certificates::load(cert, key)?))),
    }
}
