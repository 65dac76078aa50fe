//! A browser's first bytes after CONNECT, and TLS in place of the site.
//!
//! ```text
//! CONNECT ─▶ rule? ── no ──▶ a stream, as ever
//!              │ yes: 200, look
//!              ├─ TLS ─────▶ handshake here, then HTTP as on the proxy port, scheme https
//!              └─ not TLS, silence, HTTP/2 only ─▶ a stream, those bytes first
//! ```

use alloc::boxed::Box;
use core::time::Duration;

use super::Core;
use super::http::{Http, Wants};
use super::route::Opening;
use super::socket::{Socket, SocketKey};
use crate::contract::{CloseMode, StreamKind, Target};
use crate::http1::Front;
use crate::rules::{Resign, Way};
use crate::tls::{Glimpse, Http1, TlsPipe, glimpse};
use crate::{DeadlineReason, Time};

/// How long a browser may be silent after CONNECT. Who waits for the site to speak first speaks
/// no TLS.
const SILENCE: Duration = Duration::from_secs(5);
/// Most bytes that are looked at.
const MAX_LOOK: usize = 20 * 1024;

/// After a CONNECT whose TLS may be re-signed.
#[derive(Debug)]
pub(super) enum Peek {
    /// The first bytes have to come.
    Looking { target: Target, why: Resign },
    /// It passes: its stream is not open yet. Nothing is read meanwhile.
    Passing,
}

impl Core {
    /// Answers a CONNECT whose TLS may be re-signed, to look at what follows.
    pub(super) fn begin_peek(&mut self, key: SocketKey, target: Target, why: Resign, now: Time) {
        let Some(http) = self.http(key) else { return };
        let answer = http.front.opened();
        http.peek = Some(Box::new(Peek::Looking { target, why }));
        http.wants = Wants::Head;
        self.push_bytes(key, &answer, &[]);
        self.set_timer(key, now.after(SILENCE), DeadlineReason::Peek);
    }

    /// Looks at the first bytes, all of them; says how many were taken.
    pub(super) fn look(&mut self, key: SocketKey, bytes: &[u8], now: Time) -> usize {
        let Some(http) = self.http(key) else { return bytes.len() };
        let Some(Peek::Looking { why, .. }) = http.peek.as_deref() else { return 0 };
        let resigned = match (glimpse(bytes), why) {
            (Glimpse::More, _) if bytes.len() < MAX_LOOK => return 0,
            (Glimpse::More | Glimpse::NotTls, _) => false,
            (Glimpse::Tls(hello), Resign::Wanted) => hello.http1 == Http1::Taken,
            (Glimpse::Tls(_), Resign::Needed) => true,
        };
        match resigned {
            true => self.resign(key, bytes, now),
            false => self.pass_through(key, bytes, now),
        }
        bytes.len()
    }

    /// Opens the stream of a CONNECT that is not re-signed after all.
    fn pass_through(&mut self, key: SocketKey, bytes: &[u8], now: Time) {
        self.clear_timer(key);
        let Some(http) = self.http(key) else { return };
        let Some(peek) = &mut http.peek else { return };
        let Peek::Looking { target, .. } = core::mem::replace(&mut **peek, Peek::Passing) else {
            return;
        };
        http.wants = Wants::Nothing;
        let head = bytes::Bytes::copy_from_slice(bytes);
        let (kind, way) = (StreamKind::Connect, Way::Tunnel);
        http.opening = Some(Opening { target, kind, head, way });
        self.open_stream(key, now);
    }

    /// Speaks TLS with the browser in place of its site.
    fn resign(&mut self, key: SocketKey, bytes: &[u8], now: Time) {
        let (limits, mark) = (self.config.http, self.config.ingress.mark.clone());
        let unix_time = self.unix_time(now);
        let Some(resigner) = self.config.resigner.clone() else { return };
        let Some(http) = self.http(key) else { return };
        let Some(Peek::Looking { target, .. }) = http.peek.take().map(|peek| *peek) else { return };
        let label = http.label.take();
        let pipe = TlsPipe::resigned(&resigner, &target.host, unix_time, &self.small_pool);
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let wire_reads = socket.can_read;
        if let Some(proxied) = socket.proxied() {
            let mut http = Http::new(Front::within(limits, target).marked(mark));
            http.label = label;
            proxied.http = Some(Box::new(http));
        }
        match pipe.and_then(|pipe| self.put_on_tls(key, pipe, wire_reads)) {
            Ok(()) => {
                let deadline = now.after(self.config.tls_handshake_timeout);
                self.set_timer(key, deadline, DeadlineReason::TlsHandshake);
                self.feed_secure(key, bytes, now);
            }
            Err(error) => {
                log::warn!("TLS with a browser cannot begin: {error}");
                self.close_socket(key, CloseMode::Abort);
            }
        }
    }

    /// The browser said nothing, or not enough.
    pub(super) fn peek_timeout(&mut self, key: SocketKey, now: Time) {
        let Some(http) = self.http(key) else { return };
        let kept = core::mem::take(&mut http.kept);
        self.pass_through(key, &kept, now);
    }

    /// Whether what the browser sends has to wait: its stream is not open yet.
    pub(super) fn is_passing(&self, key: SocketKey) -> bool {
        let role = self.sockets.get(key).map(|socket| &socket.role);
        let Some(super::socket::Role::Proxied(proxied)) = role else { return false };
        let peek = proxied.http.as_ref().and_then(|http| http.peek.as_deref());
        matches!(peek, Some(Peek::Passing))
    }

    /// Forgets that there was something to look at: the stream is open.
    pub(super) fn peek_over(&mut self, key: SocketKey) {
        if let Some(http) =
            self.sockets.get_mut(key).and_then(Socket::proxied).and_then(|p| p.http())
        {
            http.peek = None;
        }
    }
}
