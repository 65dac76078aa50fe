//! Bytes of a stream on their way to its socket: lent, spilled, written, and their credit
//! returned.

use core::ops::Range;

use super::Core;
use super::lent::Lending;
use super::pump::HasOutput;
use super::socket::{Input, Output, Role, Socket, SocketKey};
use crate::contract::{Action, Write};
use crate::{DeadlineReason, Time};

/// A spill larger than this is given back to the allocator when it has run empty.
const SPILL_KEPT: usize = 2048;
/// How long a connection whose last answer was written may take to end.
const LINGER: core::time::Duration = core::time::Duration::from_secs(2);

impl Core {
    /// Bytes of a stream for its socket, at `range` of `plaintext`.
    pub(super) fn take_payload(
        &mut self,
        key: SocketKey,
        plaintext: &[u8],
        range: Range<usize>,
        now: Time,
    ) {
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        let Some(proxied) = socket.proxied() else {
            return;
        };
        if proxied.outgoing.is_some() {
            return self.take_early_payload(key, plaintext, range, now);
        }
        if proxied.output == Output::Failed {
            // Without its credit no more will come.
            return;
        }
        if let Some(fetch) = proxied.http().and_then(|http| http.carried()) {
            let payload = plaintext.get(range).unwrap_or_default();
            return self.fetch_payload(key, fetch, payload, now);
        }
        proxied.unreturned += range.len() as u64;
        if proxied.http.is_some() {
            self.take_answer(key, plaintext, range, now);
        } else if proxied.exchange.is_some() {
            self.take_upload(key, plaintext, range, now);
        } else {
            self.pass_on(key, plaintext, range);
        }
    }

    /// Lends bytes to a socket that takes them now, or copies them for later.
    pub(super) fn pass_on(&mut self, key: SocketKey, plaintext: &[u8], range: Range<usize>) {
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        let can_write = socket.can_write;
        let Some(proxied) = socket.proxied() else {
            return;
        };
        if can_write && self.lent.lending == Lending::Open {
            self.lent.push(key.into(), proxied, range);
        } else if let Some(bytes) = plaintext.get(range) {
            proxied.spill.extend(bytes);
        }
        self.queue_write(key);
    }

    /// Appends bytes of our own behind all others for the socket. `plaintext` is what is lent.
    pub(super) fn push_bytes(&mut self, key: SocketKey, bytes: &[u8], plaintext: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else {
            return;
        };
        self.lent.spill(proxied, plaintext);
        proxied.spill.extend(bytes);
        self.queue_write(key);
    }

