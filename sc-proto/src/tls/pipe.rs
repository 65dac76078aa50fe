//! One TLS connection as a pipe.

use alloc::boxed::Box;
use core::fmt;

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;

use super::buffer::{BufferPool, Window};
use super::config::{Protocol, TlsClient, TlsServer, server_name};
use super::connection::{Ask, Connection, Outcome, Output, Step};
use super::error::TlsError;
use super::leaf::Resigner;
use crate::contract::Host;

/// Most plaintext of one record (RFC 8446, section 5.1).
const FRAGMENT: usize = 16 * 1024;
/// Most bytes of one encrypted record: a header of 5 and an expansion of 256 (section 5.2).
const RECORD: usize = 5 + FRAGMENT + 256;
/// Most that our own records are larger than their plaintext: header 5, nonce 8 (TLS 1.2),
/// content type 1 (TLS 1.3), tag 16.
const OVERHEAD: usize = 30;
/// Room that data leaves in the output for alerts and key updates.
const CONTROL: usize = 1024;
/// Room that the next alert or key update needs. Less than [`CONTROL`], so that a full output does
/// not keep this side from receiving: two such peers would wait for each other forever.
const NEXT_CONTROL: usize = 256;
/// Most a single read shall bring.
const READ: usize = 64 * 1024;
/// Least room for a read.
const READ_AT_LEAST: usize = 16 * 1024;

/// One TLS connection, client or server, over whatever carries bytes.
///
/// Ciphertext comes in by [`read_space`](Self::read_space) and [`filled`](Self::filled), becomes
/// [`plaintext`](Self::plaintext) by [`decrypt`](Self::decrypt), and leaves by
/// [`consume`](Self::consume). Plaintext goes in by [`encrypt`](Self::encrypt) and leaves as
/// [`ciphertext`](Self::ciphertext) by [`sent`](Self::sent). Any call order is legal.
///
/// After **every** call that takes the pool, `ciphertext` may have something new to send:
/// handshake, key updates, alerts. This holds after an error too: send what is there, then close.
///
/// Memory: at most three buffers of [`BufferPool::BUFFER`], each held only while it has a byte in
/// it, beside a few KiB of rustls' own. The same pool must serve all calls of one thread; a pipe
/// may move to another thread and pool.
pub struct TlsPipe {
    connection: Connection,
    protocol: Protocol,
    incoming: Window,
    plaintext: Window,
    outgoing: Window,
    seen: Seen,
    established: bool,
    closed: bool,
    peer_closed: bool,
    failure: Option<TlsError>,
}

/// The state of a [`TlsPipe`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsState {
    /// The peers are still agreeing on keys. No plaintext in either direction.
    Handshaking,
    /// Plaintext flows both ways.
    Established,
    /// The peer has said that it will send no more (close_notify). Sending still works.
    PeerClosed,
    /// [`TlsPipe::close`] was called. Nothing more is encrypted.
    Closed,
    /// An error ended the connection. Plaintext decrypted before it and the alert to be sent are
    /// still there.
    Failed,
}

/// What [`TlsPipe::decrypt`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// All whole records received so far are decrypted.
    Drained,
    /// No room for more plaintext or for an answer of TLS itself: records may be left.
    /// Call again after [`TlsPipe::consume`] or [`TlsPipe::sent`]; do not read meanwhile.
    /// Unless the output is full, at least 112 KiB of plaintext are waiting.
    Blocked,
}

/// How much of the incoming ciphertext rustls has looked at without being able to use it up.
///
/// It keeps positions of a partial handshake message, so it must be shown at least this much
/// whenever it is stepped, and showing it no more than this makes it decrypt nothing.
#[derive(Clone, Copy)]
enum Seen {
    Exactly(usize),
    /// It stopped amid several messages: show it everything.
    Unknown,
}

