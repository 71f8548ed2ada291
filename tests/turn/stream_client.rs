//! A client over TCP or TLS that says exactly what a test wants it to, and reads what it wants it to.

#![allow(
    clippy::unwrap_in_result,
    reason = "an error is what the relay answered; all else fails the test"
)]

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, StreamOwned,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use stun::{
    attributes::{ATTR_NONCE, ATTR_REALM, AttrType},
    error_code::ErrorCodeAttribute,
    integrity::MessageIntegrity,
    message::{CLASS_REQUEST, Getter, METHOD_ALLOCATE, Message, MessageType, Method, Setter},
    xoraddr::XorMappedAddress,
};
use turn::proto::{peeraddr::PeerAddress, relayaddr::RelayedAddress};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) type TlsStream = StreamOwned<ClientConnection, TcpStream>;

pub(crate) struct StreamClient<S> {
    pub(crate) stream: S,
    name: &'static str,
    realm: String,
    nonce: Vec<u8>,
    transactions: u8,
}

/// A connection on which no read waits for ever.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// The same, encrypted; whoever shows a certificate is believed.
pub(crate) fn connect_tls(address: SocketAddr) -> TlsStream {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Believer))
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let tls = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(tls, connect(address))
}

impl StreamClient<TcpStream> {
    pub(crate) fn tcp(address: SocketAddr) -> Self {
        Self::new(connect(address))
    }
}

impl StreamClient<TlsStream> {
    pub(crate) fn tls(address: SocketAddr) -> Self {
        Self::new(connect_tls(address))
    }
}

impl<S: Read + Write> StreamClient<S> {
    /// Its name is `u`, its password `p`.
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            name: "u",
            realm: String::new(),
            nonce: Vec::new(),
            transactions: 0,
        }
    }

    /// Another user, with the same password.
    pub(crate) fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    pub(crate) fn request(&mut self, method: Method, attributes: &[(u16, &[u8])]) -> Message {
        self.transactions += 1;
        let mut message = Message::new();
        message.typ = MessageType::new(method, CLASS_REQUEST);
        message.transaction_id.0 = [self.transactions; 12];
        message.write_header();
        for (attribute, value) in attributes {
            message.add(AttrType(*attribute), value);
        }
        message
    }

    /// A request with a peer and more, signed.
    pub(crate) fn signed(
        &mut self,
        method: Method,
        attributes: &[(u16, &[u8])],
        peer: Option<SocketAddr>,
    ) -> Message {
        let mut message = self.request(method, attributes);
        if let Some(peer) = peer {
            let (ip, port) = (peer.ip(), peer.port());
            PeerAddress { ip, port }.add_to(&mut message).unwrap();
        }
        message.add(AttrType(0x0006), self.name.as_bytes());
        message.add(ATTR_REALM, self.realm.as_bytes());
        message.add(ATTR_NONCE, &self.nonce);
        let key = MessageIntegrity::new_long_term_integrity(
            self.name.to_owned(),
            self.realm.clone(),
            "p".to_owned(),
        );
        key.add_to(&mut message).unwrap();
        message
    }

    /// Asks, and gives the answer or its error code.
    pub(crate) fn ask(
        &mut self,
        method: Method,
        attributes: &[(u16, &[u8])],
        peer: Option<SocketAddr>,
    ) -> Result<Message, u16> {
        let message = self.signed(method, attributes, peer);
        self.stream.write_all(&message.raw).unwrap();
        self.answer().unwrap()
    }

    /// The next message, which must be an answer.
    pub(crate) fn answer(&mut self) -> io::Result<Result<Message, u16>> {
        let mut answer = Message::new();
        answer.write(&self.read_message()?).unwrap();
        let mut error = ErrorCodeAttribute::default();
        if error.get_from(&answer).is_ok() {
            if let Ok(nonce) = answer.get(ATTR_NONCE) {
                self.nonce = nonce;
                self.realm = String::from_utf8(answer.get(ATTR_REALM).unwrap()).unwrap();
            }
            return Ok(Err(error.code.0));
        }
        Ok(Ok(answer))
    }

    /// Learns the nonce, and gets an allocation of UDP; gives the relayed address.
    pub(crate) fn allocate(&mut self) -> SocketAddr {
        self.allocate_of(17).unwrap()
    }

    /// The same of a protocol, by its number; or the error code.
    pub(crate) fn allocate_of(&mut self, protocol: u8) -> Result<SocketAddr, u16> {
        let transport: &[(u16, &[u8])] = &[(0x0019, &[protocol, 0, 0, 0])];
        let answer = self.ask_anew(METHOD_ALLOCATE, transport)?;
        let mut relayed = RelayedAddress::default();
        relayed.get_from(&answer).unwrap();
        Ok(SocketAddr::new(relayed.ip, relayed.port))
    }

    /// Learns the nonce, and asks.
    pub(crate) fn ask_anew(
        &mut self,
        method: Method,
        attributes: &[(u16, &[u8])],
    ) -> Result<Message, u16> {
        let unsigned = self.request(method, attributes);
        self.stream.write_all(&unsigned.raw).unwrap();
        assert_eq!(self.answer().unwrap().unwrap_err(), 401);
        self.ask(method, attributes, None)
    }

    /// Sends what stands in a channel, padded.
    pub(crate) fn send_channel_data(&mut self, number: u16, data: &[u8]) -> io::Result<()> {
        self.stream.write_all(&channel_data(number, data))
    }

    /// The next message, padding left out.
    pub(crate) fn read_message(&mut self) -> io::Result<Vec<u8>> {
        let mut message = vec![0; 4];
        self.stream.read_exact(&mut message)?;
        let length = usize::from(u16::from_be_bytes([message[2], message[3]]));
        let (whole, padded) = match message[0] >> 6 {
            0 => (20 + length, 20 + length),
            _ => (4 + length, (4 + length).next_multiple_of(4)),
        };
        message.resize(padded, 0);
        self.stream.read_exact(&mut message[4..])?;
        message.truncate(whole);
        Ok(message)
    }
}

/// The address that an answer says the client has.
pub(crate) fn mapped(answer: &Message) -> SocketAddr {
    let mut mapped = XorMappedAddress::default();
    mapped.get_from(answer).unwrap();
    SocketAddr::new(mapped.ip, mapped.port)
}

/// ChannelData as it stands in a stream.
pub(crate) fn channel_data(number: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    let mut message = [&number.to_be_bytes(), &length.to_be_bytes(), data].concat();
    message.resize(message.len().next_multiple_of(4), 0);
    message
}

/// Reads until the other side has closed; false when it does not in time.
pub(crate) fn is_closed(stream: &mut impl Read) -> bool {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => {
                let waits = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
                return !waits.contains(&error.kind());
            }
        }
    }
}

#[derive(Debug)]
struct Believer;

impl ServerCertVerifier for Believer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
