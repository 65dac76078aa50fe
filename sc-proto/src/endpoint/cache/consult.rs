//! What becomes of a request: answered from the store, waits for another one's answer, asks the
//! site for the store, or goes its own way.

use super::fetch::{Fetch, FetchKey, Progress};
use super::{Company, Cost, Share, Standing};
use crate::Time;
use crate::cache::answer::Worth;
use crate::cache::condition;
use crate::cache::object::{Growth, Object};
use crate::cache::request::{Asking, CacheKey, Conditional, Credentials, Part};
use crate::cache::status::{self, Forwarded, Kept, Status};
use crate::cache::store::{Found, ObjectKey, Passing};
use crate::contract::TunnelId;
use crate::endpoint::Core;
use crate::endpoint::route::Opening;
use crate::endpoint::socket::{Socket, SocketKey};
use crate::http1::Failure;
use crate::rules::{Caching, Way};
use crate::time::DeadlineReason;

/// Most browsers that wait for one fetch. More go their own way.
const MAX_WAITING: usize = 1024;

/// What a request finds that others have begun.
enum Join {
    /// An answer that comes in.
    Reads(ObjectKey, FetchKey, Forwarded),
    /// A fetch to wait for.
    Waits(FetchKey),
    Nothing,
}

impl Core {
    /// Has a request answered from the cache, or opens its stream.
    pub(in crate::endpoint) fn ask_cache(&mut self, key: SocketKey, opening: Opening, now: Time) {
        match self.asking(key, &opening) {
            Some(asking) => {
                self.cache.store.know(asking.key.tunnel);
                let standing = Standing::Again(Company::Welcome);
                self.set_share(key, Share { asking, opening, standing, carries: None });
                self.consult(key, Company::Welcome, now);
            }
            None => {
                if let Some(http) = self.http(key) {
                    http.opening = Some(opening);
                    self.open_stream(key, now);
                }
            }
        }
    }

    /// The request as the cache sees it, if there is a cache for it.
    fn asking(&mut self, key: SocketKey, opening: &Opening) -> Option<Asking> {
        if !self.cache.store.is_on() || opening.way != Way::Tunnel {
            return None;
        }
        let id = self.sockets.get_mut(key).and_then(Socket::proxied)?.tunnel;
        if self.tunnels.get(&id)?.routing.caching == Caching::Off {
            return None;
        }
        Asking::read(id, opening.kind, &opening.target, &opening.head)
    }

    /// Looks at a request that waited in vain.
    pub(in crate::endpoint) fn consult_again(&mut self, key: SocketKey, now: Time) {
        if let Some(Share { standing: Standing::Again(company), .. }) = self.share(key) {
            let company = *company;
            self.consult(key, company, now);
        }
    }

    fn consult(&mut self, key: SocketKey, company: Company, now: Time) {
        let Some(share) = self.share(key) else { return };
        let asking = share.asking.clone();
        let tunnel = asking.key.tunnel;
        if matches!(asking.part, Part::None | Part::Unsafe) {
            self.cache.store.count(tunnel, |figures| figures.bypassed += 1);
            return self.go_apart(key, Forwarded::Bypass, now);
        }
        let seconds = self.seconds(now);
        let (known, why) = match self.cache.store.find(&asking, seconds) {
            Found::Usable(object) => {
                let left = self.cache.store.get(object).map_or(0, |it| it.facts.left(seconds));
                self.cache.store.count(tunnel, |figures| figures.hits += 1);
                return self.serve(key, object, Status::Hit { ttl: left }, None, now);
            }
            Found::Askable(object, why) => (Some(object), why),
            Found::Nothing(why) => (None, why),
        };
        if asking.is_only_if_cached() {
            return self.end_exchange(key, Failure::NotCached, &[], now);
        }
        if company == Company::Welcome && asking.part == Part::Get {
            match self.join(&asking, now) {
                Join::Reads(object, fetch, why) => {
                    self.count_collapsed(tunnel);
                    return self.serve(key, object, Status::Collapsed(why), Some(fetch), now);
                }
                Join::Waits(fetch) => return self.wait_for(key, fetch, now),
                Join::Nothing => {}
            }
        }
        self.cache.store.count(tunnel, |figures| figures.misses += 1);
        let has_its_own = asking.conditional == Conditional::Yes && known.is_none();
        let is_large = self.cache.store.passing(&asking.key, seconds) == Some(Passing::Large);
        if asking.part == Part::Head || has_its_own || is_large {
            return self.go_apart(key, why, now);
        }
        self.lead(key, asking, known, why, now);
    }

    pub(super) fn count_collapsed(&mut self, tunnel: TunnelId) {
        self.cache.store.count(tunnel, |figures| {
            figures.hits += 1;
            figures.collapsed += 1;
        });
    }

    /// Looks for a fetch that brings the answer to this request, or may do so.
    fn join(&mut self, asking: &Asking, now: Time) -> Join {
        let seconds = self.seconds(now);
        for fetch in self.cache.under_way.get(&asking.key).into_iter().flatten() {
            let Some(entry) = self.cache.fetches.get(*fetch) else { continue };
            if entry.waiting.len() >= MAX_WAITING || entry.is_void() {
                continue;
            }
            let Progress::Body { object, .. } = &entry.progress else {
                // With credentials nobody knows yet whether they may share it, and a browser that
                // has an answer of its own wants to know about that.
                let may_share = asking.credentials == Credentials::No
                    && entry.asking.credentials == Credentials::No
                    && asking.conditional == Conditional::No
                    && self.cache.store.passing(&asking.key, seconds).is_none();
                if may_share {
                    return Join::Waits(*fetch);
                }
                continue;
            };
            // It may be used only if it could be from the store, too.
            let fits = |it: &&Object| {
                it.facts.selects(asking) && it.facts.worth(asking, seconds) == Worth::Fresh
            };
            let Some(it) = self.cache.store.get(*object).filter(fits) else { continue };
            if it.growth == Growth::Open {
                return Join::Waits(*fetch);
            }
            return Join::Reads(*object, *fetch, entry.why);
        }
        Join::Nothing
    }

