use std::{cell::Cell, sync::Arc, time::Instant};

use dimpl::{
    Config, CryptoError, Dtls, DtlsCertificate, Error, Output,
    crypto::{CryptoProvider, Dtls12CipherSuite, HashAlgorithm, HmacProvider, aws_lc_rs},
};

use super::client_hello::{COOKIE, of_nobody};

/// Longest message that goes into one record, RFC 5246 §6.2.1.
pub(super) const MAX_MESSAGE: usize = 1 << 14;

/// Longest datagram that is taken before the handshake is over: what a client says then is shorter, and is kept for who
/// has not shown anything but its address.
const MAX_HANDSHAKE_DATAGRAM: usize = 2048;

/// Records, and messages of the handshake, that are kept for each association while an earlier one is missing.
const MAX_KEPT: usize = 8;

/// Room for any datagram that a library's association makes.
const BUFFER: usize = 1 << 16;

thread_local! {
    /// The cookie that the library is to find good next.
    static VOUCHED: Cell<Option<[u8; COOKIE]>> = const { Cell::new(None) };
}

/// Says of a hello's cookie that it is good where it was checked before.
///
/// The library asks for cookies itself, but only out of an association that it keeps: with this every address that is
/// named in a datagram costs kilobytes, whoever sent it (GHSA-5x2p-4vqj-f6m4 in another relay). So cookies are asked for and
/// checked before there is one. The association is then told of a hello of nobody, for which it asks a cookie that is
/// not sent, and of the real one; and while it handles that, the first HMAC that it computes is the cookie it compares.
#[derive(Debug)]
struct Vouching;

static VOUCHING: Vouching = Vouching;

impl HmacProvider for Vouching {
    fn hmac(
        &self,
        hash: HashAlgorithm,
        key: &[u8],
        data: &[u8],
        out: &mut [u8],
    ) -> Result<usize, CryptoError> {
        if let (Some(cookie), Some(out)) = (VOUCHED.take(), out.first_chunk_mut()) {
            *out = cookie;
            return Ok(COOKIE);
        }
        let provider = aws_lc_rs::default_provider();
        provider.hmac_provider.hmac(hash, key, data, out)
    }
}

/// What all associations go by: DTLS 1.2, without certificates of clients, and with ChaCha20-Poly1305 alone: of AES-GCM
/// the library draws the nonces by chance, 64 bits of them, which media at some thousand packets a second would repeat
/// (RFC 5288 §3 forbids it); of this one it counts them (RFC 7905 §2).
///
/// # Errors
/// When the library finds its own ciphers wrong.
pub(super) fn config() -> Result<Arc<Config>, Error> {
    let provider = CryptoProvider {
        hmac_provider: &VOUCHING,
        ..aws_lc_rs::default_provider()
    };
    Config::builder()
        .with_crypto_provider(provider)
        .require_client_certificate(false)
        .use_server_cookie(true)
        .max_queue_rx(MAX_KEPT)
        .dtls12_cipher_suites(&[Dtls12CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305_SHA256])
        .build()
        .map(Arc::new)
}

/// Whether the library can sign with a key, in DER: it has ECDSA on P-256 and P-384.
pub(crate) fn can_sign_with(key: &[u8]) -> bool {
    let provider = aws_lc_rs::default_provider();
    provider.key_provider.load_private_key(key).is_ok()
}

/// What datagrams an association sends, and messages that came over it.
pub(super) trait Sink {
    fn send(&mut self, datagram: &[u8]);
    fn receive(&mut self, message: &[u8]);
}

/// Why an association is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// The client has said so.
    Closed,
    /// It did not keep to the protocol, or did not answer.
    Failed,
}

/// What an association is read out into.
#[derive(Debug)]
pub(super) struct Buffer(Box<[u8]>);

impl Default for Buffer {
    fn default() -> Self {
        Self(vec![0; BUFFER].into_boxed_slice())
    }
}

/// One client's keys, and its handshake before.
#[derive(Debug)]
pub(super) struct Association {
    dtls: Dtls,
    /// When it is to be told the time.
    due: Instant,
    is_connected: bool,
}

impl Association {
    /// Answers a hello whose cookie was found good.
    ///
    /// # Errors
    /// When it cannot be agreed with.
    pub(super) fn accept(
        config: &Arc<Config>,
        certificate: &DtlsCertificate,
        hello: &[u8],
        cookie: [u8; COOKIE],
        now: Instant,
        buffer: &mut Buffer,
        sink: &mut impl Sink,
    ) -> Result<Self, Over> {
        struct Nowhere;
        impl Sink for Nowhere {
            fn send(&mut self, _: &[u8]) {}
            fn receive(&mut self, _: &[u8]) {}
        }
        let mut association = Self {
            dtls: Dtls::new_12(config.clone(), certificate.clone(), now),
            due: now,
            is_connected: false,
        };
        association.handle(&of_nobody(), now, buffer, &mut Nowhere)?;
        VOUCHED.set(Some(cookie));
        let handled = association.handle(hello, now, buffer, sink);
        VOUCHED.set(None);
        handled.map(|()| association)
    }

    /// A datagram that is too long for what can stand in it is left alone.
    ///
    /// # Errors
    /// When it is over.
    pub(super) fn handle(
        &mut self,
        datagram: &[u8],
        now: Instant,
        buffer: &mut Buffer,
        sink: &mut impl Sink,
    ) -> Result<(), Over> {
        if !self.is_connected && datagram.len() > MAX_HANDSHAKE_DATAGRAM {
            return Ok(());
        }
        let handled = self
            .dtls
            .handle_timeout(now)
            .and_then(|()| self.dtls.handle_packet(datagram));
        let drained = self.drain(buffer, sink);
        handled.map_err(|error| failed(&error)).and(drained)
    }

    /// Sends again what was not answered.
    ///
    /// # Errors
    /// When it is over.
    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        buffer: &mut Buffer,
        sink: &mut impl Sink,
    ) -> Result<(), Over> {
        if now < self.due {
            return Ok(());
        }
        let handled = self.dtls.handle_timeout(now);
        handled.map_err(|error| failed(&error))?;
        self.drain(buffer, sink)
    }

    /// Encrypts a message.
    ///
    /// # Errors
    /// When it is over.
    pub(super) fn send(
        &mut self,
        message: &[u8],
        buffer: &mut Buffer,
        sink: &mut impl Sink,
    ) -> Result<(), Over> {
        let sent = self.dtls.send_application_data(message);
        sent.map_err(|error| failed(&error))?;
        self.drain(buffer, sink)
    }

    /// Says that it is over.
    pub(super) fn close(&mut self, buffer: &mut Buffer, sink: &mut impl Sink) {
        if self.dtls.close().is_ok() {
            let _ = self.drain(buffer, sink);
        }
    }

    fn drain(&mut self, buffer: &mut Buffer, sink: &mut impl Sink) -> Result<(), Over> {
        let mut result = Ok(());
        loop {
            match self.dtls.poll_output(&mut buffer.0) {
                Output::Packet(datagram) => sink.send(datagram),
                Output::ApplicationData(message) => sink.receive(message),
                Output::CloseNotify => result = Err(Over::Closed),
                Output::Timeout(due) => {
                    self.due = due;
                    return result;
                }
                // No datagram is longer than the buffer.
                Output::BufferTooSmall { .. } => return Err(Over::Failed),
                Output::Connected => self.is_connected = true,
                Output::PeerCert(_) | Output::KeyingMaterial(..) | _ => {}
            }
        }
    }
}

fn failed(error: &Error) -> Over {
    tracing::debug!(%error, "an association of DTLS");
    Over::Failed
}
