//! The relay as a process, with coturn's own client as referee, and without mercy.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests")]

mod addresses;
mod aioice;
mod coturn;
mod limits;
mod minting;
mod namespace;
mod peers;
mod proxies;
mod strangers;
mod stream_client;
mod streams;
mod tls;

use std::{net::SocketAddr, sync::Arc};

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
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
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

    /// Gives the allocation back.
    async fn close(self) {
        self.relayed.close().await.unwrap();
        self.client.close().await.unwrap();
    }
}
