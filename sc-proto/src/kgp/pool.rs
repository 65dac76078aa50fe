//! Chunks of memory that come and go with the data.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// Bytes of a chunk: four full TLS records, and the largest frame this side sends.
pub(crate) const CHUNK: usize = 64 * 1024;

/// Free chunks of one worker, kept for the next use. What is above the cap is given back
/// to the allocator, so an idle worker holds little.
#[derive(Debug)]
pub(crate) struct Pool {
    free: Vec<Box<[u8]>>,
    cap: usize,
}

impl Pool {
    pub(crate) const fn new(cap: usize) -> Self {
        Self { free: Vec::new(), cap }
    }

    pub(crate) fn take(&mut self) -> Box<[u8]> {
        self.free.pop().unwrap_or_else(|| vec![0; CHUNK].into_boxed_slice())
    }

    pub(crate) fn give(&mut self, chunk: Box<[u8]>) {
        if self.free.len() < self.cap {
            self.free.push(chunk);
        }
    }
}
