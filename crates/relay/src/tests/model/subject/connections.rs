//! What a caller does about connections with peers, RFC 6062.

use stun::{
    agent::TransactionId,
    message::{METHOD_CONNECT, METHOD_CONNECTION_BIND},
};

use super::*;
use crate::{Answer, Bind, ConnectId, ConnectionId};

pub(super) const CONNECTION_ID: u16 = 0x002A;

/// A Connect that is, or was, to be carried out.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    connect: ConnectId,
    who: Who,
    transaction: TransactionId,
}

impl Subject {
    pub(super) fn connect(&mut self, who: Who, peer: Option<&str>) -> Expected {
        let attributes: Vec<_> = peer.map(Attr::Peer).into_iter().collect();
        let (action, transaction) = self.want(who, METHOD_CONNECT, &attributes);
        if action != Action::Pending {
            return self.answered(action, who, transaction);
        }
        let Some(Output::Connect(wanted)) = self.server.wanted.pop() else {
            panic!("{:?}", self.server.wanted);
        };
        assert_eq!(wanted.user.as_str(), LOGINS[who.login].name);
        self.asked.push(Asked {
            connect: wanted.connect,
            who,
            transaction,
        });
        let made = self.all_made();
        let number = made.iter().position(|(id, _)| *id == wanted.allocation);
        Expected::Connecting(number.unwrap(), wanted.peer.to_string())
    }

    pub(super) fn connected(
        &mut self,
        since: usize,
        outcome: Result<u32, ConnectFailure>,
    ) -> Expected {
        let Some(asked) = self.asked.iter().rev().nth(since).copied() else {
            return Expected::Nothing;
        };
        let outcome = outcome.map(ConnectionId);
        let action = self.server.relay.handle_connected(asked.connect, outcome);
        self.answered(action, asked.who, asked.transaction)
    }

    pub(super) fn bind(&mut self, who: Who, id: Option<u32>, is_known: bool) -> Expected {
        let value = id.map(u32::to_be_bytes);
        let attribute = value.as_ref().map(|id| Attr::Raw(CONNECTION_ID, id));
        let attributes: Vec<_> = attribute.into_iter().collect();
        let (mut action, transaction) = self.want(who, METHOD_CONNECTION_BIND, &attributes);
        if action == Action::Pending {
            let bind = Bind {
                client: client(who.client),
                connection: ConnectionId(id.unwrap()),
                user: UserId::Static(LOGINS[who.login].name.into()),
            };
            let client = bind.client;
            assert_eq!(self.server.wanted.pop(), Some(Output::Bind(bind)));
            action = self.server.relay.handle_bound(client, is_known);
        }
        self.answered(action, who, transaction)
    }

    /// To a relayed address of TCP.
    pub(super) fn connect_from_peer(&mut self, id: AllocationId, peer: &str) -> Expected {
        let (connection, now) = (ConnectionId(0x0708_090A), self.server.now.monotonic);
        let relay = &mut self.server.relay;
        let action = relay.handle_incoming(id, address(peer), connection, now);
        let Action::Indication(client) = action else {
            let reaction = self.server.reaction(action, b"");
            return self.outcome(reaction);
        };
        let mut indication = Message::new();
        indication.write(self.server.relay.answer()).unwrap();
        assert_eq!(indication.typ.value(), 0x001C);
        let id = indication.get(AttrType(CONNECTION_ID)).unwrap();
        assert_eq!(id, [7, 8, 9, 10]);
        let mut peer = PeerAddress::default();
        peer.get_from(&indication).unwrap();
        let peer = SocketAddr::new(peer.ip, peer.port);
        Expected::Attempt(client.address.to_string(), peer.to_string())
    }

    /// What a request leads to at first.
    fn want(
        &mut self,
        who: Who,
        method: StunMethod,
        attributes: &[Attr<'_>],
    ) -> (Action, TransactionId) {
        let (at, login) = (client(who.client), LOGINS[who.login]);
        let server = &mut self.server;
        let message = server.signed(CLIENTS[who.client], login, method, attributes);
        let action = server
            .relay
            .handle_client(at.listener, at.address, &message.raw, server.now);
        (server.carry_out(action), message.transaction_id)
    }

    /// An answer goes to who asked, whenever it is given.
    fn answered(&mut self, action: Action, who: Who, transaction: TransactionId) -> Expected {
        if let Action::Answer(Answer { client: to, .. }) = action {
            assert_eq!(to, client(who.client));
        }
        let mut reaction = self.server.reaction(action, b"");
        if let Reaction::Success(reply) | Reaction::Error(_, reply) = &mut reaction {
            assert_eq!(reply.message.transaction_id, transaction);
            key(LOGINS[who.login]).check(&mut reply.message).unwrap();
        }
        self.outcome(reaction)
    }
}
