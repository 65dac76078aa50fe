//! One stored answer, whole or on its way.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;

use super::answer::Facts;
use super::request::CacheKey;

/// A body is kept in pieces of so many bytes.
pub(crate) const PIECE: usize = 64 * 1024;
/// What an answer costs beside its bytes.
const OVERHEAD: usize = 512;

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) key: CacheKey,
    /// First line and fields, without framing.
    pub(crate) head: Bytes,
    pub(crate) facts: Facts,
    pub(crate) growth: Growth,
    /// Whole pieces.
    pieces: VecDeque<Bytes>,
    /// Pieces that were taken off the front.
    gone: usize,
    /// The piece in the making.
    tail: Vec<u8>,
    /// Bytes of the body so far.
    pub(crate) length: u64,
    /// Browsers that read it, and requests that ask whether it is still good.
    pub(super) pins: u32,
    pub(super) listing: Listing,
    /// Bytes of memory that were counted for it.
    pub(super) cost: usize,
}

/// How far an answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Growth {
    /// So long it will be.
    To(u64),
    /// Nobody knows yet how long it will be.
    Open,
    /// It has come as a whole.
    Whole,
}

/// Whether an answer may be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    /// Not yet, or no longer.
    No,
    /// Since this moment of the store's clock it was not used.
    Since(u64),
}

/// Where a reader stands in a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    piece: usize,
    offset: usize,
}

impl Object {
    pub(crate) fn new(key: CacheKey, head: Bytes, facts: Facts, growth: Growth) -> Self {
        Self {
            key,
            head,
            facts,
            growth,
            pieces: VecDeque::new(),
            gone: 0,
            tail: Vec::new(),
            length: 0,
            pins: 0,
            listing: Listing::No,
            cost: 0,
        }
    }

    /// Bytes of memory it takes without its body.
    pub(super) fn base_cost(&self) -> usize {
        OVERHEAD + self.key.cost() + self.head.len() + self.facts.cost()
    }

    /// Adds bytes of the body.
    pub(crate) fn append(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len() as u64;
        while !bytes.is_empty() {
            let n = bytes.len().min(PIECE - self.tail.len());
            self.tail.extend_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            if self.tail.len() == PIECE {
                self.pieces.push_back(core::mem::take(&mut self.tail).into());
            }
        }
    }

    /// No more comes.
    pub(crate) fn finish(&mut self) {
        if !self.tail.is_empty() {
            let mut tail = core::mem::take(&mut self.tail);
            tail.shrink_to_fit();
            self.pieces.push_back(tail.into());
        }
        self.growth = Growth::Whole;
    }

    /// What a reader gets next, at most a piece, and where it stands then. Nothing: it has all
    /// that is there.
    pub(crate) fn read(&self, at: Position) -> (Bytes, Position) {
        let Position { piece, offset } = at;
        let index = piece.saturating_sub(self.gone);
        match self.pieces.get(index) {
            Some(bytes) if offset < bytes.len() => {
                (bytes.slice(offset..), Position { piece: piece + 1, offset: 0 })
            }
            // All of it was read while it was in the making.
            Some(_) => self.read(Position { piece: piece + 1, offset: 0 }),
            None => {
                let rest = self.tail.get(offset..).unwrap_or_default();
                (Bytes::copy_from_slice(rest), Position { piece, offset: offset + rest.len() })
            }
        }
    }

    /// Whether a reader has all that is there.
    pub(crate) fn is_read(&self, at: Position) -> bool {
        let index = at.piece.saturating_sub(self.gone);
        match self.pieces.get(index) {
            Some(bytes) if at.offset < bytes.len() => false,
            Some(_) => index + 1 >= self.pieces.len() && self.tail.is_empty(),
            None => at.offset >= self.tail.len(),
        }
    }

    /// Forgets what lies before a place: its only reader has had it.
    pub(crate) fn forget_before(&mut self, at: Position) {
        while self.gone < at.piece && self.pieces.pop_front().is_some() {
            self.gone += 1;
        }
    }
}
