//! TLS on a connection: one pipe, or one within another.
//!
//! ```text
//! socket ──▶ pipe to the proxy ──▶ pipe to the site or server ──▶ plaintext
//! socket ◀── pipe to the proxy ◀── pipe to the site or server ◀── plaintext
//! ```

use alloc::boxed::Box;

use super::buffer::BufferPool;
use super::error::TlsError;
use super::pipe::{Progress, TlsPipe, TlsState};

/// One pipe over a socket, perhaps with another within it. All calls take the same pool.
///
/// As with [`TlsPipe`], any call order is legal, and after every call that takes the pool
/// [`Self::ciphertext`] may have something new to send, after an error too.
#[derive(Debug)]
pub struct TlsStack {
    /// What is spoken on the socket.
    outer: TlsPipe,
    /// What is spoken within that.
    inner: Option<Box<TlsPipe>>,
}

impl TlsStack {
    /// TLS on the socket itself.
    pub fn new(pipe: TlsPipe) -> Self {
        Self { outer: pipe, inner: None }
    }

    /// Speaks `pipe` within what is there; `self` must be established. A third layer is refused.
    ///
    /// # Errors
    /// [`TlsError::Internal`].
    pub fn speak_within(&mut self, pipe: TlsPipe, pool: &mut BufferPool) -> Result<(), TlsError> {
        if self.inner.is_some() {
            return Err(TlsError::Internal("a third layer of TLS".into()));
        }
        self.inner = Some(Box::new(pipe));
        self.pass_down(pool);
        Ok(())
    }

    /// Room for what the socket brings. As [`TlsPipe::read_space`].
    pub fn read_space(&mut self, pool: &mut BufferPool) -> &mut [u8] {
        self.outer.read_space(pool)
    }

    /// So many bytes came. As [`TlsPipe::filled`]; call [`Self::decrypt`] next.
    pub fn filled(&mut self, n: usize, pool: &mut BufferPool) {
        self.outer.filled(n, pool);
    }

    /// Handles what was received. As [`TlsPipe::decrypt`].
    ///
    /// # Errors
    /// As [`TlsPipe::decrypt`], of either pipe.
    pub fn decrypt(&mut self, pool: &mut BufferPool) -> Result<Progress, TlsError> {
        let outcome = self.decrypt_through(pool);
        self.pass_down(pool);
        outcome
    }

    fn decrypt_through(&mut self, pool: &mut BufferPool) -> Result<Progress, TlsError> {
        let Some(inner) = &mut self.inner else { return self.outer.decrypt(pool) };
        loop {
            let outer = self.outer.decrypt(pool);
            let progress = inner.decrypt(pool)?;
            let came = self.outer.plaintext();
            if came.is_empty() || progress == Progress::Blocked {
                // What was decrypted before an error is intact and counts.
                return outer.map(|outer| if came.is_empty() { outer } else { progress });
            }
            let space = inner.read_space(pool);
            let n = came.len().min(space.len());
            space[..n].copy_from_slice(&came[..n]);
            inner.filled(n, pool);
            if n == 0 {
                return Ok(Progress::Blocked);
            }
            self.outer.consume(n, pool);
        }
    }

    /// Decrypted bytes.
    pub fn plaintext(&self) -> &[u8] {
        self.top().plaintext()
    }

    /// Takes `n` bytes off the front of [`Self::plaintext`]. Call [`Self::decrypt`] when all are
    /// taken: more may have come.
    pub fn consume(&mut self, n: usize, pool: &mut BufferPool) {
        self.top_mut().consume(n, pool);
    }

    /// Encrypts the front of `plain`. As [`TlsPipe::encrypt`].
    #[must_use]
    pub fn encrypt(&mut self, plain: &[u8], pool: &mut BufferPool) -> usize {
        let n = self.top_mut().encrypt(plain, pool);
        self.pass_down(pool);
        n
    }

    /// What is to be written to the socket.
    pub fn ciphertext(&self) -> &[u8] {
        self.outer.ciphertext()
    }

    /// Whether something encrypted has not left yet.
    pub fn has_output(&self) -> bool {
        !self.outer.ciphertext().is_empty()
            || self.inner.as_ref().is_some_and(|inner| !inner.ciphertext().is_empty())
    }

    /// The first `n` bytes of [`Self::ciphertext`] have been written.
    pub fn sent(&mut self, n: usize, pool: &mut BufferPool) {
        self.outer.sent(n, pool);
        self.pass_down(pool);
    }

    /// Where the pipe that carries the plaintext is in its life.
    pub fn state(&self) -> TlsState {
        match self.outer.state() {
            TlsState::Failed => TlsState::Failed,
            _ => self.top().state(),
        }
    }

    /// Ends this side's sending. As [`TlsPipe::close`].
    pub fn close(&mut self, pool: &mut BufferPool) {
        self.top_mut().close(pool);
        self.pass_down(pool);
    }

    /// The socket will bring no more.
    ///
    /// # Errors
    /// [`TlsError::Truncated`] if the peer has not said goodbye, or the earlier failure.
    pub fn input_ended(&mut self, pool: &mut BufferPool) -> Result<(), TlsError> {
        self.top_mut().input_ended(pool)
    }

    fn top(&self) -> &TlsPipe {
        self.inner.as_deref().unwrap_or(&self.outer)
    }

    fn top_mut(&mut self) -> &mut TlsPipe {
        self.inner.as_deref_mut().unwrap_or(&mut self.outer)
    }

    /// Has the outer pipe encrypt what the inner one wants to send.
    fn pass_down(&mut self, pool: &mut BufferPool) {
        let Some(inner) = &mut self.inner else { return };
        while !inner.ciphertext().is_empty() {
            let n = self.outer.encrypt(inner.ciphertext(), pool);
            if n == 0 {
                return;
            }
            inner.sent(n, pool);
        }
    }
}
