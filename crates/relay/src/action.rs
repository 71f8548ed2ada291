use std::net::SocketAddr;

use crate::{
    AllocationId, DropReason, ErrorCode, Family, Method,
    wire::{
        CHANNEL_DATA_HEADER_BYTES, ChannelData, HEADER_BYTES, MAGIC_COOKIE, TransactionId,
        attribute, encode_data_indication_type, encode_xor_address,
    },
};

/// A socket that clients talk to, numbered by the caller. Two that share a port (SO_REUSEPORT) may share a
/// number; the transport and the server's address are part of what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerId(pub u16);

/// Where a client is, as seen from here: with its listener's own address, the 5-tuple of RFC 8656 §2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    /// The socket that its packets arrive at and leave from.
    pub listener: ListenerId,
    /// Its address, as the socket gave it.
    pub address: SocketAddr,
}

/// Where an allocation is, of all relays of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Home {
    /// The relay's number, as [`Mobility::new`](crate::Mobility::new) had it.
    pub thread: u16,
    /// Its name there.
    pub allocation: AllocationId,
}

/// What is to happen at once with the packet that was handed in.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a part of the packet on to a peer.
    ToPeer(ToPeer),
    /// Send the packet on to a client, encapsulated.
    ToClient(ToClient),
    /// Send [`Relay::answer`](crate::Relay::answer) to the client, from the listener it is with.
    Answer(Answer),
    /// Send [`Relay::answer`](crate::Relay::answer) to the client, which asked for nothing: a peer's connection waits for
    /// it, or an ICMP message answers what it sent.
    Indication(Client),
    /// Give the packet to another thread's relay, and what the client sends after it as long as that one has an
    /// allocation for it ([`Mobility`](crate::Mobility)): it moved here, RFC 8016, and its allocation cannot.
    Elsewhere(Home),
    /// Nothing: to be counted.
    Dropped(DropReason),
    /// The answer waits for what is said to an [`Output`](crate::Output).
    Pending,
}

/// `payload[start..end]` goes from the allocation's relay socket of the peer's family to `peer`; it may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToPeer {
    /// Whose relay socket sends.
    pub allocation: AllocationId,
    /// Whom to.
    pub peer: SocketAddr,
    /// Where the data begins in the client's packet.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// Whether it goes in one piece or not at all, RFC 8656 §11.3.
    pub dont_fragment: bool,
}

impl ToPeer {
    /// Which of the allocation's relay sockets sends.
    pub fn family(&self) -> Family {
        Family::of(self.peer)
    }

    /// The data, of the packet that was handed in.
    pub fn data<'a>(&self, payload: &'a [u8]) -> &'a [u8] {
        payload.get(self.start..self.end).unwrap_or_default()
    }
}

/// The peer's whole packet goes to `client`, after [`Self::prefix`] and before [`Self::padding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToClient {
    /// Whom to.
    pub client: Client,
    prefix: [u8; MAX_PREFIX_BYTES],
    prefix_bytes: u8,
    padding_bytes: u8,
}

/// Longest [`ToClient::prefix`]; receive peers' packets with this much room before them, and
/// [`MAX_PADDING_BYTES`] after.
pub const MAX_PREFIX_BYTES: usize = 48;

/// Longest [`ToClient::padding`].
pub const MAX_PADDING_BYTES: usize = 3;

impl ToClient {
    /// The header of a ChannelData message. In a stream it is padded to four bytes, which its length does not
    /// count, RFC 8656 §12.5.
    pub(crate) fn channel_data(client: Client, number: u16, length: u16, in_stream: bool) -> Self {
        let mut prefix = [0; MAX_PREFIX_BYTES];
        prefix[..CHANNEL_DATA_HEADER_BYTES].copy_from_slice(&ChannelData::header(number, length));
        Self {
            client,
            prefix,
            prefix_bytes: CHANNEL_DATA_HEADER_BYTES as u8,
            padding_bytes: match in_stream {
                true => (usize::from(length).next_multiple_of(4) - usize::from(length)) as u8,
                false => 0,
            },
        }
    }

    /// The header of a Data indication and of its DATA, RFC 8656 §11.4; `None` when the message would be
    /// longer than a message can be.
    pub(crate) fn data_indication(
        client: Client,
        transaction: TransactionId,
        peer: SocketAddr,
        length: u16,
    ) -> Option<Self> {
        let (address, address_bytes) = encode_xor_address(peer, transaction);
        let data_at = HEADER_BYTES + 4 + address_bytes;
        let prefix_bytes = data_at + 4;
        let padded = usize::from(length).next_multiple_of(4);
        let message_length = u16::try_from(prefix_bytes + padded - HEADER_BYTES).ok()?;

        let mut prefix = [0; MAX_PREFIX_BYTES];
        prefix[..2].copy_from_slice(&encode_data_indication_type().to_be_bytes());
        prefix[2..4].copy_from_slice(&message_length.to_be_bytes());
        prefix[4..8].copy_from_slice(&MAGIC_COOKIE);
        prefix[8..HEADER_BYTES].copy_from_slice(&transaction.0);
        prefix[20..22].copy_from_slice(&attribute::XOR_PEER_ADDRESS.to_be_bytes());
        prefix[23] = address_bytes as u8;
        prefix[24..data_at].copy_from_slice(&address[..address_bytes]);
        prefix[data_at..data_at + 2].copy_from_slice(&attribute::DATA.to_be_bytes());
        prefix[data_at + 2..prefix_bytes].copy_from_slice(&length.to_be_bytes());
        Some(Self {
            client,
            prefix,
            prefix_bytes: prefix_bytes as u8,
            padding_bytes: (padded - usize::from(length)) as u8,
        })
    }

    /// What goes before the packet: 4, 36 or 48 bytes.
    pub fn prefix(&self) -> &[u8] {
        &self.prefix[..usize::from(self.prefix_bytes)]
    }

    /// What goes after it: up to three zeros.
    pub fn padding(&self) -> &'static [u8] {
        &[0; MAX_PADDING_BYTES][..usize::from(self.padding_bytes)]
    }
}

/// What a client is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whom to.
    pub client: Client,
    /// What it asked for.
    pub method: Method,
    /// What went wrong, if it did.
    pub error: Option<ErrorCode>,
    /// Whether it has proved who it is; what is answered to others may have been asked in another's name.
    pub verified: bool,
}
