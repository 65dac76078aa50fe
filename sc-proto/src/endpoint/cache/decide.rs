//! What becomes of a fetch once the head of its answer is there, and when it is whole.

use super::fetch::{Fetch, FetchKey, Flow, Progress};
use super::{Company, Standing};
use crate::Time;
use crate::cache::answer::{self, Exchanged};
use crate::cache::object::{Growth, Object};
use crate::cache::request::Credentials;
use crate::cache::status::{Kept, Status};
use crate::cache::store::{ObjectKey, Passing};
use crate::cache::{condition, refresh};
use crate::contract::ResetReason;
use crate::endpoint::Core;
use crate::endpoint::socket::SocketKey;
use crate::http1::response::{self, Asked, Follows, Response};
use crate::http1::{Body, Coding, Framing, HeadSearch, Method, Persistence, Upgrade, Version};

/// As what a fetch asks: nothing of it is any browser's own.
const ASKED: Asked = Asked {
    method: Method::Other,
    version: Version::Http11,
    persistence: Persistence::KeepAlive,
    upgrade: Upgrade::No,
};

impl Core {
    /// Looks for the head of the answer in what came so far.
    pub(super) fn fetch_head(&mut self, fetch: FetchKey, now: Time) {
        loop {
            let limits = self.config.http;
            let Some(entry) = self.cache.fetches.get_mut(fetch) else { return };
            let Progress::Head { raw, begin, search } = &mut entry.progress else { return };
            let rest = raw.get(*begin..).unwrap_or_default();
            match response::read(search, rest, ASKED, &limits) {
                Ok(None) if raw.len() <= 2 * limits.max_head => return,
                Ok(Some((length, Response { follows: Follows::Answer, .. }))) => {
                    *begin += length;
                    *search = HeadSearch::new();
                }
                Ok(Some((length, Response { status, follows, head, .. }))) => {
                    let Follows::Body { framing, .. } = follows else {
                        return self.pass(fetch, now);
                    };
                    let as_sent = rest[..length].to_vec();
                    let head = Head { status, framing, head, as_sent, length };
                    return self.fetch_answered(fetch, head, now);
                }
                // Too many heads, or an answer that the browser is told about in a page.
                Ok(None) | Err(_) => return self.pass(fetch, now),
            }
        }
    }

    fn fetch_answered(&mut self, fetch: FetchKey, head: Head, now: Time) {
        let answered = self.seconds(now);
        let Some(entry) = self.cache.fetches.get(fetch) else { return };
        let at = Exchanged { asked: entry.asked, answered };
        let (asking, validates) = (entry.asking.clone(), entry.validates);
        if let (304, Some(object)) = (head.status, validates) {
            return self.confirmed(fetch, object, &head, at, now);
        }
        if let Some(object) = validates.filter(|_| head.status < 500) {
            // Whatever it is now, it is not that any more.
            self.cache.store.unlist(object);
        }
        let growth = match head.framing {
            Framing::None => Growth::To(0),
            Framing::Length(length) => Growth::To(length),
            Framing::Chunked => Growth::Open,
            // Nobody could say whether it was cut short.
            Framing::UntilClose => return self.not_for_others(fetch, now),
        };
        let facts = match answer::judge(&asking, head.status, &head.as_sent, at) {
            Ok(facts) => facts,
            Err(reason) => {
                log::trace!("not stored: {reason:?}");
                return self.not_for_others(fetch, now);
            }
        };
        let stored = refresh::stored(&head.head);
        let object = Object::new(asking.key.clone(), stored, facts, growth);
        match self.cache.store.admit(object) {
            Ok(object) => self.begin_body(fetch, object, &head, now),
            Err(_) => self.not_for_others(fetch, now),
        }
    }

    /// Requests for the same do not wait for one another for a while.
    fn not_for_others(&mut self, fetch: FetchKey, now: Time) {
        let seconds = self.seconds(now);
        if let Some(entry) = self.cache.fetches.get(fetch)
            && entry.asking.credentials == Credentials::No
        {
            let place = entry.asking.key.clone();
            self.cache.store.note_passing(&place, Passing::Single, seconds);
        }
        self.pass(fetch, now);
    }

    fn begin_body(&mut self, fetch: FetchKey, object: ObjectKey, head: &Head, now: Time) {
        let Some(entry) = self.cache.fetches.get_mut(fetch) else {
            return self.cache.store.unpin(object);
        };
        let body = Body::response(head.framing, Coding::Remove);
        let next = Progress::Body { object, body, flow: Flow::Keep };
        let before = core::mem::replace(&mut entry.progress, next);
        let waiting = core::mem::take(&mut entry.waiting);
        let (asker, why) = (entry.asker, entry.why);
        let is_open = head.framing == Framing::Chunked;
        for key in waiting {
            if key == asker {
                self.serve(key, object, Status::Forwarded(why, Kept::Stored), Some(fetch), now);
            } else if !self.selects(key, object) {
                self.look_once_more(key, Company::Alone);
            } else if is_open {
                // It is not known yet whether it stays small enough to be kept.
                self.cache.fetches.get_mut(fetch).into_iter().for_each(|it| it.waiting.push(key));
            } else {
                self.count_collapsed_of(key);
                self.serve(key, object, Status::Collapsed(why), Some(fetch), now);
            }
        }
        let Progress::Head { raw, begin, .. } = before else { return };
        let rest = raw.get(begin + head.length..).unwrap_or_default();
        self.fetch_body(fetch, rest, now);
    }