    /// Copies what is still lent out, gives the plaintext back.
    pub(super) fn settle(&mut self) {
        let Some(transport) = self.lent.transport else {
            return;
        };
        let transport = SocketKey::from(transport);
        let mut lent = core::mem::take(&mut self.lent);
        let mut borrowers = core::mem::take(&mut lent.borrowers);
        for id in borrowers.drain(..) {
            let key = SocketKey::from(id);
            // The spill is taken out for a moment so that the plaintext can be read beside it.
            let Some(Role::Proxied(proxied)) = self.sockets.get_mut(key).map(|s| &mut s.role)
            else {
                continue;
            };
            if proxied.lent.is_none() {
                continue;
            }
            let mut spill = core::mem::take(&mut proxied.spill);
            let chain = proxied.lent.take();
            lent.copy_chain(chain, self.plaintext_of(transport), &mut spill);
            if let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) {
                proxied.spill = spill;
            }
        }
        self.consume_plaintext(transport, lent.length);
        lent.borrowers = borrowers;
        lent.clear();
        self.lent = lent;
        if !self.resume.contains(&transport) {
            self.resume.push_back(transport);
        }
    }

    /// Settles if the plaintext of this transport is lent out.
    pub(super) fn settle_of(&mut self, key: SocketKey) {
        if self.lent.transport == Some(key.into()) {
            self.settle();
        }
    }

    /// Puts a proxied socket in the list of those to write, if it takes bytes and has some.
    pub(super) fn queue_write(&mut self, key: SocketKey) {
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        if !socket.write_queued && socket.may_write() {
            socket.write_queued = true;
            self.writes.push_back(key);
        }
    }

    /// What a proxied socket is to write, as much as it has leave for.
    pub(super) fn proxied_slices<'a>(&'a self, key: SocketKey, out: &mut [&'a [u8]]) -> usize {
        let count = self.all_slices(key, out);
        let mut left = self.held_back.most(key);
        let shown = out.get_mut(..count).unwrap_or_default();
        let mut kept = 0;
        for slice in shown {
            *slice = slice.get(..left).unwrap_or(slice);
            left -= slice.len();
            kept += usize::from(!slice.is_empty());
        }
        kept
    }

    fn all_slices<'a>(&'a self, key: SocketKey, out: &mut [&'a [u8]]) -> usize {
        let Some(Role::Proxied(proxied)) = self.sockets.get(key).map(|socket| &socket.role) else {
            return 0;
        };
        if let Some(tls) = &proxied.tls {
            let bytes = tls.ciphertext();
            return match out.first_mut() {
                Some(slot) if !bytes.is_empty() => {
                    *slot = bytes;
                    1
                }
                _ => 0,
            };
        }
        if let Some(outgoing) = &proxied.outgoing {
            let bytes = outgoing.to_send();
            return match out.first_mut() {
                Some(slot) if !bytes.is_empty() => {
                    *slot = bytes;
                    1
                }
                _ => 0,
            };
        }
        let plaintext = self.lent.transport.map_or(&[][..], |t| self.plaintext_of(t.into()));
        let (front, back) = proxied.spill.as_slices();
        let lent = self.lent.ranges(proxied).filter_map(|range| plaintext.get(range));
        let slices = [front, back].into_iter().filter(|slice| !slice.is_empty()).chain(lent);
        let mut count = 0;
        for (slot, slice) in out.iter_mut().zip(slices) {
            *slot = slice;
            count += 1;
        }
        count
    }

    pub(super) fn proxied_written(&mut self, key: SocketKey, outcome: Write, now: Time) {
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        let Some(proxied) = socket.proxied() else { return };
        if proxied.tls.is_some() {
            return self.secure_written(key, outcome, now);
        }
        if proxied.outgoing.is_some() {
            return self.hop_written(key, outcome, now);
        }
        let n = match outcome {
            Write::Bytes(n) | Write::Blocked(n) => n,
            Write::Failed => return self.write_failed(key, now),
        };
        if n > 0 {
            socket.moved = now;
        }
        self.taken(key, n, now);
        self.after_write(key, now);
    }

    /// The first `n` bytes for the socket have been taken: written, or encrypted to be written.
    /// Their credit goes back.
    pub(super) fn taken(&mut self, key: SocketKey, n: usize, now: Time) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else {
            return;
        };
        let from_spill = n.min(proxied.spill.len());
        proxied.spill.drain(..from_spill);
        self.lent.advance(proxied, n - from_spill);
        let empty = !proxied.has_plain_output();
        if empty && proxied.spill.capacity() > SPILL_KEPT {
            proxied.spill = alloc::collections::VecDeque::new();
        }
        let returned = if empty { proxied.unreturned } else { proxied.unreturned.min(n as u64) };
        proxied.unreturned -= returned;
        if let Some(link) = proxied.link
            && let Some(entry) = self.sessions.get_mut(link.session)
        {
            entry.session.consumed(link.stream, returned, now);
            let transport = entry.transport;
            self.kick_transport(transport);
        }
    }

    /// Goes on after a write: with what follows the last answer, or with more of this one.
    pub(super) fn after_write(&mut self, key: SocketKey, now: Time) {
        let proxied = self.sockets.get_mut(key).and_then(Socket::proxied);
        if proxied.is_some_and(|proxied| !proxied.has_output()) {
            self.serve_more(key, now);
            self.next_exchange(key);
            self.check_stopped();
        }
        self.flush(key, now);
        self.check_stopped();
    }

    /// Goes on with writing; when all is written, with what was to follow.
    pub(super) fn flush(&mut self, key: SocketKey, now: Time) {
        self.queue_write(key);
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        let connected = socket.peer.is_some();
        let Some(proxied) = socket.proxied() else {
            return;
        };
        if connected && proxied.output == Output::EndWanted && !proxied.has_output() {
            if self.say_goodbye(key) == HasOutput::Yes {
                return self.queue_write(key);
            }
            let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
            proxied.output = Output::Ended;
            let lingers = proxied.input == Input::Discard;
            // The close that follows an input that has ended says so too.
            if proxied.input != Input::Ended {
                self.actions.push_back(Action::ShutdownWrite(key.into()));
            }
            if lingers {
                self.set_timer(key, now.after(LINGER), DeadlineReason::Linger);
                self.queue_read(key);
            }
        }
        self.close_if_over(key);
    }
}
