//! The relay as a process, with clients of others as referees, and without mercy.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests")]

mod addresses;
mod aioice;
mod aiortc;
mod alternates;
mod asked_for;
mod audit;
mod control;
mod coturn;
mod data;
mod discovery;
mod documented;
mod dtls;
mod dtls_stream;
mod fleet;
mod icmp;
mod infrastructure;
mod libnice;
mod limits;
mod minting;
mod mobility;
mod namespace;
mod own_machine;
mod peers;
mod proxies;
mod scripts;
mod secrets;
mod strangers;
mod stream_client;
mod streams;
mod tcp_peers;
mod tls;
mod unreachable;

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::net::UdpSocket;
use turn::client::{Client, ClientConfig};
use webrtc_util::Conn;

/// The `turn` crate's client, and what it relays through.
struct Allocation {
    relayed: Box<dyn Conn + Send + Sync>,
    client: Client,
}

impl Allocation {
    async fn new(relay: SocketAddr, username: &str) -> Result<Self, turn::Error> {
        Self::with_password(relay, username, "p").await
    }

    async fn with_password(
        relay: SocketAddr,
        username: &str,
        password: &str,
    ) -> Result<Self, turn::Error> {
        Self::at("127.0.0.1", relay, username, password).await
    }

    /// From another address.
    async fn at(
        ip: &str,
        relay: SocketAddr,
        username: &str,
        password: &str,
    ) -> Result<Self, turn::Error> {
        let socket = UdpSocket::bind((ip, 0)).await.unwrap();
        let client = Client::new(ClientConfig {
            stun_serv_addr: relay.to_string(),
            turn_serv_addr: relay.to_string(),
            username: username.to_owned(),
            password: password.to_owned(),
            realm: String::new(),
            software: String::new(),
            rto_in_ms: 0,
            conn: Arc::new(socket),
            vnet: None,
        })
        .await?;
        client.listen().await?;
        let relayed = Box::new(client.allocate().await?);
        Ok(Self { relayed, client })
    }

    /// The client's own idea of its relayed address.
    fn relayed(&self) -> SocketAddr {
        self.relayed.local_addr().unwrap()
    }

    /// Gives the allocation back.
    async fn close(self) {
        self.relayed.close().await.unwrap();
        self.client.close().await.unwrap();
    }
}

/// A file that goes away again.
struct File(PathBuf);

impl File {
    fn new(text: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("trunkline-turn-{}-{count}", std::process::id());
        let file = Self(std::env::temp_dir().join(name));
        file.replace(text);
        file
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// By renaming, so that nobody reads half of it.
    fn replace(&self, text: &str) {
        let new = self.0.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(&new, &self.0).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
