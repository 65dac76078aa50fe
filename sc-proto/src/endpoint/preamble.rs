//! What a transport says to a proxy before its own TLS begins: on the socket itself, or within TLS
//! with the proxy, which then stays around the transport's own.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Core;
use super::socket::{Socket, SocketKey};
use super::transport::Transport;
use crate::Time;
use crate::contract::{Action, CloseMode, DialFailure, Host, Read, Target};
use crate::egress::Way;
use crate::tls::{BufferPool, TlsError, TlsPipe, TlsStack, TlsState};
use crate::upstream::{Handshake, Progress};

/// Most bytes read at once from a proxy.
const READ: usize = 4 * 1024;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Preamble {
    shake: Handshake,
    within: Within,
}

/// What it is spoken within.
#[derive(Debug)]
enum Within {
    Socket,
    /// TLS with the proxy, which the transport's `pipe` is for the moment. Its own waits here.
    Tls(Box<TlsPipe>),
    /// TLS with the proxy cannot begin.
    Nothing,
}

impl Preamble {
    /// Whether it has something to write that is not in the pipe.
    fn says(&self, pipe: &TlsStack) -> bool {
        let may = match self.within {
            Within::Socket => true,
            Within::Tls(_) => pipe.state() == TlsState::Established,
            Within::Nothing => false,
        };
        may && !self.shake.to_send().is_empty()
    }
}

impl Transport {
    /// Whether the way by the proxy, if there is one, has something to write.
    pub(super) fn preamble_wants(&self) -> Option<bool> {
        let preamble = self.preamble.as_ref()?;
        Some(preamble.says(&self.pipe) || self.preamble_is_secure() && self.pipe.has_output())
    }

    /// What the socket is to be written, on the way by the proxy.
    pub(super) fn preamble_output(&self) -> Option<&[u8]> {
        let preamble = self.preamble.as_ref()?;
        Some(match preamble.within {
            Within::Socket => preamble.shake.to_send(),
            Within::Tls(_) => self.pipe.ciphertext(),
            Within::Nothing => &[],
        })
    }

    /// Encrypts what the proxy is told, if TLS is spoken with it.
    pub(super) fn encrypt_preamble(&mut self, pool: &mut BufferPool) {
        let secure = self.preamble_is_secure();
        if let Some(preamble) = &mut self.preamble
            && secure
            && preamble.says(&self.pipe)
        {
            let n = self.pipe.encrypt(preamble.shake.to_send(), pool);
            preamble.shake.sent(n);
        }
    }

    /// So many bytes were written. Says whether they were the preamble's.
    pub(super) fn preamble_sent(&mut self, n: usize, pool: &mut BufferPool) -> bool {
        let Some(preamble) = &mut self.preamble else { return false };
        match preamble.within {
            Within::Socket => preamble.shake.sent(n),
            Within::Tls(_) | Within::Nothing => self.pipe.sent(n, pool),
        }
        true
    }

    /// Whether reads go into TLS.
    fn preamble_is_secure(&self) -> bool {
        matches!(&self.preamble, Some(preamble) if matches!(preamble.within, Within::Tls(_)))
    }

    /// Takes what the proxy has sent. `Ok`: whether the way is open.
    fn take_preamble(&mut self, bytes: &[u8], pool: &mut BufferPool) -> Result<bool, Trouble> {
        let Some(preamble) = &mut self.preamble else { return Ok(false) };
        let rest = match &preamble.within {
            Within::Socket => match preamble.shake.receive(bytes)? {
                Progress::Pending => return Ok(false),
                Progress::Done(rest) => rest,
            },
            Within::Tls(_) => {
                // What came before an error or an end counts.
                let decrypted = self.pipe.decrypt(pool);
                let plain = self.pipe.plaintext().to_vec();
                self.pipe.consume(plain.len(), pool);
                match preamble.shake.receive(&plain)? {
                    Progress::Pending => return decrypted.map(|_| false).map_err(Trouble::Tls),
                    // A server of ours never speaks first.
                    Progress::Done(rest) if !rest.is_empty() => {
                        return Err(DialFailure::ProxyProtocol.into());
                    }
                    Progress::Done(rest) => rest,
                }
            }
            Within::Nothing => return Err(DialFailure::ProxyTls.into()),
        };
        if let Some(preamble) = self.preamble.take()
            && let Within::Tls(pipe) = preamble.within
        {
            self.pipe.speak_within(*pipe, pool).map_err(Trouble::Tls)?;
        }
        self.feed(&rest, pool);
        Ok(true)
    }

