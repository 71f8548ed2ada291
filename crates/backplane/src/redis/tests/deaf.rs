//! A subscriber connection that looks healthy, and on which nothing comes.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use super::{
    apart,
    outages::{Node, ROOM},
    servers::{RedisServer, free_port},
};
use crate::Health;

/// Between a node and a server; swallows what comes for whoever has subscribed to anything, while it is told to.
struct Proxy {
    port: u16,
    deaf: Arc<AtomicBool>,
}

impl Proxy {
    /// Its threads end with their connections, and the listening one with the process.
    fn new(server: u16) -> Self {
        let port = free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let deaf = Arc::new(AtomicBool::new(false));
        let swallows = deaf.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else {
                    continue;
                };
                let subscribed = Arc::new(AtomicBool::new(false));
                let (seen, swallows) = (subscribed.clone(), swallows.clone());
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || {
                    carry(from, to, |bytes| {
                        let asks = bytes.windows(10).any(|word| word == b"SSUBSCRIBE");
                        seen.fetch_or(asks, Ordering::Relaxed);
                        true
                    });
                });
                thread::spawn(move || {
                    carry(server, client, |_| {
                        let hears = subscribed.load(Ordering::Relaxed);
                        !(hears && swallows.load(Ordering::Relaxed))
                    });
                });
            }
        });
        Self { port, deaf }
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, mut passes: impl FnMut(&[u8]) -> bool) {
    let mut bytes = [0; 65536];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if passes(&bytes[..count]) && to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

#[tokio::test]
async fn a_node_that_hears_nothing_is_not_healthy_however_well_redis_answers() {
    let server = RedisServer::start();
    let proxy = Proxy::new(server.port);
    let mut node = Node::new(&apart(&format!("redis://127.0.0.1:{}", proxy.port)), "a");
    node.join(&ROOM, "bob").await;
    proxy.deaf.store(true, Ordering::Relaxed);
    let links = node.links();
    node.is(Health::Degraded).await;
    assert_eq!(server.cli(&["ping"]), "PONG");
    // Another link is made, on which not even the subscription is confirmed, and another.
    let start = std::time::Instant::now();
    while node.links() < links + 2 {
        assert!(start.elapsed().as_secs() < 30, "it waits for ever");
        assert_ne!(node.backplane.health(), Health::Healthy);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    proxy.deaf.store(false, Ordering::Relaxed);
    node.is(Health::Healthy).await;
}