impl TlsPipe {
    /// Starts a connection to a server. The first message is in [`Self::ciphertext`] then.
    ///
    /// `name` (host name or IP address) is sent to the server and, unless a pin is trusted,
    /// checked against its certificate. `unix_time`, in seconds, is the moment it is judged by.
    ///
    /// # Errors
    /// [`TlsError::ServerName`]; [`TlsError::Internal`] if there is no randomness.
    pub fn client(
        config: &TlsClient,
        name: &str,
        unix_time: u64,
        pool: &mut BufferPool,
    ) -> Result<Self, TlsError> {
        let connection = UnbufferedClientConnection::new(config.at(unix_time), server_name(name)?)
            .map_err(TlsError::connection)?;
        let connection = Connection::Client(Box::new(connection));
        let mut pipe = Self::new(connection, config.protocol, pool.size());
        pipe.flush(pool);
        Ok(pipe)
    }

    /// Awaits a client. `unix_time` is the wall clock in seconds.
    ///
    /// # Errors
    /// [`TlsError::Internal`].
    pub fn server(config: &TlsServer, unix_time: u64) -> Result<Self, TlsError> {
        let connection =
            UnbufferedServerConnection::new(config.at(unix_time)).map_err(TlsError::connection)?;
        let connection = Connection::Server(Box::new(connection));
        Ok(Self::new(connection, config.protocol, BufferPool::BUFFER))
    }

    /// Awaits a browser, as the site that it asked for: with a certificate for the name that it
    /// says, or for `host` if it says none. `unix_time` is the wall clock in seconds.
    ///
    /// # Errors
    /// [`TlsError::Internal`].
    pub fn resigned(
        resigner: &Resigner,
        host: &Host,
        unix_time: u64,
        pool: &BufferPool,
    ) -> Result<Self, TlsError> {
        let connection = UnbufferedServerConnection::new(resigner.at(host, unix_time))
            .map_err(TlsError::connection)?;
        let connection = Connection::Server(Box::new(connection));
        Ok(Self::new(connection, Protocol::Http, pool.size()))
    }

    fn new(connection: Connection, protocol: Protocol, buffer: usize) -> Self {
        Self {
            connection,
            protocol,
            incoming: Window::new(buffer),
            plaintext: Window::new(buffer),
            outgoing: Window::new(buffer),
            seen: Seen::Exactly(0),
            established: false,
            closed: false,
            peer_closed: false,
            failure: None,
        }
    }

    /// Room for ciphertext from the peer: 16 to 64 KiB, normally 64.
    ///
    /// Less only while whole records wait for [`Self::decrypt`], or after [`Progress::Blocked`];
    /// possibly empty then. Report each read with [`Self::filled`], 0 bytes too, or an idle pipe
    /// keeps the buffer.
    pub fn read_space(&mut self, pool: &mut BufferPool) -> &mut [u8] {
        if self.incoming.room() < READ_AT_LEAST {
            self.incoming.compact();
        }
        let space = self.incoming.space(pool);
        let length = space.len().min(READ);
        &mut space[..length]
    }

    /// The first `n` bytes of [`Self::read_space`] have been filled. Call [`Self::decrypt`] next.
    pub fn filled(&mut self, n: usize, pool: &mut BufferPool) {
        self.incoming.fill(n, pool);
        if self.peer_closed || self.failure.is_some() {
            // What follows a goodbye or an error means nothing (RFC 8446, section 6.1).
            self.incoming.clear(pool);
        }
    }

    /// Handles what was received: takes handshake steps, appends decrypted records to
    /// [`Self::plaintext`].
    ///
    /// # Errors
    /// The connection is over; every later call says the same. What [`Self::plaintext`] holds
    /// arrived intact before. [`Self::ciphertext`] holds the alert for the peer.
    pub fn decrypt(&mut self, pool: &mut BufferPool) -> Result<Progress, TlsError> {
        loop {
            if let Some(failure) = &self.failure {
                return Err(failure.clone());
            }
            if self.incoming.len() == 0 && !self.connection.common().wants_write() {
                return Ok(Progress::Drained);
            }
            if !self.has_room_for_a_step() {
                return Ok(Progress::Blocked);
            }
            match self.step(Ask::Nothing, pool)? {
                Step::Advanced | Step::Received => {}
                Step::Idle if self.incoming.is_full() => {
                    return Err(self.fail(TlsError::TooLarge, pool));
                }
                Step::Idle | Step::Done | Step::PeerClosed => return Ok(Progress::Drained),
            }
        }
    }

