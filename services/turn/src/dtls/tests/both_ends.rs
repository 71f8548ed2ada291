use std::{
    fs, mem,
    sync::Arc,
    time::{Duration, Instant},
};

use dimpl::{Config, Dtls, DtlsCertificate, Output};
use relay::{Client, ListenerId};

use super::super::Associations;
use crate::{
    quotas::Quotas,
    streams::{SourceLimits, Sources, Terms},
    tls::Certificates,
};

pub(super) const LISTENER: ListenerId = ListenerId(1);
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn client(address: &str) -> Client {
    Client {
        listener: LISTENER,
        address: address.parse().unwrap(),
    }
}

fn certificates() -> Certificates {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = std::env::temp_dir().join(format!(
        "trunkline-dtls-{}-{}",
        std::process::id(),
        getrandom::u64().unwrap()
    ));
    fs::create_dir_all(&folder).unwrap();
    let (cert, key) = (folder.join("cert"), folder.join("key"));
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let certificates = Certificates::load(&cert, &key, true).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    certificates
}

/// One thread's associations, and its clock.
pub(super) struct Server {
    pub(super) associations: Associations,
    pub(super) now: Instant,
}

/// What came of a datagram.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Heard {
    pub(super) is_over: bool,
    pub(super) messages: Vec<Vec<u8>>,
    pub(super) answers: Vec<Vec<u8>>,
}

impl Server {
    pub(super) fn new(limits: SourceLimits) -> Self {
        let now = Instant::now();
        let terms = Terms {
            patience: PATIENCE,
            trusted_proxies: Vec::new(),
            tls: None,
            certificates: Some(Arc::new(certificates())),
            sources: Arc::new(Sources::new(limits, now)),
            quotas: Arc::new(Quotas::new(0, 1)),
            counts: Arc::default(),
        };
        Self {
            associations: Associations::new(1..2, Arc::new(terms)).unwrap(),
            now,
        }
    }

    pub(super) fn hear(&mut self, client: Client, datagram: &[u8]) -> Heard {
        let mut heard = Heard::default();
        let mut messages = self.associations.take_messages();
        heard.is_over =
            self.associations
                .receive(client, datagram, self.now, &mut messages, |answer| {
                    heard.answers.push(answer.to_vec());
                });
        heard.messages = messages.iter().map(<[u8]>::to_vec).collect();
        self.associations.return_messages(messages);
        heard
    }

    /// Ends a round some time later; tells who has ended, and what was sent.
    pub(super) fn round(
        &mut self,
        later: Duration,
        has_allocation: bool,
    ) -> (Vec<Client>, Vec<Vec<u8>>) {
        self.now += later;
        let mut sent = Vec::new();
        let ended = self.associations.overdue(
            self.now,
            |_| has_allocation,
            |_, datagram| sent.push(datagram.to_vec()),
        );
        (ended, sent)
    }

    pub(super) fn send(&mut self, client: Client, message: &[u8]) -> Option<Vec<Vec<u8>>> {
        let mut sent = Vec::new();
        let (head, tail) = message.split_at(message.len() / 2);
        self.associations
            .send(client, &[head, tail], |datagram| {
                sent.push(datagram.to_vec())
            })
            .then_some(sent)
    }

    pub(super) fn metrics(&self) -> String {
        let mut registry = prometheus_client::registry::Registry::default();
        let counts = self.associations.terms.counts.clone();
        registry.register_collector(Box::new(crate::streams::Exported(counts)));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }

    pub(super) fn has_counted(&self, line: &str) {
        let metrics = self.metrics();
        assert!(metrics.lines().any(|other| other == line), "{metrics}");
    }
}

/// The other end, of the same library.
pub(super) struct Peer {
    pub(super) dtls: Dtls,
    pub(super) is_connected: bool,
    pub(super) is_closed: bool,
    pub(super) messages: Vec<Vec<u8>>,
}

impl Peer {
    pub(super) fn new(now: Instant) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let config = Arc::new(Config::builder().build().unwrap());
        let certificate = DtlsCertificate {
            certificate: made.cert.der().to_vec(),
            private_key: made.signing_key.serialize_der(),
        };
        let mut dtls = Dtls::new_12(config, certificate, now);
        dtls.set_active(true);
        dtls.handle_timeout(now).unwrap();
        Self {
            dtls,
            is_connected: false,
            is_closed: false,
            messages: Vec::new(),
        }
    }

    /// What it has to say.
    pub(super) fn say(&mut self) -> Vec<Vec<u8>> {
        let (mut said, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(datagram) => said.push(datagram.to_vec()),
                Output::ApplicationData(message) => self.messages.push(message.to_vec()),
                Output::Connected => self.is_connected = true,
                Output::CloseNotify => self.is_closed = true,
                Output::Timeout(_) => return said,
                Output::BufferTooSmall { .. }
                | Output::PeerCert(_)
                | Output::KeyingMaterial(..)
                | _ => {}
            }
        }
    }

    pub(super) fn hear(&mut self, datagrams: &[Vec<u8>]) {
        for datagram in datagrams {
            self.dtls.handle_packet(datagram).unwrap();
        }
    }

    pub(super) fn encrypt(&mut self, message: &[u8]) -> Vec<u8> {
        self.dtls.send_application_data(message).unwrap();
        self.say().remove(0)
    }

    /// Comes back with its cookie; what it says then.
    pub(super) fn greet(&mut self, server: &mut Server, client: Client) -> Vec<u8> {
        let hello = self.say().remove(0);
        let heard = server.hear(client, &hello);
        self.hear(&heard.answers);
        self.say().remove(0)
    }

    pub(super) fn connect(server: &mut Server, client: Client) -> Self {
        let mut peer = Self::new(server.now);
        let hello = peer.greet(server, client);
        peer.go_on(server, client, vec![hello]);
        peer
    }

    pub(super) fn go_on(&mut self, server: &mut Server, client: Client, mut said: Vec<Vec<u8>>) {
        for _ in 0..10 {
            for datagram in mem::take(&mut said) {
                let heard = server.hear(client, &datagram);
                self.hear(&heard.answers);
                said.extend(self.say());
            }
        }
        assert!(self.is_connected);
    }
}
