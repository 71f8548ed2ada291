//! A stream that can keep back the answer to an upgrade, so that it goes out with what is said after it.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// Found by handlers among a request's extensions. A handler that upgrades the connection may keep its answer back;
/// it has to write it then, before anything else: see [`AnswerStream::into_parts`].
#[derive(Clone, Debug, Default)]
pub struct KeepAnswer(Arc<AtomicBool>);

impl KeepAnswer {
    /// From here on nothing is written, until the upgrade.
    pub fn keep(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A connection's stream while HTTP is spoken on it.
#[derive(Debug)]
pub struct AnswerStream {
    stream: TcpStream,
    keep: KeepAnswer,
    kept: Vec<u8>,
}

impl AnswerStream {
    pub(crate) fn new(stream: TcpStream, keep: KeepAnswer) -> Self {
        Self {
            stream,
            keep,
            kept: Vec::new(),
        }
    }

    /// The stream, and what is still to be written to it.
    pub fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.stream, self.kept)
    }

    fn keeps(&self) -> bool {
        self.keep.0.load(Ordering::Relaxed)
    }
}

impl AsyncRead for AnswerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for AnswerStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.keeps() {
            self.kept.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.keeps() {
            let before = self.kept.len();
            for slice in slices {
                self.kept.extend_from_slice(slice);
            }
            return Poll::Ready(Ok(self.kept.len() - before));
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