    fn wait_for(&mut self, key: SocketKey, fetch: FetchKey, now: Time) {
        if let Some(entry) = self.cache.fetches.get_mut(fetch) {
            entry.waiting.push(key);
        }
        if let Some(share) = self.share(key) {
            share.standing = Standing::Waits(fetch);
        }
        let deadline = now.after(self.config.collapse_wait);
        self.set_timer(key, deadline, DeadlineReason::Collapse);
    }

    /// A browser has waited for another one's answer as long as it may.
    pub(in crate::endpoint) fn collapse_timeout(&mut self, key: SocketKey, now: Time) {
        let Some(share) = self.share(key) else { return };
        let Standing::Waits(fetch) = share.standing else { return };
        let seconds = self.seconds(now);
        if let Some(entry) = self.cache.fetches.get_mut(fetch) {
            entry.waiting.retain(|other| *other != key);
            if !matches!(entry.progress, Progress::Body { .. }) {
                // A site that takes its time, or answers when something happens: nobody else is
                // to wait for it, either.
                self.cache.store.note_passing(&entry.asking.key, Passing::Single, seconds);
            }
        }
        self.look_once_more(key, Company::Alone);
    }

    /// Has a request be looked at once more, when nothing else is being done.
    pub(super) fn look_once_more(&mut self, key: SocketKey, company: Company) {
        self.clear_timer(key);
        if let Some(share) = self.share(key) {
            share.standing = Standing::Again(company);
            self.cache.again.push_back(key);
        }
    }

    /// Opens a stream for the request of one browser alone.
    fn go_apart(&mut self, key: SocketKey, why: Forwarded, now: Time) {
        let Some(http) = self.http(key) else { return };
        let Some(share) = http.share.as_deref_mut() else { return };
        share.standing = Standing::Apart(why);
        http.opening = Some(share.opening.clone());
        self.open_stream(key, now);
    }

    /// Asks the site on behalf of the store, and of those who will want the same.
    fn lead(
        &mut self,
        key: SocketKey,
        asking: Asking,
        known: Option<ObjectKey>,
        why: Forwarded,
        now: Time,
    ) {
        let stored = known.and_then(|object| self.cache.store.get(object)).map(|it| &it.head[..]);
        let head = condition::ask_about(&asking.head, stored);
        if let Some(object) = known {
            self.cache.store.pin(object);
        }
        let (place, seconds) = (asking.key.clone(), self.seconds(now));
        let fetch = Fetch::new(asking, key, known, why, seconds);
        let fetch = self.cache.fetches.insert(fetch);
        self.cache.under_way.entry(place).or_default().push(fetch);
        let Some(http) = self.http(key) else { return };
        let Some(share) = http.share.as_deref_mut() else { return };
        share.standing = Standing::Waits(fetch);
        share.carries = Some(fetch);
        http.opening = Some(Opening { head, ..share.opening.clone() });
        self.open_stream(key, now);
    }

    /// The head of an answer that comes by a browser's own stream, marked; and what it voids.
    pub(in crate::endpoint) fn marked(
        &mut self,
        key: SocketKey,
        head: bytes::Bytes,
    ) -> bytes::Bytes {
        let Some(share) = self.share(key) else { return head };
        let Standing::Apart(why) = share.standing else { return head };
        let Some(status) = status_of(&head).filter(|status| *status >= 200) else { return head };
        if share.asking.part == Part::Unsafe && status < 400 {
            let place = share.asking.key.clone();
            self.void(&place, &head);
        }
        status::mark(&head, Status::Forwarded(why, Kept::No)).into()
    }

    /// Drops what an unsafe request has made void, and keeps what is on its way from being stored
    /// (RFC 9111, section 4.4).
    fn void(&mut self, place: &CacheKey, answer: &[u8]) {
        use crate::cache::field::values;
        let others = ["location", "content-location"];
        let others = others.into_iter().flat_map(|name| values(answer, name));
        let others = others.filter_map(|reference| place.sibling(reference));
        for place in core::iter::once(place.clone()).chain(others) {
            self.cache.store.invalidate(&place);
            for (_, fetch) in self.cache.fetches.iter_mut() {
                if fetch.asking.key.same_url(&place) {
                    fetch.make_void();
                }
            }
        }
    }

    pub(super) fn cost_of(status: Status) -> Cost {
        match status {
            Status::Forwarded(_, Kept::No | Kept::Stored) => Cost::Paid,
            Status::Forwarded(_, Kept::Revalidated) | Status::Hit { .. } | Status::Collapsed(_) => {
                Cost::Saved
            }
        }
    }
}

/// The status in the first line of a head that we wrote.
pub(super) fn status_of(head: &[u8]) -> Option<u16> {
    let digits = head.get(9..12)?;
    core::str::from_utf8(digits).ok()?.parse().ok()
}
