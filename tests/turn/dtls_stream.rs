use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};

use dimpl::{Config, Dtls, DtlsCertificate, Output};

use crate::stream_client::StreamClient;

/// A client's association, and what came over it: each write is a message of its own, what is read has no bounds.
pub(crate) struct DtlsStream {
    socket: UdpSocket,
    dtls: Dtls,
    received: VecDeque<u8>,
    is_connected: bool,
    buffer: Vec<u8>,
}

impl DtlsStream {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(address).unwrap();
        Self::over(socket)
    }

    /// Begins anew from a socket that may have been somebody's.
    pub(crate) fn over(socket: UdpSocket) -> Self {
        let patience = Duration::from_secs(15);
        socket.set_read_timeout(Some(patience)).unwrap();
        let made = rcgen::generate_simple_self_signed(["client".to_owned()]).unwrap();
        let certificate = DtlsCertificate {
            certificate: made.cert.der().to_vec(),
            private_key: made.signing_key.serialize_der(),
        };
        let config = Arc::new(Config::builder().build().unwrap());
        let now = Instant::now();
        let mut stream = Self {
            socket,
            dtls: Dtls::new_12(config, certificate, now),
            received: VecDeque::new(),
            is_connected: false,
            buffer: vec![0; 1 << 16],
        };
        stream.dtls.set_active(true);
        stream.dtls.handle_timeout(now).unwrap();
        stream.drain().unwrap();
        while !stream.is_connected {
            stream.hear().unwrap();
        }
        stream
    }

    /// Says goodbye; gives the socket back.
    pub(crate) fn close(mut self) -> UdpSocket {
        self.dtls.close().unwrap();
        self.drain().unwrap();
        self.socket
    }

    /// Goes without a word.
    pub(crate) fn forget(self) -> UdpSocket {
        self.socket
    }

    fn hear(&mut self) -> io::Result<()> {
        let mut datagram = vec![0; 1 << 16];
        let length = self.socket.recv(&mut datagram)?;
        self.dtls
            .handle_timeout(Instant::now())
            .map_err(io::Error::other)?;
        self.dtls
            .handle_packet(&datagram[..length])
            .map_err(io::Error::other)?;
        self.drain()
    }

    fn drain(&mut self) -> io::Result<()> {
        loop {
            match self.dtls.poll_output(&mut self.buffer) {
                Output::Packet(datagram) => {
                    self.socket.send(datagram)?;
                }
                Output::ApplicationData(message) => self.received.extend(message),
                Output::Connected => self.is_connected = true,
                Output::Timeout(_) => return Ok(()),
                Output::CloseNotify
                | Output::BufferTooSmall { .. }
                | Output::PeerCert(_)
                | Output::KeyingMaterial(..)
                | _ => {}
            }
        }
    }
}

impl Read for DtlsStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.received.is_empty() {
            self.hear()?;
        }
        self.received.read(buffer)
    }
}

impl Write for DtlsStream {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        self.dtls
            .send_application_data(message)
            .map_err(io::Error::other)?;
        self.drain()?;
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl StreamClient<DtlsStream> {
    pub(crate) fn dtls(address: SocketAddr) -> Self {
        Self::new(DtlsStream::connect(address))
    }
}