    /// What the peer sent and [`Self::consume`] has not taken, at most 132 KiB.
    pub fn plaintext(&self) -> &[u8] {
        self.plaintext.filled()
    }

    /// Takes `n` bytes off the front of [`Self::plaintext`].
    pub fn consume(&mut self, n: usize, pool: &mut BufferPool) {
        self.plaintext.consume(n, pool);
    }

    /// Encrypts the front of `plain` into [`Self::ciphertext`], and says how many bytes it took.
    ///
    /// Each call makes records of its own, of 16 KiB as long as there is enough, so hand over much
    /// at once. The output holds 128 KiB of such data; it takes less when part of that is unsent,
    /// and nothing before the handshake is done or after [`Self::close`] or an error.
    #[must_use]
    pub fn encrypt(&mut self, plain: &[u8], pool: &mut BufferPool) -> usize {
        while self.can_send() {
            self.outgoing.compact_if_cheap();
            let records = self.outgoing.room().saturating_sub(CONTROL) / (FRAGMENT + OVERHEAD);
            let taken = plain.len().min(records * FRAGMENT);
            // A full plaintext buffer is no reason not to send, as long as nothing gets decrypted.
            let reads_nothing = matches!(self.seen, Seen::Exactly(_));
            if taken == 0 || !(reads_nothing || self.has_room_for_a_step()) {
                break;
            }
            match self.step(Ask::Encrypt(&plain[..taken]), pool) {
                Ok(Step::Done) => return taken,
                Ok(Step::Advanced | Step::Received | Step::PeerClosed) => {}
                Ok(Step::Idle) | Err(_) => break,
            }
        }
        0
    }

    /// What is to be sent to the peer.
    pub fn ciphertext(&self) -> &[u8] {
        self.outgoing.filled()
    }

    /// The first `n` bytes of [`Self::ciphertext`] have been sent.
    pub fn sent(&mut self, n: usize, pool: &mut BufferPool) {
        self.outgoing.consume(n, pool);
        self.flush(pool);
    }

    /// Where the connection is in its life.
    pub fn state(&self) -> TlsState {
        match self {
            Self { failure: Some(_), .. } => TlsState::Failed,
            Self { closed: true, .. } => TlsState::Closed,
            Self { peer_closed: true, .. } => TlsState::PeerClosed,
            Self { established: true, .. } => TlsState::Established,
            _ => TlsState::Handshaking,
        }
    }

    /// What ended the connection, in state [`TlsState::Failed`].
    pub fn failure(&self) -> Option<&TlsError> {
        self.failure.as_ref()
    }

