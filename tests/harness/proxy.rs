use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{mpsc, watch},
    time::{sleep, sleep_until, timeout},
};

use crate::{PATIENCE, free_port};

/// What is wrong with the network; nothing at first.
#[derive(Clone, Debug, Default)]
struct Weather {
    /// Whether nothing gets through to the server, and to the client.
    silent: (bool, bool),
    latency: Duration,
    /// Bytes a second.
    bandwidth: Option<u64>,
    /// Longest piece that is passed on at once.
    slice: Option<usize>,
    refusing: bool,
    /// Connections with a lower number were cut.
    cut: u64,
    /// Connections with a lower number have lost their server, and do not know it.
    half_open: u64,
    accepted: u64,
}

/// A TCP proxy that does what bad networks do; it ends when it is dropped.
///
/// It must be made inside a runtime. What it holds back is not lost, since TCP would repeat it: it arrives later.
#[derive(Debug)]
pub struct Proxy {
    /// Where to connect instead of to the target.
    pub address: SocketAddr,
    weather: Arc<watch::Sender<Weather>>,
    listening: watch::Receiver<bool>,
}

impl Proxy {
    /// Listens on a free port in front of `target`.
    pub fn start(target: SocketAddr) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let weather = Arc::new(watch::Sender::new(Weather::default()));
        let (state, listening) = watch::channel(true);
        let listener = listen(address);
        tokio::spawn(accept(
            listener,
            address,
            target,
            Arc::downgrade(&weather),
            state,
        ));
        Self {
            address,
            weather,
            listening,
        }
    }

    /// Nothing gets through in either direction; connections stay, and are made.
    pub fn blackhole(&self) {
        self.weather.send_modify(|now| now.silent = (true, true));
    }

    /// Nothing gets through to the target.
    pub fn blackhole_to_server(&self) {
        self.weather.send_modify(|now| now.silent.0 = true);
    }

    /// Nothing gets through to the clients.
    pub fn blackhole_to_client(&self) {
        self.weather.send_modify(|now| now.silent.1 = true);
    }

    /// Resets every connection, at both ends.
    pub fn reset(&self) {
        self.weather.send_modify(|now| now.cut = now.accepted);
    }

    /// Resets every connection and refuses new ones until [`Self::restore`]; returns when it does.
    pub async fn cut(&mut self) {
        self.weather.send_modify(|now| {
            now.cut = now.accepted;
            now.refusing = true;
        });
        self.until_listening(false).await;
    }

    /// The target loses every connection that is there, and its client is not told.
    pub fn half_open(&self) {
        self.weather.send_modify(|now| now.half_open = now.accepted);
    }

    /// Everything takes so much longer, in each direction.
    pub fn latency(&self, latency: Duration) {
        self.weather.send_modify(|now| now.latency = latency);
    }

    /// No connection carries more than so many bytes a second in a direction.
    pub fn bandwidth(&self, bytes_a_second: u64) {
        self.weather
            .send_modify(|now| now.bandwidth = Some(bytes_a_second));
    }

    /// Everything arrives in pieces of so many bytes.
    pub fn slice(&self, bytes: usize) {
        self.weather.send_modify(|now| now.slice = Some(bytes));
    }

    /// The network is well again. Connections that were cut or are half open stay so.
    pub async fn restore(&mut self) {
        self.weather.send_modify(|now| {
            *now = Weather {
                cut: now.cut,
                half_open: now.half_open,
                accepted: now.accepted,
                ..Weather::default()
            };
        });
        self.until_listening(true).await;
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> u64 {
        self.weather.borrow().accepted
    }

    async fn until_listening(&mut self, so: bool) {
        let change = self.listening.wait_for(|listening| *listening == so);
        timeout(PATIENCE, change)
            .await
            .expect("the proxy to change")
            .unwrap();
    }
}

fn listen(address: SocketAddr) -> TcpListener {
    let listener = std::net::TcpListener::bind(address).expect("a port that nobody else has");
    listener.set_nonblocking(true).unwrap();
    TcpListener::from_std(listener).unwrap()
}

/// Ends when the proxy is dropped, which ends every connection too.
async fn accept(
    listener: TcpListener,
    address: SocketAddr,
    target: SocketAddr,
    weather: std::sync::Weak<watch::Sender<Weather>>,
    state: watch::Sender<bool>,
) {
    let Some(mut now) = weather.upgrade().map(|weather| weather.subscribe()) else {
        return;
    };
    let mut listener = Some(listener);
    loop {
        if now.borrow_and_update().refusing {
            listener = None;
        } else if listener.is_none() {
            listener = Some(listen(address));
        }
        state.send_replace(listener.is_some());
        let next = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = next => {
                let (Ok((client, _)), Some(weather)) = (accepted, weather.upgrade()) else {
                    continue;
                };
                weather.send_modify(|now| now.accepted += 1);
                let number = weather.borrow().accepted - 1;
                tokio::spawn(connection(client, target, number, weather.subscribe()));
            }
            changed = now.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

/// One connection, until an end closes it or it is cut.
async fn connection(
    mut client: TcpStream,
    target: SocketAddr,
    number: u64,
    mut now: watch::Receiver<Weather>,
) {
    // Whatever ends it before both sides have closed is a reset.
    let _ = client.set_zero_linger();
    let Ok(mut server) = TcpStream::connect(target).await else {
        return;
    };
    let _ = server.set_zero_linger();
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let lost = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let up = pass(from_client, to_server, now.clone(), |now| now.silent.0);
        let down = pass(from_server, to_client, now.clone(), |now| now.silent.1);
        tokio::select! {
            _ = async { tokio::try_join!(up, down) } => return,
            lost = now.wait_for(|now| now.cut > number || now.half_open > number) => {
                lost.is_ok_and(|now| now.cut <= number)
            }
        }
    };
    if lost {
        drop(server);
        // The client's socket stays, and what comes on it is never read.
        let _ = now.wait_for(|now| now.cut > number).await;
    }
}

/// Carries one direction until its sender closes; an error when either end is gone.
async fn pass(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut now: watch::Receiver<Weather>,
    silent: fn(&Weather) -> bool,
) -> std::io::Result<()> {
    let (pieces, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(64);
    let weather = now.clone();
    let reading = async move {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let length = from.read(&mut buffer).await?;
            let due = Instant::now() + weather.borrow().latency;
            if length == 0 || pieces.send((due, buffer[..length].to_vec())).await.is_err() {
                return Ok(());
            }
        }
    };
    let writing = async {
        while let Some((due, bytes)) = arriving.recv().await {
            sleep_until(due.into()).await;
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let fair = now.wait_for(|now| !silent(now)).await;
                let weather = fair.map_err(std::io::Error::other)?.clone();
                // What takes a hundredth of a second at most, so that a change is noticed soon.
                let share = weather.bandwidth.map_or(usize::MAX, |bytes| {
                    usize::try_from(bytes / 100).unwrap().max(1)
                });
                let length = weather.slice.unwrap_or(usize::MAX).min(share);
                let (piece, later) = rest.split_at(length.clamp(1, rest.len()));
                if let Some(bandwidth) = weather.bandwidth {
                    sleep(Duration::from_secs_f64(
                        piece.len() as f64 / bandwidth as f64,
                    ))
                    .await;
                }
                to.write_all(piece).await?;
                rest = later;
                tokio::task::yield_now().await;
            }
        }
        to.shutdown().await
    };
    tokio::try_join!(reading, writing)?;
    Ok(())
}
