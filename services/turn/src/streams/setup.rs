use std::{net::SocketAddr, ops::Range, sync::Arc};

use mio::net::{TcpListener, UdpSocket};
use relay::Transport;

use super::listeners;
use crate::{SetupError, StreamArgs, TlsError, TurnArgs, listeners::Listeners, tls::Certificates};

/// How often a free port of UDP is looked for that is free in TCP too.
const TRIES: usize = 16;

/// Every listener of a relay, bound.
#[derive(Debug)]
pub(crate) struct Bound {
    /// Where UDP and TCP are served.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) dtls_addresses: Vec<SocketAddr>,
    pub(crate) tls_addresses: Vec<SocketAddr>,
    pub(crate) certificates: Option<Arc<Certificates>>,
    /// The same in every thread.
    pub(crate) of_threads: Vec<ListenersOfThread>,
}

/// The listeners that one thread has.
#[derive(Debug, Default)]
pub(crate) struct ListenersOfThread {
    pub(crate) datagrams: Vec<UdpSocket>,
    /// Those of them whose clients speak DTLS.
    pub(crate) dtls: Range<usize>,
    /// They are numbered after those of datagrams.
    pub(crate) streams: Vec<(Transport, TcpListener)>,
}

impl Bound {
    /// Binds UDP and TCP where `--turn-listen` says, TLS where `--turn-tls-listen` does, and DTLS where
    /// `--turn-dtls-listen` does.
    ///
    /// # Errors
    /// [`SetupError`] names the option.
    pub(crate) fn bind(args: &TurnArgs, threads: usize) -> Result<Self, SetupError> {
        let certificates = certificates(&args.streams)?;
        let (plain, tcp) = datagrams_and_tcp(args, threads)?;
        let dtls = dtls(&args.streams.turn_dtls_listen, threads)?;
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
        let datagrams = plain.of_threads.into_iter().zip(dtls.of_threads);
        let of_threads = datagrams
            .zip(tcp.into_iter().zip(tls))
            .map(|((plain, dtls), (tcp, tls))| {
                let tcp = tcp.into_iter().map(|listener| (Transport::Tcp, listener));
                let tls = tls.into_iter().map(|listener| (Transport::Tls, listener));
                ListenersOfThread {
                    dtls: plain.len()..plain.len() + dtls.len(),
                    datagrams: plain.into_iter().chain(dtls).collect(),
                    streams: tcp.chain(tls).collect(),
                }
            })
            .collect();
        Ok(Self {
            addresses: plain.addresses,
            dtls_addresses: dtls.addresses,
            tls_addresses,
            certificates,
            of_threads,
        })
    }

    /// How clients' packets come to each listener, by its number.
    pub(crate) fn transports(&self) -> Arc<[Transport]> {
        let plain = self.addresses.iter().map(|_| Transport::Udp);
        let dtls = self.dtls_addresses.iter().map(|_| Transport::Dtls);
        let streams = self.of_threads.iter().take(1).flat_map(|one| &one.streams);
        plain
            .chain(dtls)
            .chain(streams.map(|(transport, _)| *transport))
            .collect()
    }

    /// Every address that is listened at.
    pub(crate) fn listening(&self) -> Vec<SocketAddr> {
        [
            &self.addresses[..],
            &self.dtls_addresses,
            &self.tls_addresses,
        ]
        .concat()
    }
}

fn dtls(listen: &[SocketAddr], threads: usize) -> Result<Listeners, SetupError> {
    Listeners::bind(listen, threads).map_err(|error| {
        if let SetupError::Listen { address, source } = error {
            SetupError::ListenDtls { address, source }
        } else {
            error
        }
    })
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

/// What `--turn-tls-cert` and `--turn-tls-key` name, where TLS or DTLS is served.
fn certificates(args: &StreamArgs) -> Result<Option<Arc<Certificates>>, TlsError> {
    let for_dtls = !args.turn_dtls_listen.is_empty();
    let is_served = for_dtls || !args.turn_tls_listen.is_empty();
    let half = |missing| Err(TlsError::Half { missing });
    match (&args.turn_tls_cert, &args.turn_tls_key) {
        (None, None) if is_served => Err(TlsError::NoCertificate),
        (None, None) => Ok(None),
        (Some(_), None) => half("turn-tls-key"),
        (None, Some(_)) => half("turn-tls-cert"),
        (Some(_), Some(_)) if !is_served => Err(TlsError::NoListener),
        (Some(cert), Some(key)) => Ok(Some(Arc::new(Certificates::load(cert, key, for_dtls)?))),
    }
}
