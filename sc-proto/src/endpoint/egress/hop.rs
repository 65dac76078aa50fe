//! The hop that is dialled for a site, until the site's bytes begin: the site itself or a proxy, with
//! TLS where it belongs. How a hop fails decides whether it is dialled again, another way is tried, or
//! that was it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::{Peer, Stage};
use crate::contract::{DialFailure, Host, Read, StreamKind, Write};
use crate::egress::Way;
use crate::endpoint::Core;
use crate::endpoint::socket::{Socket, SocketKey};
use crate::tls::{TlsError, TlsPipe};
use crate::upstream::{Handshake, Progress};
use crate::{DeadlineReason, Time};

impl Core {
    /// The driver has connected the hop. One that did not look where it leads is put right here.
    pub(in crate::endpoint) fn hop_connected(
        &mut self,
        key: SocketKey,
        peer: SocketAddr,
        now: Time,
    ) {
        let permitted = self.site_guard(key).permits(peer.ip());
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        let Some(outgoing) = &mut proxied.outgoing else { return };
        outgoing.peer = Some(peer);
        outgoing.can_write = true;
        match outgoing.ways.front() {
            None | Some(Way::Direct) if !permitted => self.give_up(key, DialFailure::Denied, now),
            Some(Way::Https(proxy)) => {
                let host = proxy.address.host.clone();
                self.secure_hop(key, Peer::Proxy, &host, &[], now);
            }
            None | Some(Way::Direct | Way::Http(_) | Way::Socks4(_) | Way::Socks5(_)) => {
                self.ask_hop(key, now);
            }
        }
    }

    /// Asks a proxy for the site, if there is one. TLS with the proxy itself is done.
    fn ask_hop(&mut self, key: SocketKey, now: Time) {
        let limit = now.after(self.config.upstream_timeout);
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        let kind = proxied.kind;
        let upgrades = proxied.exchange.as_ref().is_some_and(|x| x.back.asks_upgrade());
        let Some(outgoing) = &mut proxied.outgoing else { return };
        outgoing.stage = match outgoing.ways.front() {
            None | Some(Way::Direct) => return self.site_reached(key, Vec::new(), now),
            // The proxy gets the request in absolute form, unless it asks to leave HTTP.
            Some(Way::Http(_) | Way::Https(_)) if kind == StreamKind::Http && !upgrades => {
                return self.way_open(key, Vec::new(), now);
            }
            Some(way) => match Handshake::begin(way, &outgoing.target) {
                Some(shake) => Stage::Shaking(Box::new(shake)),
                None => return self.site_reached(key, Vec::new(), now),
            },
        };
        let deadline = limit.min(outgoing.until);
        self.set_timer(key, deadline, DeadlineReason::Upstream);
        self.queue_write(key);
        self.queue_read(key);
    }