    fn feed(&mut self, mut bytes: &[u8], pool: &mut BufferPool) {
        while !bytes.is_empty() {
            let space = self.pipe.read_space(pool);
            let n = space.len().min(bytes.len());
            let (Some(into), Some((part, rest))) = (space.get_mut(..n), bytes.split_at_checked(n))
            else {
                return;
            };
            if n == 0 {
                return;
            }
            into.copy_from_slice(part);
            bytes = rest;
            self.pipe.filled(n, pool);
        }
    }
}

/// Why a way by a proxy does not open.
enum Trouble {
    Proxy(DialFailure),
    Tls(TlsError),
}

impl From<DialFailure> for Trouble {
    fn from(failure: DialFailure) -> Self {
        Self::Proxy(failure)
    }
}

impl Core {
    /// The pipe of a transport that goes by this way to `target`, and what is said before.
    pub(super) fn preamble(
        &mut self,
        way: Option<Way>,
        target: &Target,
        pipe: TlsPipe,
        now: Time,
    ) -> (TlsStack, Option<Box<Preamble>>) {
        let begun = way.and_then(|way| Some((Handshake::begin(&way, target)?, way)));
        let Some((shake, way)) = begun else { return (TlsStack::new(pipe), None) };
        let (pipe, within) = match &way {
            Way::Https(proxy) => match self.proxy_pipe(&proxy.address.host, now) {
                Ok(outer) => (outer, Within::Tls(Box::new(pipe))),
                Err(error) => {
                    log::warn!("TLS with the proxy {} cannot begin: {error}", proxy.address);
                    (pipe, Within::Nothing)
                }
            },
            Way::Direct | Way::Http(_) | Way::Socks4(_) | Way::Socks5(_) => (pipe, Within::Socket),
        };
        (TlsStack::new(pipe), Some(Box::new(Preamble { shake, within })))
    }

    fn proxy_pipe(&mut self, host: &Host, now: Time) -> Result<TlsPipe, TlsError> {
        let trust = self.config.egress.trust.as_ref().ok_or(TlsError::NoRoots)?;
        let client = trust.client_for(host)?;
        let unix_time = self.unix_time(now);
        TlsPipe::client(&client, &host.server_name(), unix_time, &mut self.tls_pool)
    }

    /// Where to read to, on the way by the proxy.
    pub(super) fn preamble_space(&mut self, key: SocketKey) -> &mut [u8] {
        let Self { sockets, tls_pool, scratch, .. } = self;
        match sockets.get_mut(key).and_then(Socket::transport) {
            Some(transport) if transport.preamble_is_secure() => {
                transport.pipe.read_space(tls_pool)
            }
            _ => scratch.get_mut(..READ).unwrap_or_default(),
        }
    }

    /// The outcome of reading what a proxy says.
    pub(super) fn preamble_read(&mut self, key: SocketKey, n: usize, outcome: Read, now: Time) {
        let Self { sockets, tls_pool, scratch, .. } = self;
        let Some(transport) = sockets.get_mut(key).and_then(Socket::transport) else { return };
        let bytes: Vec<u8> = match transport.preamble_is_secure() {
            true => {
                transport.pipe.filled(n, tls_pool);
                Vec::new()
            }
            false => scratch.get(..n).unwrap_or_default().to_vec(),
        };
        let failure = match (transport.take_preamble(&bytes, tls_pool), outcome) {
            (Ok(true), _) => {
                self.pump_in(key, now);
                return self.kick_transport(key);
            }
            (Ok(false), Read::End | Read::Failed) => DialFailure::ProxyProtocol,
            (Ok(false), _) => return self.kick_transport(key),
            (Err(Trouble::Proxy(failure)), _) => failure,
            (Err(Trouble::Tls(error)), _) => {
                log::warn!("TLS with the proxy of the tunnel's connection: {error}");
                DialFailure::ProxyTls
            }
        };
        self.preamble_failed(key, failure, now);
    }

    /// The proxy is connected. Says whether TLS with it cannot even begin.
    pub(super) fn preamble_is_impossible(&mut self, key: SocketKey) -> bool {
        let transport = self.sockets.get_mut(key).and_then(Socket::transport);
        let preamble = transport.and_then(|transport| transport.preamble.as_ref());
        matches!(preamble.map(|preamble| &preamble.within), Some(Within::Nothing))
    }

    /// The way by the proxy does not open.
    pub(super) fn preamble_failed(&mut self, key: SocketKey, failure: DialFailure, now: Time) {
        self.transport_dial_failed(key, failure, now);
        let mode = CloseMode::Graceful;
        self.actions.push_back(Action::Close { socket: key.into(), mode });
    }
}
