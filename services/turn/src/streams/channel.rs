use std::{
    fmt,
    io::{self, ErrorKind, Read, Write},
};

use mio::net::TcpStream;
use rustls::ServerConnection;

use super::outbox::Outbox;

/// Plaintext that is encrypted at a time: a record of TLS holds no more.
const RECORD_BYTES: usize = 16 * 1024;

/// Records that are written at a time.
const RECORDS: usize = 16;

/// What lies between a connection's socket and its messages.
pub(super) enum Channel {
    Plain,
    Tls(Box<ServerConnection>),
}

impl Channel {
    /// Reads what the other side said; 0 when it has said its last. Nothing may be written yet while TLS shakes
    /// hands, which this does.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] when there is no more now, [`ErrorKind::InvalidData`] when it is not TLS that can
    /// be understood, otherwise the socket's.
    pub(super) fn receive(
        &mut self,
        socket: &mut TcpStream,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        let Self::Tls(tls) = self else {
            return socket.read(buffer);
        };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // An end without the word for it is one too: media has no end that could be cut off.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            let read = tls.read_tls(socket);
            if tls.is_handshaking() && matches!(read, Ok(0)) {
                return Ok(0);
            }
            read?;
            let processed = tls.process_new_packets();
            // The alert that says what was wrong, or the next step of the handshake.
            write_tls(tls, socket)?;
            processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        }
    }

    /// Writes what waits, until nothing more is taken; tells how many bytes the socket has taken.
    ///
    /// # Errors
    /// The socket's, but for what is only a delay.
    pub(super) fn flush(
        &mut self,
        socket: &mut TcpStream,
        outbox: &mut Outbox,
    ) -> io::Result<usize> {
        let Self::Tls(tls) = self else {
            let before = outbox.len();
            outbox.write_to(socket)?;
            return Ok(before - outbox.len());
        };
        let mut written = 0;
        loop {
            written += write_tls(tls, socket)?;
            if outbox.is_empty() || tls.wants_write() {
                return Ok(written);
            }
            for _ in 0..RECORDS {
                // A record for each message: some clients take what they read at once for one.
                let message = outbox.front_message();
                let record = &message[..message.len().min(RECORD_BYTES)];
                let encrypted = tls.writer().write(record)?;
                if encrypted == 0 {
                    break;
                }
                outbox.consume(encrypted);
            }
            if !tls.wants_write() {
                // It takes nothing before the handshake is over.
                return Ok(written);
            }
        }
    }

    /// Whether all that was flushed has left.
    pub(super) fn has_written_all(&self) -> bool {
        match self {
            Self::Plain => true,
            Self::Tls(tls) => !tls.wants_write(),
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        match self {
            Self::Plain => false,
            Self::Tls(tls) => tls.is_handshaking(),
        }
    }

    /// Says that this was the last, if that can be said at once.
    pub(super) fn say_goodbye(&mut self, socket: &mut TcpStream) {
        if let Self::Tls(tls) = self {
            tls.send_close_notify();
            // Who does not take it will notice the end of the connection.
            let _ = write_tls(tls, socket);
        }
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "Plain",
            Self::Tls(_) => "Tls",
        })
    }
}

/// Writes what is encrypted, until nothing more is taken; tells how many bytes were.
fn write_tls(tls: &mut ServerConnection, socket: &mut TcpStream) -> io::Result<usize> {
    let mut written = 0;
    while tls.wants_write() {
        match tls.write_tls(socket) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(bytes) => written += bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}
