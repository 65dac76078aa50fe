//! The reliable bytes of a session on their way out: send buffer and replay buffer in one.
//!
//! Offsets count from the start of the session: `acked <= sent <= reached <= end`. Sockets are
//! read straight into the ring, TLS encrypts out of it, an acknowledgement moves its tail, a new
//! transport moves `sent` to where the peer is.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use super::pool::{CHUNK, Pool};

#[derive(Debug)]
struct Chunk {
    bytes: Box<[u8]>,
    /// Offset of `bytes[0]`.
    start: u64,
    /// How much of `bytes` is filled.
    len: usize,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    chunks: VecDeque<Chunk>,
    acked: u64,
    /// Sent on the present transport.
    sent: u64,
    /// Sent on any transport: the peer may have it, whatever became of that transport.
    reached: u64,
    end: u64,
    /// Index of the chunk that holds `sent`; meaningful while `sent < end`.
    sending: usize,
    /// Bytes behind `end` that the last [`Ring::space`] lent and that were not appended yet.
    /// Somebody may be writing there, so their chunk stays.
    lent: usize,
}

/// An acknowledgement outside what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AckOutside;

impl Ring {
    /// Bytes appended and not yet sent on the present transport.
    pub(crate) fn unsent_len(&self) -> u64 {
        self.end - self.sent
    }

    /// Bytes kept.
    pub(crate) fn retained(&self) -> u64 {
        self.end - self.acked
    }

    /// Bytes appended since the session began.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Bytes that the peer has, as far as it has said.
    pub(crate) fn acked(&self) -> u64 {
        self.acked
    }

