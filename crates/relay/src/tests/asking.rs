//! What clients ask, and send.

use super::*;

impl Server {
    pub(super) fn transaction(&mut self) -> [u8; 12] {
        self.transactions += 1;
        let mut id = [9; 12];
        id[..8].copy_from_slice(&self.transactions.to_be_bytes());
        id
    }

    pub(super) fn nonce(&self, client: &str) -> Vec<u8> {
        let source = client.parse().unwrap();
        let config = &self.relay.config;
        let features = config.credentials.features();
        let nonce = config.nonce_key.mint(source, self.now.unix, features);
        nonce.to_vec()
    }

    /// A request that is signed by `login`, with a nonce that is valid.
    pub(super) fn signed(
        &mut self,
        client: &str,
        login: Login,
        method: StunMethod,
        attributes: &[Attr<'_>],
    ) -> Message {
        let transaction = self.transaction();
        let nonce = self.nonce(client);
        let mut message = request(method, transaction, attributes);
        sign(&mut message, login.name, login.password, &nonce);
        message
    }

    /// Asks, and checks the signature of the answer.
    pub(super) fn ask(
        &mut self,
        client: &str,
        login: Login,
        method: StunMethod,
        attributes: &[Attr<'_>],
    ) -> Reaction {
        let message = self.signed(client, login, method, attributes);
        let mut reaction = self.receive(client, &message.raw);
        if let Reaction::Success(reply) | Reaction::Error(_, reply) = &mut reaction {
            assert_eq!(reply.message.transaction_id, message.transaction_id);
            if reply.verified {
                key(login).check(&mut reply.message).unwrap();
            }
        }
        reaction
    }

    /// What [`Self::ask`] was answered, in one number: 200 stands for success.
    pub(super) fn code(
        &mut self,
        client: &str,
        login: Login,
        method: StunMethod,
        attributes: &[Attr<'_>],
    ) -> u16 {
        code_of(&self.ask(client, login, method, attributes))
    }

    #[track_caller]
    pub(super) fn allocate(&mut self, client: &str, login: Login) -> SocketAddr {
        self.allocate_with(client, login, &[]).relayed()
    }

    #[track_caller]
    pub(super) fn allocate_with(&mut self, client: &str, login: Login, more: &[Attr<'_>]) -> Reply {
        let attributes = [&[Attr::Transport(17)], more].concat();
        self.ask(client, login, METHOD_ALLOCATE, &attributes)
            .success()
    }

    pub(super) fn refresh(&mut self, attributes: &[Attr<'_>]) -> Reaction {
        self.ask(HERE, ALICE, METHOD_REFRESH, attributes)
    }

    pub(super) fn permit(&mut self, peers: &[&str]) -> u16 {
        let attributes: Vec<_> = peers.iter().map(|peer| Attr::Peer(peer)).collect();
        self.code(HERE, ALICE, METHOD_CREATE_PERMISSION, &attributes)
    }

    pub(super) fn bind(&mut self, number: u16, peer: &str) -> u16 {
        let attributes = [Attr::Channel(number), Attr::Peer(peer)];
        self.code(HERE, ALICE, METHOD_CHANNEL_BIND, &attributes)
    }

    pub(super) fn send(&mut self, peer: &str, data: &[u8]) -> Reaction {
        let transaction = self.transaction();
        let datagram = send_indication(transaction, &[Attr::Peer(peer), Attr::Raw(0x0013, data)]);
        self.receive(HERE, &datagram)
    }

    pub(super) fn channel_data(&mut self, number: u16, data: &[u8]) -> Reaction {
        self.receive(HERE, &channel_data(number, data))
    }
}
