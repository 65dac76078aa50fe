//! Payload on its way from the buffer it was decrypted in straight to its sockets.
//!
//! The plaintext of one transport at a time is lent out in segments. Every socket keeps a chain
//! of its own. When all sockets had their chance, or the buffer is needed, what is left is
//! copied to the sockets' spills and the plaintext is given back.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Range;

use super::socket::Proxied;
use crate::contract::SocketId;

/// First and last segment of a socket's chain.
pub(super) type Chain = (u32, u32);

#[derive(Clone, Debug)]
struct Segment {
    range: Range<usize>,
    next: Option<u32>,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Lent {
    /// Whose plaintext it is.
    pub(super) transport: Option<SocketId>,
    /// How much of the plaintext is used up once all is written.
    pub(super) length: usize,
    /// Whether what comes may be lent at all.
    pub(super) lending: Lending,
    segments: Vec<Segment>,
    /// The sockets that have a chain, each once.
    pub(super) borrowers: Vec<SocketId>,
}

/// Whether payload may be lent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Lending {
    #[default]
    Open,
    /// It is in a buffer that does not live on: it has to be copied.
    Closed,
}

impl Lent {
    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Appends a segment to the chain of a socket.
    pub(super) fn push(&mut self, id: SocketId, socket: &mut Proxied, range: Range<usize>) {
        let index = self.segments.len() as u32;
        self.segments.push(Segment { range, next: None });
        socket.lent = match socket.lent {
            Some((first, last)) => {
                if let Some(segment) = self.segments.get_mut(last as usize) {
                    segment.next = Some(index);
                }
                Some((first, index))
            }
            None => {
                self.borrowers.push(id);
                Some((index, index))
            }
        };
    }

    /// The ranges of a socket's chain, in order.
    pub(super) fn ranges(&self, socket: &Proxied) -> impl Iterator<Item = Range<usize>> {
        self.chain(socket.lent)
    }

    fn chain(&self, chain: Option<Chain>) -> impl Iterator<Item = Range<usize>> {
        let mut next = chain.map(|(first, _)| first);
        core::iter::from_fn(move || {
            let segment = self.segments.get(next? as usize)?;
            next = segment.next;
            Some(segment.range.clone())
        })
    }

    /// The socket took `n` bytes off the front of its chain.
    pub(super) fn advance(&mut self, socket: &mut Proxied, mut n: usize) {
        while let Some((first, last)) = socket.lent {
            let Some(segment) = self.segments.get_mut(first as usize) else {
                return;
            };
            let take = n.min(segment.range.len());
            segment.range.start += take;
            n -= take;
            if !segment.range.is_empty() {
                return;
            }
            socket.lent = segment.next.map(|next| (next, last));
        }
    }

    /// Copies what is left of a socket's chain to its spill.
    pub(super) fn spill(&self, socket: &mut Proxied, plaintext: &[u8]) {
        let chain = socket.lent.take();
        self.copy_chain(chain, plaintext, &mut socket.spill);
    }

    /// Copies a chain of segments to the end of a spill.
    pub(super) fn copy_chain(
        &self,
        chain: Option<Chain>,
        plaintext: &[u8],
        spill: &mut VecDeque<u8>,
    ) {
        for range in self.chain(chain) {
            if let Some(bytes) = plaintext.get(range) {
                spill.extend(bytes);
            }
        }
    }

    /// Forgets all segments; the caller has settled every socket.
    pub(super) fn clear(&mut self) {
        self.transport = None;
        self.length = 0;
        self.segments.clear();
        self.borrowers.clear();
    }
}
