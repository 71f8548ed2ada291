//! Nothing a client sends, or fails to send, ends the process or another peer's session.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests")]

mod frames;
mod memory;
mod sockets;

use trunkline_tests::{Node, Peer};

/// Two peers that must go on whatever a third does, and who notice nothing of it.
struct Bystanders {
    bob: Peer,
    sue: Peer,
    said: u32,
}

impl Bystanders {
    async fn new(node: &Node) -> Self {
        Self::at(node.public).await
    }

    async fn at(address: std::net::SocketAddr) -> Self {
        let mut bob = Peer::join(address, "quiet", "bob").await;
        let sue = Peer::join(address, "quiet", "sue").await;
        bob.expect(r#"/announce|sue|{"id":"sue","room":"quiet"}"#)
            .await;
        Self { bob, sue, said: 0 }
    }

    /// They still talk, in both directions, and have heard nothing else.
    async fn are_undisturbed(&mut self) {
        self.said += 1;
        let to_sue = format!("/to|sue|/hello|bob|{}", self.said);
        self.bob.send(&to_sue).await;
        self.sue.expect(&to_sue).await;
        let to_bob = format!("/to|bob|/hello|sue|{}", self.said);
        self.sue.send(&to_bob).await;
        self.bob.expect(&to_bob).await;
    }
}
