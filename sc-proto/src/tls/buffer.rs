//! The buffers of TLS pipes, and the pool they come from.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

/// Spare buffers, shared by the pipes of one worker.
///
/// A pipe takes a buffer when the first byte needs one and gives it back when the last byte has
/// left, so a busy pipe allocates nothing and an idle one holds nothing. A pipe holds at most
/// three: ciphertext in, plaintext, ciphertext out.
pub struct BufferPool {
    free: Vec<Box<[u8]>>,
    retain: usize,
    size: usize,
}

impl BufferPool {
    /// Size of each buffer in bytes: room for 128 KiB of plaintext as eight full TLS records.
    pub const BUFFER: usize = 132 * 1024;
    /// Size of the buffers of [`Self::small`]: room for two full TLS records.
    pub const SMALL_BUFFER: usize = 36 * 1024;

    /// A pool that keeps at most `retain` spare buffers; what comes back beyond is freed.
    pub const fn new(retain: usize) -> Self {
        Self { free: Vec::new(), retain, size: Self::BUFFER }
    }

    /// A pool of smaller buffers, for connections that are many.
    pub const fn small(retain: usize) -> Self {
        Self { free: Vec::new(), retain, size: Self::SMALL_BUFFER }
    }

    /// Size of its buffers in bytes.
    pub const fn size(&self) -> usize {
        self.size
    }

    /// How many spare buffers it holds now.
    pub fn spare(&self) -> usize {
        self.free.len()
    }

    /// A buffer of [`Self::size`] bytes, with any content.
    fn take(&mut self) -> Box<[u8]> {
        self.free.pop().unwrap_or_else(|| vec![0; self.size].into_boxed_slice())
    }

    /// Takes a buffer back. An unheld one (length 0) is ignored.
    fn give(&mut self, buffer: Box<[u8]>) {
        if buffer.len() == self.size && self.free.len() < self.retain {
            self.free.push(buffer);
        }
    }
}

impl Default for BufferPool {
    /// Keeps 16 spare buffers, about 2 MiB.
    fn default() -> Self {
        Self::new(16)
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferPool")
            .field("spare", &self.free.len())
            .field("retain", &self.retain)
            .finish()
    }
}

/// A queue of bytes in one pooled buffer: filled at the back, consumed at the front.
///
/// The buffer is always initialised at its full length; `start..end` is the filled part.
/// Without a byte in it the window holds no buffer.
pub(super) struct Window {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    /// How large its buffer is, or would be.
    capacity: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self::new(BufferPool::BUFFER)
    }
}

impl Window {
    /// A window for pools whose buffers have `capacity` bytes.
    pub(super) fn new(capacity: usize) -> Self {
        Self { bytes: Box::default(), start: 0, end: 0, capacity }
    }

    /// Whether its buffer is full from end to end.
    pub(super) fn is_full(&self) -> bool {
        self.len() == self.capacity
    }

    /// How many bytes are filled.
    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }

    /// The filled bytes.
    pub(super) fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The filled bytes, to be decrypted in place.
    pub(super) fn filled_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// How many bytes can be appended without moving what is filled.
    pub(super) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.end)
    }

    /// Moves the filled bytes to the front of the buffer, so that all free room is behind them.
    pub(super) fn compact(&mut self) {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
    }

    /// As [`Self::compact`], but only if it moves no more bytes than have been consumed since the
    /// last time: over time each byte is then moved at most once.
    pub(super) fn compact_if_cheap(&mut self) {
        if self.len() <= self.start {
            self.compact();
        }
    }

    /// The free bytes behind the filled ones. Takes a buffer if none is held.
    pub(super) fn space(&mut self, pool: &mut BufferPool) -> &mut [u8] {
        if self.bytes.is_empty() {
            self.bytes = pool.take();
            self.capacity = self.bytes.len();
        }
        &mut self.bytes[self.end..]
    }

    /// Says that the first `n` bytes of [`Self::space`] are filled now.
    pub(super) fn fill(&mut self, n: usize, pool: &mut BufferPool) {
        self.end = (self.end + n).min(self.bytes.len());
        self.give_back_if_empty(pool);
    }

    /// Removes `n` bytes, or all if there are fewer, from the front.
    pub(super) fn consume(&mut self, n: usize, pool: &mut BufferPool) {
        self.start = self.start.saturating_add(n).min(self.end);
        self.give_back_if_empty(pool);
    }

    /// Removes all bytes.
    pub(super) fn clear(&mut self, pool: &mut BufferPool) {
        self.consume(usize::MAX, pool);
    }

    #[cfg(test)]
    pub(super) fn holds_a_buffer(&self) -> bool {
        !self.bytes.is_empty()
    }

    fn give_back_if_empty(&mut self, pool: &mut BufferPool) {
        if self.start == self.end {
            pool.give(core::mem::take(&mut self.bytes));
            self.start = 0;
            self.end = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(window: &mut Window, data: &[u8], pool: &mut BufferPool) {
        window.space(pool)[..data.len()].copy_from_slice(data);
        window.fill(data.len(), pool);
    }

    #[test]
    fn an_empty_window_holds_no_buffer() {
        let mut pool = BufferPool::new(1);
        let mut window = Window::default();
        assert_eq!(window.room(), BufferPool::BUFFER);
        append(&mut window, b"hello", &mut pool);
        assert_eq!((window.filled(), pool.spare()), (b"hello".as_slice(), 0));
        window.consume(5, &mut pool);
        assert_eq!((window.len(), pool.spare()), (0, 1));
        // A read that brought nothing gives the buffer back as well.
        assert_eq!(window.space(&mut pool).len(), BufferPool::BUFFER);
        assert_eq!(pool.spare(), 0);
        window.fill(0, &mut pool);
        assert_eq!(pool.spare(), 1);
    }

    #[test]
    fn the_pool_keeps_no_more_than_it_may() {
        let mut pool = BufferPool::new(1);
        let (mut one, mut two) = (Window::default(), Window::default());
        append(&mut one, b"1", &mut pool);
        append(&mut two, b"2", &mut pool);
        one.clear(&mut pool);
        two.clear(&mut pool);
        assert_eq!(pool.spare(), 1);
    }

    #[test]
    fn compaction_keeps_the_bytes() {
        let mut pool = BufferPool::default();
        let mut window = Window::default();
        append(&mut window, b"abcdefgh", &mut pool);
        window.consume(3, &mut pool);
        window.compact_if_cheap(); // 5 bytes for 3: too dear
        assert_eq!(window.room(), BufferPool::BUFFER - 8);
        window.consume(2, &mut pool);
        window.compact_if_cheap();
        assert_eq!(window.filled(), b"fgh");
        assert_eq!(window.room(), BufferPool::BUFFER - 3);
        window.consume(99, &mut pool);
        assert_eq!(window.filled(), b"");
    }
}
