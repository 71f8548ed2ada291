//! What clients write and read, by the `stun` crate.

use super::*;

/// An attribute of a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Attr<'a> {
    Channel(u16),
    Family(u8),
    Lifetime(u32),
    Peer(&'a str),
    Raw(u16, &'a [u8]),
    Transport(u8),
}

impl Attr<'_> {
    pub(super) fn add_to(self, message: &mut Message) {
        match self {
            Self::Channel(number) => ChannelNumber(number).add_to(message).unwrap(),
            Self::Family(family) => message.add(AttrType(0x0017), &[family, 0, 0, 0]),
            Self::Lifetime(seconds) => Lifetime(Duration::from_secs(seconds.into()))
                .add_to(message)
                .unwrap(),
            Self::Peer(peer) => {
                let peer: SocketAddr = peer.parse().unwrap();
                let (ip, port) = (peer.ip(), peer.port());
                PeerAddress { ip, port }.add_to(message).unwrap();
            }
            Self::Raw(attribute, value) => message.add(AttrType(attribute), value),
            Self::Transport(protocol) => message.add(AttrType(0x0019), &[protocol, 0, 0, 0]),
        }
    }
}

/// What a relay did with a packet.
#[derive(Debug, PartialEq)]
pub(super) enum Reaction {
    Success(Reply),
    Error(u16, Reply),
    ToPeer(String, Vec<u8>),
    ToClient(String, Vec<u8>),
    Dropped(DropReason),
    Elsewhere(Home),
}

impl Reaction {
    #[track_caller]
    pub(super) fn success(self) -> Reply {
        let Self::Success(reply) = self else {
            panic!("{self:?}");
        };
        reply
    }

    #[track_caller]
    pub(super) fn error(self, expected: u16) -> Reply {
        let Self::Error(code, reply) = self else {
            panic!("{self:?}");
        };
        assert_eq!(code, expected);
        reply
    }

    /// What was sent to [`HERE`].
    #[track_caller]
    pub(super) fn message(self) -> Vec<u8> {
        let Self::ToClient(client, message) = self else {
            panic!("{self:?}");
        };
        assert_eq!(client, HERE);
        message
    }
}

/// An answer, decoded.
#[derive(Debug, PartialEq)]
pub(super) struct Reply {
    pub(super) message: Message,
    pub(super) verified: bool,
}

impl Reply {
    pub(super) fn contains(&self, attribute: u16) -> bool {
        self.message.contains(AttrType(attribute))
    }

    pub(super) fn get(&self, attribute: u16) -> Vec<u8> {
        self.message.get(AttrType(attribute)).unwrap()
    }

    pub(super) fn lifetime(&self) -> u64 {
        let mut lifetime = Lifetime::default();
        lifetime.get_from(&self.message).unwrap();
        lifetime.0.as_secs()
    }

    pub(super) fn relayed(&self) -> SocketAddr {
        let mut relayed = RelayedAddress::default();
        relayed.get_from(&self.message).unwrap();
        SocketAddr::new(relayed.ip, relayed.port)
    }

    /// Every relayed address, in order.
    pub(super) fn all_relayed(&self) -> Vec<SocketAddr> {
        let attributes = self.message.attributes.0.iter();
        let relayed = attributes.filter(|attribute| attribute.typ.value() == 0x0016);
        relayed
            .map(|attribute| {
                let mut alone = Message::new();
                alone.transaction_id = self.message.transaction_id;
                alone.add(attribute.typ, &attribute.value);
                let mut relayed = RelayedAddress::default();
                relayed.get_from(&alone).unwrap();
                SocketAddr::new(relayed.ip, relayed.port)
            })
            .collect()
    }

    pub(super) fn mapped(&self) -> SocketAddr {
        let mut mapped = XorMappedAddress::default();
        mapped.get_from(&self.message).unwrap();
        SocketAddr::new(mapped.ip, mapped.port)
    }
}

pub(super) fn request(
    method: StunMethod,
    transaction: [u8; 12],
    attributes: &[Attr<'_>],
) -> Message {
    let typ = MessageType::new(method, CLASS_REQUEST);
    message(typ, transaction, attributes)
}

pub(super) fn message(typ: MessageType, transaction: [u8; 12], attributes: &[Attr<'_>]) -> Message {
    let mut message = Message::new();
    message.typ = typ;
    message.transaction_id.0 = transaction;
    message.write_header();
    for attribute in attributes {
        attribute.add_to(&mut message);
    }
    message
}

pub(super) fn send_indication(transaction: [u8; 12], attributes: &[Attr<'_>]) -> Vec<u8> {
    let typ = MessageType::new(METHOD_SEND, CLASS_INDICATION);
    message(typ, transaction, attributes).raw
}

pub(super) fn channel_data(number: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    [&number.to_be_bytes(), &length.to_be_bytes(), data].concat()
}

pub(super) fn sign(message: &mut Message, name: &str, password: &str, nonce: &[u8]) {
    message.add(AttrType(0x0006), name.as_bytes());
    message.add(AttrType(0x0014), REALM.as_bytes());
    message.add(AttrType(0x0015), nonce);
    let key = MessageIntegrity::new_long_term_integrity(name.into(), REALM.into(), password.into());
    key.add_to(message).unwrap();
}

pub(super) fn key(login: Login) -> MessageIntegrity {
    let (name, password) = (login.name.to_owned(), login.password.to_owned());
    MessageIntegrity::new_long_term_integrity(name, REALM.to_owned(), password)
}

#[track_caller]
pub(super) fn code_of(reaction: &Reaction) -> u16 {
    match reaction {
        Reaction::Success(_) => 200,
        Reaction::Error(code, _) => *code,
        Reaction::ToPeer(..)
        | Reaction::ToClient(..)
        | Reaction::Dropped(_)
        | Reaction::Elsewhere(_) => panic!("{reaction:?}"),
    }
}

/// The peer and the data in a Data indication.
pub(super) fn data_indication(datagram: &[u8]) -> (String, Vec<u8>) {
    let mut message = Message::new();
    message.write(datagram).unwrap();
    assert_eq!(message.typ.value(), 0x0017);
    assert_eq!(message.raw.len(), 20 + message.length as usize);
    let mut peer = XorMappedAddress::default();
    peer.get_from_as(&message, ATTR_XOR_PEER_ADDRESS).unwrap();
    let data = message.get(AttrType(0x0013)).unwrap();
    (SocketAddr::new(peer.ip, peer.port).to_string(), data)
}

pub(super) fn fingerprinted(mut message: Message) -> Message {
    FINGERPRINT.add_to(&mut message).unwrap();
    message
}
