//! Browsers that leave, fetches that end.

use super::fetch::{Fetch, FetchKey, Flow, Progress};
use super::{Company, Standing};
use crate::Time;
use crate::contract::ResetReason;
use crate::endpoint::Core;
use crate::endpoint::socket::{Socket, SocketKey};
use crate::http1::Failure;
use crate::time::DeadlineReason;

impl Core {
    /// The cache has nothing more to do with the exchange of a browser: it is over, or the browser
    /// has left.
    pub(in crate::endpoint) fn leave_cache(&mut self, key: SocketKey, now: Time) {
        let Some(share) = self.http(key).and_then(|http| http.share.take()) else { return };
        let fetch = match share.standing {
            Standing::Waits(fetch) => Some(fetch),
            Standing::Reads(reading) => {
                self.cache.store.unpin(reading.object);
                reading.fetch
            }
            Standing::Apart(_) | Standing::Again(_) => None,
        };
        if let Some(entry) = fetch.and_then(|fetch| self.cache.fetches.get_mut(fetch)) {
            entry.waiting.retain(|other| *other != key);
            entry.readers.retain(|other| *other != key);
        }
        if let Some(fetch) = share.carries {
            self.carrier_left(fetch, key, now);
        }
    }

    /// A browser goes to another worker with the request it has made. What was begun for it here
    /// ends or goes on without it; there it asks anew.
    pub(in crate::endpoint) fn take_out_of_cache(&mut self, key: SocketKey, now: Time) {
        let Some(share) = self.http(key).and_then(|http| http.share.as_deref()) else { return };
        let opening = share.opening.clone();
        self.leave_cache(key, now);
        if let Some(http) = self.http(key)
            && http.opening.is_some()
        {
            http.opening = Some(opening);
        }
    }

    /// Gives the stream of a fetch to another browser that wants its answer.
    fn carrier_left(&mut self, fetch: FetchKey, from: SocketKey, now: Time) {
        let Some(entry) = self.cache.fetches.get(fetch) else { return };
        let next = entry.readers.first().or(entry.waiting.first()).copied();
        let proxied = self.sockets.get_mut(from).and_then(Socket::proxied);
        let (Some(next), Some(proxied)) = (next, proxied) else {
            return self.abandon(fetch, now);
        };
        let Some(link) = proxied.link.take() else {
            return self.abandon(fetch, now);
        };
        let ahead = core::mem::take(&mut proxied.ahead);
        let Some(session) = self.sessions.get_mut(link.session) else {
            return self.abandon(fetch, now);
        };
        session.session.set_owner(link.stream, next.into());
        if let Some(proxied) = self.sockets.get_mut(next).and_then(Socket::proxied) {
            proxied.link = Some(link);
            proxied.ahead = ahead;
        }
        if let Some(share) = self.share(next) {
            share.carries = Some(fetch);
        }
        let Some(entry) = self.cache.fetches.get_mut(fetch) else { return };
        entry.carrier = next;
        match entry.progress {
            Progress::Opening => {
                let deadline = now.after(self.answer_limit());
                self.set_timer(next, deadline, DeadlineReason::OpenAnswer);
            }
            Progress::Head { .. } | Progress::Body { .. } => self.expect_movement(next, now),
        }
        self.offer_source(next);
    }

    /// Gives a fetch up: who has a part of the answer is told so, all others ask for themselves.
    pub(super) fn abandon(&mut self, fetch: FetchKey, now: Time) {
        let Some(entry) = self.end_fetch(fetch) else { return };
        self.unlink(entry.carrier, ResetReason::Cancelled, now);
        for other in &entry.waiting {
            self.look_once_more(*other, Company::Alone);
        }
        let failure = Failure::Reset(ResetReason::ConnectionLost);
        for reader in &entry.readers {
            self.end_exchange(*reader, failure, &[], now);
        }
        if let Progress::Body { object, .. } = entry.progress {
            self.cache.store.unpin(object);
        }
    }

    /// Takes a fetch out of all books but its object's. Its stream is the caller's to end.
    pub(super) fn end_fetch(&mut self, fetch: FetchKey) -> Option<Fetch> {
        self.hide(fetch);
        let entry = self.cache.fetches.remove(fetch)?;
        if let Some(object) = entry.validates {
            self.cache.store.unpin(object);
        }
        if let Some(share) = self.share(entry.carrier)
            && share.carries == Some(fetch)
        {
            share.carries = None;
        }
        Some(entry)
    }

    /// Has nobody join a fetch from here on.
    pub(super) fn hide(&mut self, fetch: FetchKey) {
        let Some(entry) = self.cache.fetches.get(fetch) else { return };
        let place = &entry.asking.key;
        if let Some(all) = self.cache.under_way.get_mut(place) {
            all.retain(|other| *other != fetch);
            if all.is_empty() {
                self.cache.under_way.remove(place);
            }
        }
    }

    pub(super) fn is_relayed(&self, fetch: FetchKey) -> bool {
        let progress = self.cache.fetches.get(fetch).map(|entry| &entry.progress);
        matches!(progress, Some(Progress::Body { flow: Flow::Relay { .. }, .. }))
    }
}