    /// Bytes of memory it holds.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn memory(&self) -> usize {
        self.chunks.len() * CHUNK
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn reached(&self) -> u64 {
        self.reached
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Room of at least `min` bytes at the end, in one piece; more if the chunk has it.
    /// `min` is at most [`CHUNK`].
    pub(crate) fn space(&mut self, min: usize, pool: &mut Pool) -> &mut [u8] {
        let fits = self.chunks.back().is_some_and(|chunk| CHUNK - chunk.len >= min);
        if !fits {
            self.chunks.push_back(Chunk { bytes: pool.take(), start: self.end, len: 0 });
        }
        match self.chunks.back_mut() {
            Some(chunk) => {
                let space = &mut chunk.bytes[chunk.len..];
                self.lent = space.len();
                space
            }
            None => &mut [],
        }
    }

    /// What was lent by the last [`Self::space`].
    pub(crate) fn lent(&self) -> &[u8] {
        let chunk = self.chunks.back();
        let lent = chunk.and_then(|chunk| chunk.bytes.get(chunk.len..chunk.len + self.lent));
        lent.unwrap_or_default()
    }

    /// Takes in the first `n` bytes of the last [`Self::space`], which is over with this.
    pub(crate) fn append(&mut self, n: usize) {
        let last = self.chunks.len().saturating_sub(1);
        if let Some(chunk) = self.chunks.back_mut() {
            let n = n.min(self.lent);
            if self.sent == self.end {
                self.sending = last;
            }
            chunk.len += n;
            self.end += n as u64;
            self.lent = 0;
        }
    }

    /// Ends the last [`Self::space`] unused, and gives its chunk back if nothing else is in it.
    pub(crate) fn trim(&mut self, pool: &mut Pool) {
        self.lent = 0;
        let unused = |chunk: &Chunk| chunk.start + chunk.len as u64 <= self.acked || chunk.len == 0;
        if self.chunks.back().is_some_and(unused)
            && let Some(chunk) = self.chunks.pop_back()
        {
            pool.give(chunk.bytes);
        }
    }

    /// The next bytes to send, as far as they lie in one piece.
    pub(crate) fn unsent(&self) -> &[u8] {
        if self.sent == self.end {
            return &[];
        }
        match self.chunks.get(self.sending) {
            Some(chunk) => &chunk.bytes[(self.sent - chunk.start) as usize..chunk.len],
            None => &[],
        }
    }

    /// The first `n` bytes of [`Self::unsent`] went to the transport.
    pub(crate) fn mark_sent(&mut self, n: usize) {
        self.sent += n.min(self.unsent().len()) as u64;
        self.reached = self.reached.max(self.sent);
        let full = self
            .chunks
            .get(self.sending)
            .is_some_and(|chunk| self.sent >= chunk.start + chunk.len as u64);
        if full && self.sent < self.end {
            self.sending += 1;
        }
    }

    /// The peer has everything before `offset`: it need not be kept.
    pub(crate) fn acknowledge(&mut self, offset: u64, pool: &mut Pool) -> Result<(), AckOutside> {
        if offset < self.acked || offset > self.sent {
            return Err(AckOutside);
        }
        self.release(offset, pool);
        Ok(())
    }

    /// Gives back what lies before `offset`.
    fn release(&mut self, offset: u64, pool: &mut Pool) {
        self.acked = offset;
        while let Some(chunk) = self.chunks.front() {
            let is_lent = self.lent > 0 && self.chunks.len() == 1;
            if chunk.start + chunk.len as u64 > offset || is_lent {
                break;
            }
            if let Some(chunk) = self.chunks.pop_front() {
                pool.give(chunk.bytes);
                self.sending = self.sending.saturating_sub(1);
            }
        }
    }

    /// Whether the peer can have taken in `offset` bytes: no fewer than it has acknowledged, no
    /// more than ever went to any transport.
    pub(crate) fn check_reached(&self, offset: u64) -> Result<(), AckOutside> {
        if (self.acked..=self.reached).contains(&offset) { Ok(()) } else { Err(AckOutside) }
    }

    /// A new transport begins: what the peer has not got, from `offset` on, is sent again.
    /// Says how many bytes.
    pub(crate) fn rewind(&mut self, offset: u64, pool: &mut Pool) -> Result<u64, AckOutside> {
        self.check_reached(offset)?;
        self.release(offset, pool);
        self.sent = offset;
        // What lies before the offset is gone, so the first chunk holds it.
        self.sending = 0;
        Ok(self.reached - offset)
    }

    /// Gives all memory back.
    pub(crate) fn clear(&mut self, pool: &mut Pool) {
        while let Some(chunk) = self.chunks.pop_front() {
            pool.give(chunk.bytes);
        }
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn push(ring: &mut Ring, pool: &mut Pool, bytes: &[u8]) {
        ring.space(bytes.len(), pool)[..bytes.len()].copy_from_slice(bytes);
        ring.append(bytes.len());
    }

    #[test]
    fn bytes_come_out_as_they_went_in_and_memory_goes_back() {
        let (mut ring, mut pool) = (Ring::default(), Pool::new(100));
        let mut expected = Vec::new();
        let mut out = Vec::new();
        for i in 0..300_u32 {
            let part = [i as u8; 1500];
            push(&mut ring, &mut pool, &part);
            expected.extend_from_slice(&part);
            if i % 3 == 0 {
                let take = ring.unsent().len().min(2000);
                out.extend_from_slice(&ring.unsent()[..take]);
                ring.mark_sent(take);
                let acked = ring.sent.saturating_sub(1000).max(ring.acked);
                ring.acknowledge(acked, &mut pool).unwrap();
                assert!(ring.retained() >= ring.unsent_len());
            }
        }
        while !ring.unsent().is_empty() {
            let take = ring.unsent().len();
            out.extend_from_slice(ring.unsent());
            ring.mark_sent(take);
        }
        assert_eq!(out, expected);
        ring.acknowledge(ring.end, &mut pool).unwrap();
        assert_eq!((ring.chunks.len(), ring.retained()), (0, 0));
    }

    #[test]
    fn after_a_rewind_the_rest_comes_again() {
        let (mut ring, mut pool) = (Ring::default(), Pool::new(100));
        let bytes: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
        for part in bytes.chunks(3000) {
            push(&mut ring, &mut pool, part);
        }
        for offset in [0_u64, 1, 64_999, 65_000, 131_000, 199_999, 200_000] {
            while ring.unsent_len() > 0 {
                ring.mark_sent(ring.unsent().len().min(7000));
            }
            assert_eq!(ring.rewind(offset, &mut pool), Ok(200_000 - offset));
            let mut again = Vec::new();
            while ring.unsent_len() > 0 {
                again.extend_from_slice(ring.unsent());
                ring.mark_sent(ring.unsent().len());
            }
            assert!(again == bytes[offset as usize..]);
        }
        assert_eq!(ring.rewind(0, &mut pool), Err(AckOutside), "acknowledged before");
        assert_eq!(ring.rewind(200_001, &mut pool), Err(AckOutside), "never sent");
    }

    #[test]
    fn the_peer_may_have_what_went_to_an_older_transport() {
        let (mut ring, mut pool) = (Ring::default(), Pool::new(1));
        push(&mut ring, &mut pool, b"hello world");
        ring.mark_sent(8);
        assert_eq!(ring.rewind(2, &mut pool), Ok(6));
        ring.mark_sent(1);
        assert_eq!(ring.acknowledge(5, &mut pool), Err(AckOutside), "not on this transport");
        // Meanwhile the peer has read the older one on.
        assert_eq!(ring.rewind(7, &mut pool), Ok(1));
        assert_eq!(ring.unsent(), b"orld");
        assert_eq!(ring.rewind(9, &mut pool), Err(AckOutside), "never sent");
        assert_eq!(ring.unsent(), b"orld", "a refused rewind changes nothing");
    }

    #[test]
    fn an_acknowledgement_outside_is_refused() {
        let (mut ring, mut pool) = (Ring::default(), Pool::new(1));
        push(&mut ring, &mut pool, b"hello");
        assert_eq!(ring.acknowledge(1, &mut pool), Err(AckOutside), "not sent yet");
        ring.mark_sent(5);
        ring.acknowledge(3, &mut pool).unwrap();
        assert_eq!(ring.acknowledge(2, &mut pool), Err(AckOutside), "goes back");
        assert_eq!(ring.acknowledge(6, &mut pool), Err(AckOutside), "never sent");
    }

    #[test]
    fn an_acknowledgement_leaves_lent_space_alone() {
        let (mut ring, mut pool) = (Ring::default(), Pool::new(1));
        push(&mut ring, &mut pool, b"hello");
        ring.space(5, &mut pool)[..5].copy_from_slice(b"world");
        ring.mark_sent(5);
        ring.acknowledge(5, &mut pool).unwrap();
        ring.append(5);
        assert_eq!(ring.unsent(), b"world");
        ring.mark_sent(5);
        // Given up instead: the chunk goes with the trim.
        assert!(ring.space(5, &mut pool).len() > 5);
        ring.acknowledge(10, &mut pool).unwrap();
        assert_eq!(ring.chunks.len(), 1);
        ring.trim(&mut pool);
        assert_eq!(ring.chunks.len(), 0);
    }

    #[test]
    fn more_than_there_is_cannot_be_sent_or_appended() {
        let (mut ring, mut pool) = (Ring::default(), Pool::new(1));
        push(&mut ring, &mut pool, &[1; CHUNK - 10]);
        push(&mut ring, &mut pool, &[2; 100]);
        ring.mark_sent(usize::MAX);
        assert_eq!(ring.unsent(), [2; 100], "the rest of one piece at a time");
        ring.append(usize::MAX);
        assert_eq!(ring.unsent(), [2; 100], "nothing was lent");
    }

    #[test]
    fn unused_space_is_given_back() {
        let (mut ring, mut pool) = (Ring::default(), Pool::new(1));
        assert_eq!(ring.space(100, &mut pool).len(), CHUNK);
        ring.trim(&mut pool);
        assert_eq!((ring.chunks.len(), pool.take().len()), (0, CHUNK));
    }
}
