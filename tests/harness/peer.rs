use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::atomic::{AtomicU32, Ordering},
};

use futures_util::{SinkExt, StreamExt};
use protocol::rtcio::GREETING;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Bytes, Error, Message},
};

use crate::PATIENCE;

/// A client that speaks frames.
#[derive(Debug)]
pub struct Peer {
    socket: WebSocketStream<TcpStream>,
    /// Frames that came while something else was awaited.
    heard: VecDeque<String>,
    greeted: bool,
}

impl Peer {
    /// Connects to `/` of a node.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::connect_to(address, "/").await
    }

    /// Connects to a path of a node.
    pub async fn connect_to(address: SocketAddr, path: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::over(stream, address, path).await
    }

    /// Makes a TCP connection a peer.
    pub async fn over(stream: TcpStream, address: SocketAddr, path: &str) -> Self {
        let url = format!("ws://{address}{path}");
        let (socket, _) = timeout(PATIENCE, client_async(url, stream))
            .await
            .expect("a WebSocket")
            .unwrap();
        Self {
            socket,
            heard: VecDeque::new(),
            greeted: false,
        }
    }

    /// A peer in a room, after the answer to its announce.
    pub async fn join(address: SocketAddr, room: &str, id: &str) -> Self {
        let mut peer = Self::connect(address).await;
        peer.announce(room, id).await;
        let answer = peer.next().await;
        assert!(answer.starts_with("/roominfo|"), "{answer}");
        peer
    }

    /// Announces the peer without waiting for the answer.
    pub async fn announce(&mut self, room: &str, id: &str) {
        self.send(&announce(room, id)).await;
    }

    /// Sends a text frame.
    pub async fn send(&mut self, frame: &str) {
        self.send_message(Message::text(frame)).await.unwrap();
    }

    /// Sends any WebSocket message.
    ///
    /// # Errors
    /// When the socket does not take it.
    pub async fn send_message(&mut self, message: Message) -> Result<(), Error> {
        timeout(PATIENCE, self.socket.send(message))
            .await
            .expect("the socket to take a message")
    }

    /// The next frame after the greeting.
    pub async fn next(&mut self) -> String {
        if let Some(frame) = self.heard.pop_front() {
            return frame;
        }
        loop {
            match self.next_message().await {
                Message::Text(text) if text.as_str() == GREETING && !self.greeted => {
                    self.greeted = true;
                }
                Message::Text(text) => return text.to_string(),
                Message::Ping(_) | Message::Pong(_) => {}
                other @ (Message::Binary(_) | Message::Close(_) | Message::Frame(_)) => {
                    panic!("a text frame was expected: {other:?}")
                }
            }
        }
    }

    /// The next WebSocket message, whatever it is.
    pub async fn next_message(&mut self) -> Message {
        timeout(PATIENCE, self.socket.next())
            .await
            .expect("a message")
            .expect("an open socket")
            .unwrap()
    }

    /// Expects this frame next.
    #[track_caller]
    pub fn expect(&mut self, frame: &str) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let next = self.next().await;
            assert_eq!(next, frame, "expected at {caller}");
        }
    }

    /// Returns when the node has handled everything sent before; frames that arrive meanwhile are kept.
    pub async fn settle(&mut self) {
        static MARK: AtomicU32 = AtomicU32::new(0);
        let mark = MARK.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let mark = Bytes::copy_from_slice(&mark);
        self.send_message(Message::Ping(mark.clone()))
            .await
            .unwrap();
        loop {
            match self.next_message().await {
                Message::Pong(pong) if pong == mark => return,
                Message::Text(text) if text.as_str() == GREETING && !self.greeted => {
                    self.greeted = true;
                }
                Message::Text(text) => self.heard.push_back(text.to_string()),
                Message::Ping(_) | Message::Pong(_) => {}
                other @ (Message::Binary(_) | Message::Close(_) | Message::Frame(_)) => {
                    panic!("a pong was expected: {other:?}")
                }
            }
        }
    }

    /// Has the peer heard nothing that was not looked at? It may have to [`Self::settle`] first.
    #[track_caller]
    pub fn assert_silent(&self) {
        assert_eq!(self.heard, VecDeque::<String>::new());
    }

    /// The code of the close frame that comes next, after any text.
    pub async fn close_code(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.next_message().await {
                return frame.expect("a close code").code.into();
            }
        }
    }

    /// Closes the socket in order, without a `/leave`.
    pub async fn close(mut self) {
        timeout(PATIENCE, self.socket.close(None))
            .await
            .expect("the socket to close")
            .unwrap();
    }

    /// The bare TCP connection, past the handshake.
    pub fn into_stream(self) -> TcpStream {
        self.socket.into_inner()
    }

    /// Cuts the connection as a lost network does, with a reset.
    pub fn kill(self) {
        let stream = self.socket.into_inner();
        stream.set_zero_linger().unwrap();
    }
}

/// The announce of a peer without other attributes.
pub(crate) fn announce(room: &str, id: &str) -> String {
    format!(
        "/announce|{id}|{}",
        serde_json::json!({ "id": id, "room": room })
    )
}
