use std::{
    collections::VecDeque,
    io::{self, Write},
};

/// Messages that wait for the kernel to take them. What it once grew to is given back when it is empty.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// What was written already.
    written: usize,
    /// Of each message what was not written.
    lengths: VecDeque<usize>,
}

/// Capacity that an empty outbox keeps: a busy client's is not allocated for every packet.
const KEPT_BYTES: usize = 4096;

impl Outbox {
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a message of several parts if it then holds at most `limit` bytes; the whole of it or nothing.
    #[must_use]
    pub(super) fn push(&mut self, parts: &[&[u8]], limit: usize) -> bool {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let fits = self.len() + length <= limit;
        if fits {
            if self.written > self.bytes.len() / 2 {
                self.bytes.drain(..self.written);
                self.written = 0;
            }
            for part in parts {
                self.bytes.extend_from_slice(part);
            }
            self.lengths.push_back(length);
        }
        fits
    }

    /// All that waits.
    fn front(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// The first message that waits, or what is left of it.
    pub(super) fn front_message(&self) -> &[u8] {
        &self.front()[..self.lengths.front().copied().unwrap_or_default()]
    }

    /// Takes so many bytes of the front out.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.written += bytes;
        let mut consumed = bytes;
        while let Some(length) = self.lengths.front_mut() {
            if *length > consumed {
                *length -= consumed;
                break;
            }
            consumed -= *length;
            self.lengths.pop_front();
        }
        if self.is_empty() {
            self.written = 0;
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_BYTES);
            self.lengths.shrink_to(KEPT_BYTES / size_of::<usize>());
        }
    }

    /// Writes until it is empty, or nothing more is taken.
    ///
    /// # Errors
    /// The writer's, but for what is only a delay.
    pub(super) fn write_to(&mut self, writer: &mut impl Write) -> io::Result<()> {
        while !self.is_empty() {
            match writer.write(self.front()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => self.consume(bytes),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes three bytes of every write, and after so many bytes none.
    struct Narrow {
        taken: Vec<u8>,
        room: usize,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(3).min(self.room - self.taken.len());
            if taken == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.taken.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out_whole_and_the_rest_keeps_its_order() {
        let mut outbox = Outbox::default();
        let mut narrow = Narrow {
            taken: Vec::new(),
            room: 5,
        };
        assert!(outbox.push(&[b"abc", b"defg"], 10));
        assert!(!outbox.push(&[b"hijk"], 10));
        outbox.write_to(&mut narrow).unwrap();
        assert_eq!(outbox.front_message(), b"fg");
        assert!(outbox.push(&[b"lmnopqrs"], 10));
        assert!(!outbox.push(&[b"t"], 10));
        assert_eq!(outbox.front_message(), b"fg");
        narrow.room = 8;
        outbox.write_to(&mut narrow).unwrap();
        assert_eq!(outbox.front_message(), b"mnopqrs");
        narrow.room = 100;
        outbox.write_to(&mut narrow).unwrap();
        assert_eq!(narrow.taken, b"abcdefglmnopqrs");
        assert!(outbox.is_empty());
    }

    #[test]
    fn an_empty_outbox_keeps_little_memory() {
        let mut outbox = Outbox::default();
        assert!(outbox.push(&[&[0; 100_000]], 100_000));
        outbox.write_to(&mut io::sink()).unwrap();
        assert!(outbox.bytes.capacity() <= KEPT_BYTES);
    }
}
