//! Tickets with which a client takes its allocation along to another address, RFC 8016.
//!
//! ```text
//! thread 2 | allocation 8 | serial 4   sealed with AES-256-GCM-SIV: 16 bytes more; stuffed: one byte more
//! ```
//!
//! Nothing is kept for a ticket: the allocation has the serial of the last one that was used, and takes that one,
//! since its answer may be lost, and the next, which that answer brought. An allocation's id is never used again, and
//! so no ticket is good for another one, nor after its allocation's end. The key is a process's, as allocations are.

use std::{mem, sync::Arc};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::{AllocationId, Home};

const CONTENT_BYTES: usize = 2 + 8 + 4;
const SEALED_BYTES: usize = CONTENT_BYTES + 16;

/// Bytes of a ticket. Coturn's client has room for 32, and ends at the first that is zero: there is none.
const TICKET_BYTES: usize = SEALED_BYTES + 1;

/// What lets clients of a relay move: how it seals tickets, and which of its process's relays it is, so that the
/// others know whom a ticket is for.
#[derive(Clone, Debug)]
pub struct Mobility {
    key: Arc<LessSafeKey>,
    thread: u16,
}

/// What a ticket says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) thread: u16,
    pub(crate) allocation: AllocationId,
    pub(crate) serial: u32,
}

impl Ticket {
    pub(crate) fn home(self) -> Home {
        Home {
            thread: self.thread,
            allocation: self.allocation,
        }
    }
}

impl Mobility {
    /// `key` is random, drawn when the process starts, and the same for all of its threads.
    pub fn new(key: &[u8; 32], thread: u16) -> Self {
        let key = UnboundKey::new(&AES_256_GCM_SIV, key).expect("the key has as many bytes");
        Self {
            key: Arc::new(LessSafeKey::new(key)),
            thread,
        }
    }

    pub(crate) fn thread(&self) -> u16 {
        self.thread
    }

    /// The ticket of this relay's allocation; the same serial makes the same ticket.
    pub(crate) fn seal(&self, allocation: AllocationId, serial: u32) -> Vec<u8> {
        let mut ticket = Vec::with_capacity(SEALED_BYTES);
        ticket.extend_from_slice(&self.thread.to_be_bytes());
        ticket.extend_from_slice(&allocation.to_bits().to_be_bytes());
        ticket.extend_from_slice(&serial.to_be_bytes());
        self.key
            .seal_in_place_append_tag(nonce(), Aad::empty(), &mut ticket)
            .expect("fourteen bytes are no more than can be sealed");
        stuffed(&ticket)
    }

    /// What the ticket says, if a relay of this process has sealed it.
    pub(crate) fn open(&self, ticket: &[u8]) -> Option<Ticket> {
        let mut content = unstuffed(ticket)?;
        let content = self
            .key
            .open_in_place(nonce(), Aad::empty(), &mut content)
            .ok()?;
        let (thread, rest) = content.split_first_chunk()?;
        let (allocation, rest) = rest.split_first_chunk()?;
        let (serial, _) = rest.split_first_chunk()?;
        Some(Ticket {
            thread: u16::from_be_bytes(*thread),
            allocation: AllocationId::from_bits(u64::from_be_bytes(*allocation)),
            serial: u32::from_be_bytes(*serial),
        })
    }
}

/// What holds any bytes without one that is zero: where there is one, the distance to the next, and to the first
/// of them in front (COBS, S. Cheshire and M. Baker, 1999).
fn stuffed(bytes: &[u8]) -> Vec<u8> {
    let mut stuffed = [&[0], bytes].concat();
    let mut next = stuffed.len();
    for at in (0..stuffed.len()).rev() {
        if stuffed[at] == 0 {
            stuffed[at] = u8::try_from(next - at).expect("tickets are short");
            next = at;
        }
    }
    stuffed
}

/// What was stuffed, if it is a ticket's.
fn unstuffed(ticket: &[u8]) -> Option<[u8; SEALED_BYTES]> {
    let mut bytes: [u8; TICKET_BYTES] = ticket.try_into().ok()?;
    let mut at = 0;
    while let Some(distance) = bytes.get_mut(at) {
        at += usize::from(mem::take(distance)).max(1);
    }
    let sealed: [u8; SEALED_BYTES] = bytes[1..].try_into().ok()?;
    // There is one way to write it.
    (stuffed(&sealed) == ticket).then_some(sealed)
}

/// GCM-SIV shows with one nonce which tickets are equal, and nothing else: a ticket that is given again is meant to be.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn a_ticket_is_read_by_every_thread_of_its_process_and_by_nobody_else() {
        let allocation = AllocationId::from_bits(0x0123_4567_89AB_CDEF);
        let ticket = Mobility::new(&[1; 32], 3).seal(allocation, 9);
        assert_eq!(ticket.len(), TICKET_BYTES);
        let said = Ticket {
            thread: 3,
            allocation,
            serial: 9,
        };
        assert_eq!(Mobility::new(&[1; 32], 0).open(&ticket), Some(said));
        assert_eq!(Mobility::new(&[2; 32], 3).open(&ticket), None);
    }

    #[test]
    fn a_ticket_that_was_changed_is_none() {
        let mobility = Mobility::new(&[1; 32], 0);
        let ticket = mobility.seal(AllocationId::from_bits(1), 0);
        for bit in 0..8 * TICKET_BYTES {
            let mut changed = ticket.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(mobility.open(&changed), None);
        }
        for length in [0, TICKET_BYTES - 1] {
            assert_eq!(mobility.open(&ticket[..length]), None);
        }
        assert_eq!(mobility.open(&[&ticket[..], &[0]].concat()), None);
    }

    proptest! {
        #[test]
        fn a_ticket_has_no_byte_that_is_zero_and_is_written_in_one_way(
            mut sealed: [u8; SEALED_BYTES],
            zeros in vec(0..SEALED_BYTES, 0..SEALED_BYTES),
            other: [u8; TICKET_BYTES],
        ) {
            for at in zeros {
                sealed[at] = 0;
            }
            let ticket = stuffed(&sealed);
            prop_assert!(!ticket.contains(&0));
            prop_assert_eq!(unstuffed(&ticket), Some(sealed));
            if let Some(sealed) = unstuffed(&other) {
                prop_assert_eq!(stuffed(&sealed), other);
            }
        }
    }

    #[test]
    fn tickets_of_one_allocation_are_nothing_alike() {
        let mobility = Mobility::new(&[1; 32], 0);
        let [one, other] = [0, 1].map(|serial| mobility.seal(AllocationId::from_bits(1), serial));
        assert_ne!(one[1..3], other[1..3]);
        assert_ne!(one[..CONTENT_BYTES], other[..CONTENT_BYTES]);
    }
}
