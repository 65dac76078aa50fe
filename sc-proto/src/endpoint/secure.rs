//! TLS on proxied sockets: with browsers in place of a site, with sites, with proxies.
//!
//! The layer stands between a socket and all that knows the socket. What is read goes into TLS
//! first; the rest of the core reads plaintext from there by the same turns as it reads other
//! sockets, without the driver. What is written is encrypted when the socket can take it, from
//! where it lies.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::pump::HasOutput;
use super::socket::{Input, Output, Role, Socket, SocketKey};
use super::{Core, Place};
use crate::contract::{Action, CloseMode, Read, Write};
use crate::tls::{BufferPool, TlsError, TlsPipe, TlsStack, TlsState};
use crate::{DeadlineReason, Time};

/// With so much ciphertext waiting for the socket nothing more is encrypted.
const OUTPUT_LOW: usize = 8 * 1024;
/// Most bytes of a spill or a piece of plaintext that are encrypted at once.
const ENCRYPT: usize = 32 * 1024;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Secure {
    /// What was said before TLS and the socket has not taken: it goes first, as it is.
    clear: Vec<u8>,
    /// `None` only while another layer is put on.
    stack: Option<TlsStack>,
    /// Whether the driver says that the socket may be read.
    wire_reads: bool,
    wire: Wire,
    output: WireOutput,
    handshake: Handshake,
}

/// What the socket still brings.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wire {
    Open,
    /// The peer has said goodbye.
    Ended,
    /// It was cut, or TLS failed.
    Failed,
}

/// Whether the socket takes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WireOutput {
    Open,
    /// This side has said goodbye.
    Ended,
    Failed,
}

/// Whether whoever waits for the handshake has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handshake {
    Running,
    Told,
}

impl Secure {
    fn new(stack: TlsStack, wire_reads: bool) -> Self {
        Self {
            clear: Vec::new(),
            stack: Some(stack),
            wire_reads,
            wire: Wire::Open,
            output: WireOutput::Open,
            handshake: Handshake::Running,
        }
    }

    pub(super) fn ciphertext(&self) -> &[u8] {
        match self.clear.as_slice() {
            [] => self.stack.as_ref().map_or(&[], TlsStack::ciphertext),
            clear => clear,
        }
    }

    /// The first `n` bytes of [`Self::ciphertext`] have been written.
    fn sent(&mut self, n: usize, pool: &mut BufferPool) {
        if !self.clear.is_empty() {
            self.clear.drain(..n.min(self.clear.len()));
        } else if let Some(stack) = &mut self.stack {
            stack.sent(n, pool);
        }
    }

    fn plaintext(&self) -> &[u8] {
        self.stack.as_ref().map_or(&[], TlsStack::plaintext)
    }

    /// Whether something encrypted is to be written.
    pub(super) fn has_output(&self) -> bool {
        self.output != WireOutput::Failed
            && (!self.clear.is_empty() || self.stack.as_ref().is_some_and(TlsStack::has_output))
    }

    /// Whether the socket has something to take, or plaintext that waits can be encrypted.
    pub(super) fn may_write(&self, has_plain: bool) -> bool {
        self.has_output() || (has_plain && self.encrypts())
    }

    fn encrypts(&self) -> bool {
        let state = self.stack.as_ref().map(TlsStack::state);
        matches!(state, Some(TlsState::Established | TlsState::PeerClosed))
    }

    /// Bytes held here.
    pub(super) fn held(&self) -> usize {
        self.plaintext().len() + self.ciphertext().len()
    }

    /// The socket takes no more. How it ended shows in a read.
    pub(super) fn write_failed(&mut self) {
        self.output = WireOutput::Failed;
        self.wire_reads = true;
    }

    /// Whether the socket is to be read.
    fn wants_wire(&self) -> bool {
        self.wire_reads && self.wire == Wire::Open && self.plaintext().is_empty()
    }

    /// Whether there is something to read: plaintext, or how it ended.
    fn has_input(&self) -> bool {
        !self.plaintext().is_empty()
            || (self.wire != Wire::Open && self.handshake == Handshake::Told)
    }
}

impl Core {
    /// Speaks TLS on a proxied socket from here on, within what is spoken already.
    pub(super) fn put_on_tls(
        &mut self,
        key: SocketKey,
        pipe: TlsPipe,
        wire_reads: bool,
    ) -> Result<(), TlsError> {
        let Some(socket) = self.sockets.get_mut(key) else { return Ok(()) };
        socket.can_read = false;
        let Some(proxied) = socket.proxied() else { return Ok(()) };
        match &mut proxied.tls {
            None => {
                let mut tls = Box::new(Secure::new(TlsStack::new(pipe), wire_reads));
                if proxied.outgoing.is_none() {
                    tls.clear = proxied.spill.drain(..).collect();
                }
                proxied.tls = Some(tls);
            }
            Some(tls) => {
                let Some(stack) = &mut tls.stack else { return Ok(()) };
                stack.speak_within(pipe, &mut self.small_pool)?;
                tls.handshake = Handshake::Running;
            }
        }
        Ok(())
    }