    /// The site is reached, by whatever way; `rest` are the first bytes from there.
    fn site_reached(&mut self, key: SocketKey, rest: Vec<u8>, now: Time) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        match (&proxied.outgoing, proxied.kind) {
            (Some(outgoing), StreamKind::Https) => {
                let host = outgoing.target.host.clone();
                self.secure_hop(key, Peer::Site, &host, &rest, now);
            }
            _ => self.way_open(key, rest, now),
        }
    }

    /// Begins TLS with a proxy or a site. `came`: what it has sent already.
    fn secure_hop(&mut self, key: SocketKey, peer: Peer, host: &Host, came: &[u8], now: Time) {
        let deadline = now.after(self.config.tls_handshake_timeout);
        let pipe = self.site_pipe(host, now);
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        let Some(outgoing) = &mut proxied.outgoing else { return };
        outgoing.stage = Stage::Securing(peer);
        let deadline = deadline.min(outgoing.until);
        let wire_reads = outgoing.can_read;
        match pipe.and_then(|pipe| self.put_on_tls(key, pipe, wire_reads)) {
            Ok(()) => {
                self.set_timer(key, deadline, DeadlineReason::TlsHandshake);
                self.feed_secure(key, came, now);
            }
            Err(error) => self.hop_insecure(key, &error, now),
        }
    }

    /// TLS with a site or a proxy, with what the office trusts.
    fn site_pipe(&mut self, host: &Host, now: Time) -> Result<TlsPipe, TlsError> {
        let trust = self.config.egress.trust.as_ref().ok_or(TlsError::NoRoots)?;
        let client = trust.client_for(host)?;
        TlsPipe::client(&client, &host.server_name(), self.unix_time(now), &mut self.small_pool)
    }

    /// The handshake of TLS with the hop is done.
    pub(in crate::endpoint) fn hop_secured(&mut self, key: SocketKey, now: Time) {
        let Some(outgoing) = self.outgoing(key) else { return };
        match outgoing.stage {
            Stage::Securing(Peer::Proxy) => self.ask_hop(key, now),
            Stage::Securing(Peer::Site) => self.way_open(key, Vec::new(), now),
            Stage::Asking | Stage::Dialling | Stage::Head(_) | Stage::Shaking(_) => {}
        }
    }

    /// TLS with the hop has failed.
    pub(in crate::endpoint) fn hop_insecure(
        &mut self,
        key: SocketKey,
        error: &TlsError,
        now: Time,
    ) {
        let Some(outgoing) = self.outgoing(key) else { return };
        let (peer, name) = match (&outgoing.stage, outgoing.ways.front().and_then(Way::proxy)) {
            (Stage::Securing(Peer::Site), _) | (_, None) => (Peer::Site, outgoing.target.clone()),
            (_, Some(proxy)) => (Peer::Proxy, proxy.address.clone()),
        };
        log::warn!("TLS with {name}: {error}");
        match (peer, error) {
            (Peer::Proxy, _) => self.way_failed(key, DialFailure::ProxyTls, now),
            // Another way leads to the same site.
            (Peer::Site, error) => self.give_up(key, error.into(), now),
        }
    }

    /// The dial of the hop has failed; the socket's id is dead for the driver.
    pub(in crate::endpoint) fn hop_dial_failed(
        &mut self,
        key: SocketKey,
        failure: DialFailure,
        now: Time,
    ) {
        let backoff = self.config.egress.dials.backoff;
        let Some(outgoing) = self.outgoing(key) else { return };
        let may_pass = matches!(
            failure,
            DialFailure::Refused | DialFailure::Unreachable | DialFailure::TimedOut
        );
        let failure = outgoing.failure(failure);
        let next = now.after(backoff);
        if !may_pass || outgoing.attempts == 0 || next >= outgoing.until {
            return self.way_failed(key, failure, now);
        }
        match self.move_on(key) {
            Some(key) => self.set_timer(key, next, DeadlineReason::Redial),
            None => self.give_up(key, failure, now),
        }
    }

    /// The hop may have something to read.
    pub(in crate::endpoint) fn hop_readable(&mut self, key: SocketKey) {
        if let Some(outgoing) = self.outgoing(key)
            && outgoing.is_connected()
        {
            outgoing.can_read = true;
            self.queue_read(key);
        }
    }

    /// The hop may take bytes.
    pub(in crate::endpoint) fn hop_writable(&mut self, key: SocketKey) {
        if let Some(outgoing) = self.outgoing(key)
            && outgoing.is_connected()
        {
            outgoing.can_write = true;
            self.queue_write(key);
        }
    }

    /// The outcome of reading what a proxy says, in the scratch buffer.
    pub(in crate::endpoint) fn hop_read(&mut self, key: SocketKey, outcome: Read, now: Time) {
        let n = match outcome {
            Read::Bytes(n) | Read::Drained(n) => n,
            Read::WouldBlock | Read::End | Read::Failed => 0,
        };
        let bytes = self.scratch.get(..n).unwrap_or_default().to_vec();
        let is_secure = self.sockets.get(key).is_some_and(Socket::is_secure);
        let Some(outgoing) = self.outgoing(key) else { return };
        if !is_secure {
            outgoing.can_read = matches!(outcome, Read::Bytes(_));
        }
        let Stage::Shaking(shake) = &mut outgoing.stage else { return };
        match (shake.receive(&bytes), outcome) {
            (Ok(Progress::Done(rest)), _) => self.site_reached(key, rest, now),
            (Ok(Progress::Pending), Read::End | Read::Failed) => {
                self.way_failed(key, DialFailure::ProxyProtocol, now);
            }
            (Ok(Progress::Pending), _) => {
                self.queue_write(key);
                self.queue_read(key);
            }
            (Err(failure), _) => self.way_failed(key, failure, now),
        }
    }

    /// The outcome of writing to a proxy.
    pub(in crate::endpoint) fn hop_written(&mut self, key: SocketKey, outcome: Write, now: Time) {
        let Some(outgoing) = self.outgoing(key) else { return };
        outgoing.can_write = matches!(outcome, Write::Bytes(_));
        if let (Stage::Shaking(shake), Write::Bytes(n) | Write::Blocked(n)) =
            (&mut outgoing.stage, outcome)
        {
            shake.sent(n);
        }
        match outcome {
            Write::Bytes(_) | Write::Blocked(_) => self.queue_write(key),
            Write::Failed => self.way_failed(key, DialFailure::ProxyProtocol, now),
        }
    }

    /// A deadline before OPENED has passed.
    pub(in crate::endpoint) fn hop_timeout(
        &mut self,
        key: SocketKey,
        reason: DeadlineReason,
        now: Time,
    ) {
        let Some(outgoing) = self.outgoing(key) else { return };
        let failure = match outgoing.stage {
            Stage::Dialling if reason == DeadlineReason::Redial => return self.dial_way(key, now),
            Stage::Head(_) => return self.give_up(key, DialFailure::BadRequest, now),
            Stage::Asking => DialFailure::NoWay,
            Stage::Securing(Peer::Site) => DialFailure::TlsTimedOut,
            Stage::Dialling | Stage::Shaking(_) | Stage::Securing(Peer::Proxy) => {
                DialFailure::ProxyTimedOut
            }
        };
        self.way_failed(key, failure, now);
    }
}
