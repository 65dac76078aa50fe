//! Connections to sites that wait for another exchange.
//!
//! They are bounded in number, for each site and in all, and in time. While one waits it is read:
//! a byte or the end of data ends it, so that no byte that came before a request can be taken for
//! its answer.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use super::Core;
use super::socket::{Input, Output, Socket, SocketKey};
use crate::contract::{CloseMode, Read, StreamKind, Target};
use crate::egress::Way;
use crate::{DeadlineReason, Time};

/// A request that must not be sent twice takes only a connection that waited no longer than this:
/// many applications close theirs after a few seconds, at the moment when the request is on its
/// way.
const SURE: Duration = Duration::from_secs(2);

/// What a connection leads to. The way holds the credentials that it was made with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Site {
    pub(super) way: Way,
    pub(super) kind: StreamKind,
    pub(super) target: Target,
}

/// See the module's head. Those of a site are in the order in which they began to wait.
#[derive(Debug, Default)]
pub(super) struct Kept {
    sites: BTreeMap<Box<Site>, Vec<(Time, SocketKey)>>,
    count: usize,
}

impl Kept {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    fn of(&self, site: &Site) -> &[(Time, SocketKey)] {
        self.sites.get(site).map_or(&[], Vec::as_slice)
    }

    fn put(&mut self, site: &Site, key: SocketKey, now: Time) {
        let waiting = match self.sites.get_mut(site) {
            Some(waiting) => waiting,
            None => self.sites.entry(Box::new(site.clone())).or_default(),
        };
        waiting.push((now, key));
        self.count += 1;
    }

    pub(super) fn remove(&mut self, site: &Site, key: SocketKey) {
        let Some(waiting) = self.sites.get_mut(site) else { return };
        let before = waiting.len();
        waiting.retain(|(_, other)| *other != key);
        self.count -= before - waiting.len();
        if waiting.is_empty() {
            self.sites.remove(site);
        }
    }

    /// The one that waits for longest.
    fn oldest(&self) -> Option<SocketKey> {
        self.sites.values().filter_map(|waiting| waiting.first()).min().map(|(_, key)| *key)
    }

    fn all(&self) -> Vec<SocketKey> {
        self.sites.values().flatten().map(|(_, key)| *key).collect()
    }
}

impl Core {
    /// Keeps a connection whose exchange is over, or closes it.
    pub(super) fn keep_connection(&mut self, key: SocketKey, site: Site, now: Time) {
        let limits = self.config.egress.exchanges.keep;
        let is_full = self.kept.of(&site).len() >= limits.per_site;
        if is_full || limits.in_all == 0 || self.stopping.is_some() {
            return self.close_socket(key, CloseMode::Graceful);
        }
        if self.kept.len() >= limits.in_all
            && let Some(oldest) = self.kept.oldest()
        {
            self.close_socket(oldest, CloseMode::Graceful);
        }
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        self.kept.put(&site, key, now);
        proxied.kept = Some(Box::new(site));
        self.set_timer(key, now.after(limits.idle), DeadlineReason::Kept);
        self.queue_read(key);
    }

    /// A connection to this site that can carry an exchange. It does not wait any more.
    pub(super) fn take_kept(
        &mut self,
        site: &Site,
        is_idempotent: bool,
        now: Time,
    ) -> Option<SocketKey> {
        let sockets = &self.sockets;
        let fits = |(since, key): &&(Time, SocketKey)| {
            // One with something to read is at its end, or about to be.
            (is_idempotent || since.after(SURE) > now)
                && sockets.get(*key).is_some_and(|socket| !socket.can_read)
        };
        let (_, key) = *self.kept.of(site).iter().rev().find(fits)?;
        self.kept.remove(site, key);
        self.clear_timer(key);
        self.sockets.get_mut(key)?.proxied()?.kept = None;
        Some(key)
    }

    /// What came from a site that was asked for nothing: whatever it is, its connection ends.
    pub(super) fn kept_read(&mut self, key: SocketKey, outcome: Read) {
        match outcome {
            Read::WouldBlock => {}
            Read::Bytes(_) | Read::Drained(_) | Read::End | Read::Failed => {
                self.close_socket(key, CloseMode::Graceful);
            }
        }
    }

    /// Closes all that wait.
    pub(super) fn close_kept(&mut self) {
        for key in self.kept.all() {
            self.close_socket(key, CloseMode::Graceful);
        }
    }
}

/// Whether a socket has nothing left of its last exchange.
pub(super) fn is_clean(socket: &mut Socket) -> bool {
    socket.proxied().is_some_and(|proxied| {
        !proxied.has_output() && proxied.input == Input::Open && proxied.output == Output::Open
    })
}