    fn selects(&mut self, key: SocketKey, object: ObjectKey) -> bool {
        let Some(share) = self.share(key) else { return false };
        let asking = share.asking.clone();
        self.cache.store.get(object).is_some_and(|it| it.facts.selects(&asking))
    }

    fn count_collapsed_of(&mut self, key: SocketKey) {
        if let Some(share) = self.share(key) {
            let tunnel = share.asking.key.tunnel;
            self.count_collapsed(tunnel);
        }
    }

    /// The site says that what is stored is still good (RFC 9111, section 4.3.4).
    fn confirmed(
        &mut self,
        fetch: FetchKey,
        object: ObjectKey,
        head: &Head,
        at: Exchanged,
        now: Time,
    ) {
        let Some(entry) = self.cache.fetches.get(fetch) else { return };
        let asking = entry.asking.clone();
        let fresh = self.cache.store.get(object).and_then(|stored| {
            let confirms = condition::confirms(&head.as_sent, &stored.head);
            let refreshed = refresh::refreshed(&stored.head, &head.head);
            let status = super::consult::status_of(&stored.head)?;
            let facts = answer::judge(&asking, status, &refreshed, at).ok()?;
            confirms.then_some((refreshed, facts))
        });
        let Some((refreshed, facts)) = fresh else {
            // It is of something else, or for one browser only: everybody asks anew.
            self.cache.store.unlist(object);
            return self.abandon(fetch, now);
        };
        if let Some(stored) = self.cache.store.get_mut(object) {
            stored.head = refreshed;
            stored.facts = facts;
        }
        self.cache.store.count(asking.key.tunnel, |figures| figures.revalidated += 1);
        // Kept until all have it.
        self.cache.store.pin(object);
        if let Some(entry) = self.end_fetch(fetch) {
            self.unlink(entry.carrier, ResetReason::Cancelled, now);
            let status = Status::Forwarded(entry.why, Kept::Revalidated);
            self.serve_waiting(&entry, object, status, now);
        }
        self.cache.store.unpin(object);
    }

    /// The body of a fetch has come as a whole.
    pub(super) fn fetch_complete(&mut self, fetch: FetchKey, now: Time) {
        let Some(entry) = self.end_fetch(fetch) else { return };
        self.unlink(entry.carrier, ResetReason::Cancelled, now);
        let Progress::Body { object, flow, .. } = entry.progress else { return };
        if let Some(it) = self.cache.store.get_mut(object) {
            it.finish();
        }
        if flow == Flow::Keep && !entry.is_void() {
            self.cache.store.list(object, &entry.asking);
        }
        self.serve_waiting(&entry, object, Status::Collapsed(entry.why), now);
        for reader in &entry.readers {
            self.serve_more(*reader, now);
        }
        self.cache.store.unpin(object);
    }

    /// Gives an object to all who waited for it. `status` is of the one that asked.
    fn serve_waiting(&mut self, entry: &Fetch, object: ObjectKey, status: Status, now: Time) {
        for key in &entry.waiting {
            if !self.selects(*key, object) {
                self.look_once_more(*key, Company::Alone);
            } else if *key == entry.asker {
                self.serve(*key, object, status, None, now);
            } else {
                self.count_collapsed_of(*key);
                self.serve(*key, object, Status::Collapsed(entry.why), None, now);
            }
        }
    }

    /// The answer is not for the store: the browser that asked goes on with the stream as if there
    /// were no cache, all others ask for themselves.
    pub(super) fn pass(&mut self, fetch: FetchKey, now: Time) {
        let Some(entry) = self.end_fetch(fetch) else { return };
        for other in entry.waiting.iter().filter(|other| **other != entry.asker) {
            self.look_once_more(*other, Company::Alone);
        }
        if entry.carrier != entry.asker {
            // It was for one that has left.
            return self.unlink(entry.carrier, ResetReason::Cancelled, now);
        }
        let key = entry.asker;
        let Some(http) = self.http(key) else { return };
        if let Some(share) = &mut http.share {
            share.standing = Standing::Apart(entry.why);
        }
        let _ = http.front.opened();
        if let Progress::Head { raw, .. } = entry.progress {
            let used = self.drive_answer(key, &raw, None, now);
            if let Some(http) = self.http(key) {
                http.answer.extend_from_slice(raw.get(used..).unwrap_or_default());
            }
        }
    }
}

/// The head of a final answer.
struct Head {
    status: u16,
    framing: Framing,
    /// Without what ends at this hop.
    head: bytes::Bytes,
    /// As the site sent it.
    as_sent: alloc::vec::Vec<u8>,
    length: usize,
}