    /// Hands TLS what was read before it began.
    pub(super) fn feed_secure(&mut self, key: SocketKey, mut bytes: &[u8], now: Time) {
        while !bytes.is_empty() {
            let space = self.secure_space(key);
            let n = space.len().min(bytes.len());
            let (Some(into), Some((part, rest))) = (space.get_mut(..n), bytes.split_at_checked(n))
            else {
                break;
            };
            if n == 0 {
                break;
            }
            into.copy_from_slice(part);
            bytes = rest;
            self.secure_filled(key, n, now);
        }
        self.secure_moved(key, now);
    }

    /// The socket may have something to read.
    pub(super) fn secure_readable(&mut self, key: SocketKey) {
        if let Some(tls) = self.secure(key) {
            tls.wire_reads = true;
            self.queue_read(key);
        }
    }

    pub(super) fn secure_space(&mut self, key: SocketKey) -> &mut [u8] {
        let Self { sockets, small_pool, .. } = self;
        match sockets.get_mut(key).and_then(Socket::proxied).and_then(|p| p.tls.as_mut()) {
            Some(tls) => tls.stack.as_mut().map_or(&mut [], |stack| stack.read_space(small_pool)),
            None => &mut [],
        }
    }

    /// Whether the socket is to be read for its TLS.
    pub(super) fn secure_wants_read(&self, key: SocketKey) -> bool {
        match self.sockets.get(key).map(|socket| &socket.role) {
            Some(Role::Proxied(proxied)) => {
                proxied.tls.as_ref().is_some_and(|tls| tls.wants_wire())
            }
            _ => false,
        }
    }

    /// A step of reading: what is decrypted goes first, then the socket is read.
    pub(super) fn secure_read_step(&mut self, key: SocketKey, now: Time) -> Option<Action> {
        if let Some(max) = self.wanted(key) {
            self.read_decrypted(key, Place::Scratch { max }, now);
            self.queue_read(key);
            return None;
        }
        if !self.secure_wants_read(key) {
            return None;
        }
        self.reading = Some((key, Place::Secure));
        Some(Action::Read(key.into()))
    }

    /// The outcome of reading the socket.
    pub(super) fn secure_read(&mut self, key: SocketKey, outcome: Read, now: Time) {
        let n = match outcome {
            Read::Bytes(n) | Read::Drained(n) => n,
            Read::WouldBlock | Read::End | Read::Failed => 0,
        };
        let Some(tls) = self.secure(key) else { return };
        tls.wire_reads = matches!(outcome, Read::Bytes(_));
        self.secure_filled(key, n, now);
        let Self { sockets, small_pool, .. } = self;
        let tls = sockets.get_mut(key).and_then(Socket::proxied).and_then(|p| p.tls.as_mut());
        if let Some(tls) = tls
            && tls.wire == Wire::Open
            && matches!(outcome, Read::End | Read::Failed)
        {
            let goodbye = tls.stack.as_mut().map(|stack| stack.input_ended(small_pool));
            tls.wire = match (outcome, &goodbye) {
                (Read::End, Some(Ok(()))) => Wire::Ended,
                _ => Wire::Failed,
            };
            if let Some(Err(error)) = goodbye
                && tls.handshake == Handshake::Running
            {
                return self.secure_failed(key, &error, now);
            }
        }
        self.secure_moved(key, now);
    }

    /// So many bytes came for TLS.
    fn secure_filled(&mut self, key: SocketKey, n: usize, now: Time) {
        let Self { sockets, small_pool, .. } = self;
        let tls = sockets.get_mut(key).and_then(Socket::proxied).and_then(|p| p.tls.as_mut());
        let Some(tls) = tls else { return };
        let Some(stack) = &mut tls.stack else { return };
        stack.filled(n, small_pool);
        self.secure_decrypt(key, now);
    }

