//! TCP connections with peers, RFC 6062. They are the caller's, as relay sockets are: it opens and takes them, knows how
//! many there are, holds those that wait, and carries their data. Here it is decided who may, and what is answered.

use std::{collections::BTreeMap, net::SocketAddr, time::Instant};

use super::Asker;
use crate::{
    Action, AllocationId, Answer, Bind, Client, Connect, ConnectFailure, ConnectId, ConnectionId,
    DropReason, ErrorCode, Family, Method, Output, Protocol, Relay,
    codec::{Request, Response},
    long_term_key::Signer,
    passage::permitted,
    wire::{AnswerWriter, Class, TransactionId, attribute},
};

/// Requests that wait for what the caller says. It bounds them, by the connections that it lets an allocation have.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    connects: BTreeMap<ConnectId, (AllocationId, Family, Waiting)>,
    /// Answered at once, so that there is one or none.
    binds: Vec<Waiting>,
    last: u64,
}

/// How a request is answered.
#[derive(Debug)]
struct Waiting {
    client: Client,
    transaction: TransactionId,
    has_fingerprint: bool,
    signer: Signer,
}

impl Connections {
    /// The relayed address is over: nobody waits for a connection from it any more.
    pub(crate) fn forget(&mut self, allocation: AllocationId, family: Family) {
        if !self.connects.is_empty() {
            self.connects
                .retain(|_, (of, from, _)| (*of, *from) != (allocation, family));
        }
    }
}

impl Waiting {
    fn new(asker: &Asker<'_>) -> Self {
        Self {
            client: asker.client,
            transaction: asker.transaction,
            has_fingerprint: asker.has_fingerprint,
            signer: asker.signer.clone(),
        }
    }
}

impl Relay {
    /// RFC 6062 §5.2.
    pub(super) fn connect(&mut self, asker: &Asker<'_>, request: &Request) -> Action {
        match self.connect_to(asker, request) {
            Ok((allocation, peer)) => {
                let connections = &mut self.connections;
                connections.last += 1;
                let connect = ConnectId(connections.last);
                let waiting = (allocation, Family::of(peer), Waiting::new(asker));
                connections.connects.insert(connect, waiting);
                self.outputs.push_back(Output::Connect(Connect {
                    connect,
                    allocation,
                    peer,
                    user: asker.claim.user(),
                }));
                Action::Pending
            }
            Err(code) => self.refuse(asker, code),
        }
    }

    /// Whose connection it will be, and where to.
    fn connect_to(
        &mut self,
        asker: &Asker<'_>,
        request: &Request,
    ) -> Result<(AllocationId, SocketAddr), ErrorCode> {
        let (now, policy) = (asker.now.monotonic, self.config.peer_policy.clone());
        let limits = self.config.limits;
        let (id, allocation) = self.own_allocation(asker)?;
        if allocation.protocol != Protocol::Tcp {
            return Err(ErrorCode::AllocationMismatch);
        }
        let peer = request.peer()?.ok_or(ErrorCode::BadRequest)?;
        let internal = policy.judge_connect(peer).ok_or(ErrorCode::Forbidden)?;
        if !allocation.has(Family::of(peer), now) {
            return Err(ErrorCode::PeerAddressFamilyMismatch);
        }
        // Whoever looks for what listens somewhere needs a Connect for each port.
        if !allocation.meter.gain_peers(1, &limits, now) {
            self.new_peers_refused += 1;
            return Err(ErrorCode::Forbidden);
        }
        Ok((id, internal))
    }

    /// How it went with [`Output::Connect`]: the id of the connection that is there, or why there is none. The action is
    /// the answer to the client.
    ///
    /// One that nobody waits for any more is [`DropReason::NoAllocation`], and is to be closed.
    pub fn handle_connected(
        &mut self,
        connect: ConnectId,
        outcome: Result<ConnectionId, ConnectFailure>,
    ) -> Action {
        let Some((_, _, waiting)) = self.connections.connects.remove(&connect) else {
            return Action::Dropped(DropReason::NoAllocation);
        };
        let outcome = outcome.map(Some).map_err(|failure| match failure {
            ConnectFailure::AlreadyExists => ErrorCode::ConnectionAlreadyExists,
            ConnectFailure::TimeoutOrFailure => ErrorCode::ConnectionTimeoutOrFailure,
            ConnectFailure::InsufficientCapacity => ErrorCode::InsufficientCapacity,
        });
        self.answer_waiting(waiting, Method::Connect, outcome)
    }

    /// A peer has opened a connection to a relayed address of TCP, RFC 6062 §5.3. The action tells its client of it; it is
    /// to be closed unless that is [`Action::Indication`].
    pub fn handle_incoming(
        &mut self,
        allocation: AllocationId,
        source: SocketAddr,
        connection: ConnectionId,
        now: Instant,
    ) -> Action {
        let policy = &self.config.peer_policy;
        let Some(allocation) = self.allocations.open(allocation, now) else {
            return Action::Dropped(DropReason::NoAllocation);
        };
        let peer = match permitted(policy, allocation, source, now) {
            Ok(peer) => peer,
            Err(reason) => return Action::Dropped(reason),
        };
        let (client, transaction) = (allocation.client, self.indications.next());
        let mut indication = AnswerWriter::new(
            &mut self.answer,
            Method::ConnectionAttempt,
            Class::Indication,
            transaction,
        );
        indication.xor_peer_address(peer);
        indication.attribute(attribute::CONNECTION_ID, &connection.0.to_be_bytes());
        Action::Indication(client)
    }

    /// RFC 6062 §5.4.
    pub(super) fn connection_bind(&mut self, asker: &Asker<'_>, request: &Request) -> Action {
        let in_stream = self.config.transport(asker.client.listener).is_stream();
        // A connection that has an allocation goes on to control that.
        let is_free = self.allocations.id_of(asker.client).is_none();
        match request.connection_id() {
            Ok(Some(connection)) if in_stream && is_free => {
                let binds = &mut self.connections.binds;
                binds.retain(|waiting| waiting.client != asker.client);
                binds.push(Waiting::new(asker));
                self.outputs.push_back(Output::Bind(Bind {
                    client: asker.client,
                    connection,
                    user: asker.claim.user(),
                }));
                Action::Pending
            }
            Ok(_) | Err(_) => self.refuse(asker, ErrorCode::BadRequest),
        }
    }

    /// How it went with [`Output::Bind`]: whether such a connection waits for this user. The action is the answer.
    pub fn handle_bound(&mut self, client: Client, is_bound: bool) -> Action {
        let binds = &mut self.connections.binds;
        let Some(place) = binds.iter().position(|waiting| waiting.client == client) else {
            return Action::Dropped(DropReason::NoAllocation);
        };
        let waiting = binds.swap_remove(place);
        let outcome = match is_bound {
            true => Ok(None),
            // Nobody is told which ids others have.
            false => Err(ErrorCode::BadRequest),
        };
        self.answer_waiting(waiting, Method::ConnectionBind, outcome)
    }

    fn answer_waiting(
        &mut self,
        waiting: Waiting,
        method: Method,
        outcome: Result<Option<ConnectionId>, ErrorCode>,
    ) -> Action {
        let mut response = match outcome {
            Ok(_) => Response::success(method, waiting.transaction),
            Err(code) => Response::error(method, waiting.transaction, code),
        };
        if let Ok(Some(connection)) = outcome {
            response.connection_id(connection);
        }
        response.finish(&waiting.signer, waiting.has_fingerprint, &mut self.answer);
        Action::Answer(Answer {
            client: waiting.client,
            method,
            error: outcome.err(),
            verified: true,
        })
    }
}