    /// What was agreed on, by its name in rustls, for logs: `TLS13_AES_256_GCM_SHA384`.
    pub fn cipher(&self) -> Option<&'static str> {
        let suite = self.connection.common().negotiated_cipher_suite()?;
        suite.suite().as_str()
    }

    /// Ends this side's sending: queues close_notify behind what is already encrypted.
    /// Receiving goes on. During the handshake nothing can be said; the socket's end must do.
    pub fn close(&mut self, pool: &mut BufferPool) {
        while self.can_send() {
            match self.step(Ask::CloseNotify, pool) {
                Ok(Step::Advanced | Step::Received | Step::PeerClosed) => {}
                Ok(Step::Done | Step::Idle) | Err(_) => break,
            }
        }
        self.closed = true;
    }

    /// The carrier will bring no more bytes.
    ///
    /// # Errors
    /// [`TlsError::Truncated`] if the peer has not said goodbye before, so that a cut connection
    /// is not taken for a finished one (RFC 8446, section 6.1); or the earlier failure.
    pub fn input_ended(&mut self, pool: &mut BufferPool) -> Result<(), TlsError> {
        match &self.failure {
            Some(failure) => Err(failure.clone()),
            None if self.peer_closed => Ok(()),
            None => Err(self.fail(TlsError::Truncated, pool)),
        }
    }

    /// How many buffers of the pool it holds.
    #[cfg(test)]
    pub(super) fn held_buffers(&self) -> usize {
        [&self.incoming, &self.plaintext, &self.outgoing]
            .iter()
            .filter(|window| window.holds_a_buffer())
            .count()
    }

    /// Changes the keys of this side's sending and asks the peer to do the same (TLS 1.3).
    #[cfg(test)]
    pub(super) fn refresh_keys(&mut self, pool: &mut BufferPool) {
        while self.has_room_for_a_step() {
            if self.step(Ask::RefreshKeys, pool) != Ok(Step::Advanced) {
                break;
            }
        }
        self.flush(pool);
    }

    fn can_send(&self) -> bool {
        self.established && !self.closed && self.failure.is_none()
    }

    /// Whether whatever one step may append has room. Makes room if it is cheap.
    fn has_room_for_a_step(&mut self) -> bool {
        self.outgoing.compact_if_cheap();
        if self.plaintext.room() < FRAGMENT {
            self.plaintext.compact();
        }
        let record = if self.established { NEXT_CONTROL } else { RECORD };
        self.outgoing.room() >= record && self.plaintext.room() >= FRAGMENT
    }

    /// One step. An error ends the connection.
    fn step(&mut self, ask: Ask<'_>, pool: &mut BufferPool) -> Result<Step, TlsError> {
        let step = self
            .step_once(ask, pool)
            .and_then(|step| self.check_established(pool).map(|()| step))
            .map_err(|error| self.fail(error, pool))?;
        if step == Step::PeerClosed {
            self.peer_closed = true;
            self.incoming.clear(pool);
            self.seen = Seen::Exactly(0);
        }
        Ok(step)
    }

    fn step_once(&mut self, ask: Ask<'_>, pool: &mut BufferPool) -> Result<Step, TlsError> {
        let all = self.incoming.len();
        let shown = match (ask, self.seen) {
            (Ask::Nothing, _) | (_, Seen::Unknown) => all,
            (_, Seen::Exactly(seen)) => seen.min(all),
        };
        let mut output =
            Output { plaintext: &mut self.plaintext, ciphertext: &mut self.outgoing, pool };
        let incoming = &mut self.incoming.filled_mut()[..shown];
        let Outcome { discard, step } = self.connection.step(incoming, ask, &mut output);
        self.incoming.consume(discard, pool);
        let step = step?;
        self.seen = match step {
            // Application data never comes amid a handshake message (RFC 8446, section 5.1).
            Step::Received | Step::PeerClosed => Seen::Exactly(0),
            Step::Idle | Step::Done => Seen::Exactly(shown.saturating_sub(discard)),
            Step::Advanced if shown < all => Seen::Exactly(shown.saturating_sub(discard)),
            Step::Advanced => Seen::Unknown,
        };
        Ok(step)
    }

    /// Checks the protocol as soon as the handshake is done, before anyone sees plaintext.
    fn check_established(&mut self, pool: &mut BufferPool) -> Result<(), TlsError> {
        let common = self.connection.common();
        if self.established || common.is_handshaking() {
            return Ok(());
        }
        if self.protocol.permits(common.alpn_protocol()) {
            self.established = true;
            return Ok(());
        }
        self.plaintext.clear(pool);
        // rustls has no way to send the fitting alert at this point; a goodbye ends it as well.
        while let Ok(Step::Advanced | Step::Received) = self.step_once(Ask::CloseNotify, pool) {}
        self.plaintext.clear(pool);
        Err(TlsError::Alpn)
    }

    /// Ends the connection with `error`, unless another ended it before. The alert that rustls
    /// has for the peer goes to the output.
    fn fail(&mut self, error: TlsError, pool: &mut BufferPool) -> TlsError {
        self.flush(pool);
        self.incoming.clear(pool);
        self.failure.get_or_insert(error).clone()
    }

    /// Moves the records that rustls has queued to the output, as far as there is room.
    fn flush(&mut self, pool: &mut BufferPool) {
        while self.connection.common().wants_write() && self.has_room_for_a_step() {
            // Queued records come first in a step, so it reads nothing and cannot fail.
            if self.step_once(Ask::Nothing, pool).is_err() {
                break;
            }
        }
    }
}

impl fmt::Debug for TlsPipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsPipe")
            .field("state", &self.state())
            .field("incoming", &self.incoming.len())
            .field("plaintext", &self.plaintext.len())
            .field("outgoing", &self.outgoing.len())
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}