    /// Decrypts what came, and tells who waits for the handshake.
    fn secure_decrypt(&mut self, key: SocketKey, now: Time) {
        let Self { sockets, small_pool, .. } = self;
        let tls = sockets.get_mut(key).and_then(Socket::proxied).and_then(|p| p.tls.as_mut());
        let Some(tls) = tls else { return };
        let Some(stack) = &mut tls.stack else { return };
        if tls.wire != Wire::Open {
            return;
        }
        let outcome = stack.decrypt(small_pool);
        if stack.state() == TlsState::PeerClosed {
            tls.wire = Wire::Ended;
        }
        let is_new = tls.handshake == Handshake::Running;
        match outcome {
            Ok(_) if is_new && stack.state() > TlsState::Handshaking => {
                tls.handshake = Handshake::Told;
                self.secured(key, now);
            }
            Ok(_) => {}
            Err(error) => {
                tls.wire = Wire::Failed;
                match is_new {
                    true => self.secure_failed(key, &error, now),
                    false => log::debug!("{key:?}: TLS failed: {error}"),
                }
            }
        }
    }

    /// Has everybody go on after TLS has moved.
    fn secure_moved(&mut self, key: SocketKey, _now: Time) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let has_input = match &socket.role {
            Role::Proxied(proxied) => proxied.tls.as_ref().is_some_and(|tls| tls.has_input()),
            Role::Transport(_) => false,
        };
        socket.can_read = has_input;
        if let Some(proxied) = socket.proxied()
            && let Some(outgoing) = &mut proxied.outgoing
        {
            outgoing.plain_reads(has_input);
        }
        self.queue_write(key);
        self.queue_read(key);
        self.offer_source(key);
    }

    /// Reads what is decrypted, as the driver reads other sockets.
    pub(super) fn read_decrypted(&mut self, key: SocketKey, into: Place, now: Time) {
        let Self { sockets, sessions, scratch, pool, small_pool, .. } = self;
        let Some(socket) = sockets.get_mut(key) else { return };
        let Some(tls) = socket.proxied().and_then(|proxied| proxied.tls.as_mut()) else { return };
        let space = match into {
            Place::Ring { session, stream, max } => match sessions.get_mut(session) {
                Some(entry) => entry.session.reserve(stream, max, pool),
                None => return,
            },
            Place::Scratch { max } => {
                let end = max.min(scratch.len());
                scratch.get_mut(..end).unwrap_or_default()
            }
            Place::Pipe | Place::Secure => return,
        };
        let Some(stack) = &mut tls.stack else { return };
        let n = stack.plaintext().len().min(space.len());
        if let (Some(to), Some(from)) = (space.get_mut(..n), stack.plaintext().get(..n)) {
            to.copy_from_slice(from);
        }
        stack.consume(n, small_pool);
        if stack.plaintext().is_empty() {
            // Records may be left that had no room.
            self.secure_decrypt(key, now);
        }
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let Some(tls) = socket.proxied().and_then(|proxied| proxied.tls.as_mut()) else { return };
        let outcome = match (n, &tls.wire) {
            (0, Wire::Open) => Read::WouldBlock,
            (0, Wire::Ended) => Read::End,
            (0, Wire::Failed) => Read::Failed,
            (n, _) if tls.has_input() => Read::Bytes(n),
            (n, _) => Read::Drained(n),
        };
        socket.can_read = matches!(outcome, Read::Bytes(_));
        let (mut is_outgoing, mut is_kept, mut is_exchange) = (false, false, false);
        if let Some(proxied) = socket.proxied() {
            is_outgoing = proxied.outgoing.is_some();
            is_kept = proxied.kept.is_some();
            is_exchange = proxied.exchange.is_some();
        }
        match into {
            Place::Ring { session, stream, .. } => {
                self.relay_read(key, session, stream, outcome, now);
            }
            _ if is_outgoing => self.hop_read(key, outcome, now),
            _ if is_kept => self.kept_read(key, outcome),
            _ if is_exchange => self.site_read(key, outcome, now),
            _ => self.http_read(key, outcome, now),
        }
        self.secure_moved(key, now);
    }

    /// The handshake is done.
    fn secured(&mut self, key: SocketKey, now: Time) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        if proxied.outgoing.is_some() {
            return self.hop_secured(key, now);
        }
        self.clear_timer(key);
        self.time_head(key, now);
    }

    /// The handshake has failed. The peer may still be told why.
    fn secure_failed(&mut self, key: SocketKey, error: &TlsError, now: Time) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        if let Some(tls) = &mut proxied.tls {
            tls.wire = Wire::Failed;
            tls.wire_reads = false;
        }
        if proxied.outgoing.is_some() {
            return self.hop_insecure(key, error, now);
        }
        log::debug!("{key:?}: TLS with the browser failed: {error}");
        if !proxied.has_output() {
            return self.close_socket(key, CloseMode::Abort);
        }
        self.clear_timer(key);
        if let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) {
            proxied.input = Input::Discard;
            proxied.output = Output::EndWanted;
        }
        self.flush(key, now);
    }

    /// The handshake took too long.
    pub(super) fn secure_timeout(&mut self, key: SocketKey, now: Time) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        match proxied.outgoing {
            Some(_) => self.hop_timeout(key, DeadlineReason::TlsHandshake, now),
            None => self.close_socket(key, CloseMode::Abort),
        }
    }

    /// Encrypts what waits for the socket, as much as it takes soon.
    pub(super) fn encrypt_output(&mut self, key: SocketKey, now: Time) {
        while let Some(n) = self.encrypt_some(key) {
            let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
            match &mut proxied.outgoing {
                Some(outgoing) => outgoing.sent(n),
                None => self.taken(key, n, now),
            }
        }
    }

    /// Encrypts the first piece of what waits; says how many bytes it had.
    fn encrypt_some(&mut self, key: SocketKey) -> Option<usize> {
        let proxied = self.sockets.get_mut(key)?.proxied()?;
        let tls = proxied.tls.as_mut()?;
        if !tls.encrypts() || tls.ciphertext().len() >= OUTPUT_LOW {
            return None;
        }
        // Taken out for a moment so that lent plaintext can be read beside it.
        let mut stack = tls.stack.take()?;
        let small_pool = &mut self.small_pool;
        let Some(Role::Proxied(proxied)) = self.sockets.get(key).map(|socket| &socket.role) else {
            return None;
        };
        let plain = match &proxied.outgoing {
            Some(outgoing) => outgoing.to_send(),
            None => match proxied.spill.as_slices().0 {
                [] => {
                    let transport = self.lent.transport;
                    let plaintext = transport.map_or(&[][..], |t| {
                        match self.sockets.get(t.into()).map(|socket| &socket.role) {
                            Some(Role::Transport(Some(transport))) => transport.pipe.plaintext(),
                            _ => &[],
                        }
                    });
                    let range = self.lent.ranges(proxied).next();
                    range.and_then(|range| plaintext.get(range)).unwrap_or_default()
                }
                front => front,
            },
        };
        let plain = plain.get(..ENCRYPT).unwrap_or(plain);
        let n = match plain {
            [] => 0,
            plain => stack.encrypt(plain, small_pool),
        };
        let tls = self.sockets.get_mut(key)?.proxied()?.tls.as_mut()?;
        tls.stack = Some(stack);
        (n > 0).then_some(n)
    }

    /// The outcome of writing the socket.
    pub(super) fn secure_written(&mut self, key: SocketKey, outcome: Write, now: Time) {
        let Self { sockets, small_pool, .. } = self;
        let Some(socket) = sockets.get_mut(key) else { return };
        let n = match outcome {
            Write::Bytes(n) | Write::Blocked(n) => n,
            Write::Failed => 0,
        };
        if n > 0 {
            socket.moved = now;
        }
        let Some(proxied) = socket.proxied() else { return };
        if let Some(tls) = &mut proxied.tls {
            tls.sent(n, small_pool);
        }
        match (&mut proxied.outgoing, outcome) {
            (Some(_), Write::Failed) => {
                let error = TlsError::Truncated;
                return self.secure_failed(key, &error, now);
            }
            (Some(outgoing), _) => outgoing.wrote(outcome),
            (None, Write::Failed) => return self.write_failed(key, now),
            (None, _) => self.after_write(key, now),
        }
        // What was blocked by a full output goes on.
        self.secure_decrypt(key, now);
        self.secure_moved(key, now);
    }

    /// Says goodbye before a half-close. Says whether that is still to be written.
    pub(super) fn say_goodbye(&mut self, key: SocketKey) -> HasOutput {
        let Self { sockets, small_pool, .. } = self;
        let tls = sockets.get_mut(key).and_then(Socket::proxied).and_then(|p| p.tls.as_mut());
        let Some(tls) = tls else { return HasOutput::No };
        if tls.output == WireOutput::Open {
            tls.output = WireOutput::Ended;
            if let Some(stack) = &mut tls.stack {
                stack.close(small_pool);
            }
        }
        if tls.has_output() { HasOutput::Yes } else { HasOutput::No }
    }

    fn secure(&mut self, key: SocketKey) -> Option<&mut Secure> {
        self.sockets.get_mut(key)?.proxied()?.tls.as_deref_mut()
    }

    /// Whether a deadline of TLS runs: the head's must not take its place.
    pub(super) fn is_handshaking(&self, key: SocketKey) -> bool {
        let timer = self.sockets.get(key).and_then(|socket| socket.timer);
        timer.is_some_and(|(_, reason)| reason == DeadlineReason::TlsHandshake)
    }
}
