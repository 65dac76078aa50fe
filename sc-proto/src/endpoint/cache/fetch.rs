//! An answer that is asked for on behalf of the store: from its stream into an object.

use alloc::vec::Vec;

use super::Company;
use crate::Time;
use crate::cache::Seconds;
use crate::cache::request::Asking;
use crate::cache::status::Forwarded;
use crate::cache::store::{ObjectKey, Passing};
use crate::endpoint::Core;
use crate::endpoint::socket::{Link, Socket, SocketKey};
use crate::http1::{Body, HeadSearch};
use crate::slab::Key;

pub(in crate::endpoint) type FetchKey = Key<Fetch>;

/// See the module's head.
#[derive(Debug)]
pub(in crate::endpoint) struct Fetch {
    /// What was asked for.
    pub(super) asking: Asking,
    /// Who asked for it: the answer may be for that one only.
    pub(super) asker: SocketKey,
    /// Whose socket owns the stream.
    pub(super) carrier: SocketKey,
    pub(super) why: Forwarded,
    pub(super) progress: Progress,
    /// What is asked about, if something is stored.
    pub(super) validates: Option<ObjectKey>,
    /// Browsers that wait for the answer, the one that asked first of all.
    pub(super) waiting: Vec<SocketKey>,
    /// Browsers that read it as it comes.
    pub(super) readers: Vec<SocketKey>,
    /// When it was asked for.
    pub(super) asked: Seconds,
    worth: Worth,
}

/// How far a fetch has come.
#[derive(Debug)]
pub(super) enum Progress {
    /// The stream is not open yet.
    Opening,
    /// What came so far, and where the present head begins in it: interim ones go before.
    Head {
        raw: Vec<u8>,
        begin: usize,
        search: HeadSearch,
    },
    Body {
        object: ObjectKey,
        body: Body,
        flow: Flow,
    },
}

/// What becomes of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// It is kept.
    Keep,
    /// It has become too large: it is passed on to its only reader and not kept. So many bytes of
    /// it have come whose credit was not returned.
    Relay { owed: u64 },
}

/// Whether the answer may be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Worth {
    Good,
    /// The URL has changed since it was asked for.
    Void,
}

impl Fetch {
    pub(super) fn new(
        asking: Asking,
        asker: SocketKey,
        validates: Option<ObjectKey>,
        why: Forwarded,
        asked: Seconds,
    ) -> Self {
        Self {
            asking,
            asker,
            carrier: asker,
            why,
            progress: Progress::Opening,
            validates,
            waiting: alloc::vec![asker],
            readers: Vec::new(),
            asked,
            worth: Worth::Good,
        }
    }

    pub(super) fn is_void(&self) -> bool {
        self.worth == Worth::Void
    }

    pub(super) fn make_void(&mut self) {
        self.worth = Worth::Void;
    }
}

impl Core {
    /// The site of a fetch is reached.
    pub(in crate::endpoint) fn fetch_opened(&mut self, key: SocketKey, fetch: FetchKey, now: Time) {
        self.expect_movement(key, now);
        if let Some(entry) = self.cache.fetches.get_mut(fetch) {
            entry.progress =
                Progress::Head { raw: Vec::new(), begin: 0, search: HeadSearch::new() };
        }
    }

    /// Bytes came for a fetch, to its carrier.
    pub(in crate::endpoint) fn fetch_payload(
        &mut self,
        carrier: SocketKey,
        fetch: FetchKey,
        payload: &[u8],
        now: Time,
    ) {
        let Some(socket) = self.sockets.get_mut(carrier) else { return };
        socket.moved = now;
        let link = socket.proxied().and_then(|proxied| proxied.link);
        let Some(entry) = self.cache.fetches.get_mut(fetch) else { return };
        match &mut entry.progress {
            Progress::Opening => {}
            Progress::Head { raw, .. } => {
                raw.extend_from_slice(payload);
                self.return_credit(link, payload.len() as u64, now);
                self.fetch_head(fetch, now);
            }
            Progress::Body { flow: Flow::Relay { owed }, .. } => {
                *owed += payload.len() as u64;
                self.fetch_body(fetch, payload, now);
            }
            Progress::Body { flow: Flow::Keep, .. } => {
                // A slow reader holds nobody up: what came is here, and has room.
                self.return_credit(link, payload.len() as u64, now);
                self.fetch_body(fetch, payload, now);
            }
        }
    }

    pub(super) fn return_credit(&mut self, link: Option<Link>, n: u64, now: Time) {
        if let Some(link) = link
            && let Some(entry) = self.sessions.get_mut(link.session)
        {
            entry.session.consumed(link.stream, n, now);
            let transport = entry.transport;
            self.kick_transport(transport);
        }
    }

    /// Takes bytes of the body into the object.
    pub(super) fn fetch_body(&mut self, fetch: FetchKey, mut bytes: &[u8], now: Time) {
        loop {
            let Some(entry) = self.cache.fetches.get_mut(fetch) else { return };
            let Progress::Body { object, body, flow } = &mut entry.progress else { return };
            if body.is_done() {
                return self.fetch_complete(fetch, now);
            }
            if bytes.is_empty() {
                break;
            }
            let Ok(progress) = body.advance(bytes) else {
                return self.abandon(fetch, now);
            };
            let (object, flow) = (*object, *flow);
            let data = &bytes[progress.forward];
            bytes = &bytes[progress.consumed..];
            if flow == Flow::Keep
                && self.cache.store.grow(object, data.len()).is_err()
                && self.begin_relay(fetch, now) == Relayed::No
            {
                return;
            }
            if let Some(object) = self.cache.store.get_mut(object) {
                object.append(data);
            }
        }
        self.wake_readers(fetch, now);
    }

    /// The answer has become larger than the cache takes. The browser that asked for it goes on
    /// with it alone.
    fn begin_relay(&mut self, fetch: FetchKey, now: Time) -> Relayed {
        let seconds = self.seconds(now);
        let Some(entry) = self.cache.fetches.get_mut(fetch) else { return Relayed::No };
        let asking = entry.asking.clone();
        self.cache.store.note_passing(&asking.key, Passing::Large, seconds);
        self.hide(fetch);
        let Some(entry) = self.cache.fetches.get_mut(fetch) else { return Relayed::No };
        if entry.carrier != entry.asker || entry.readers != [entry.asker] {
            self.abandon(fetch, now);
            return Relayed::No;
        }
        if let Progress::Body { flow, .. } = &mut entry.progress {
            *flow = Flow::Relay { owed: 0 };
        }
        for other in core::mem::take(&mut entry.waiting) {
            self.look_once_more(other, Company::Alone);
        }
        Relayed::Yes
    }

    /// The reader of an answer that is not kept has taken some of it.
    pub(super) fn relayed(&mut self, fetch: FetchKey, taken: Taken, now: Time) {
        let Some(entry) = self.cache.fetches.get_mut(fetch) else { return };
        let carrier = entry.carrier;
        let Progress::Body { flow: Flow::Relay { owed }, .. } = &mut entry.progress else { return };
        let n = match taken {
            // And what framed it.
            Taken::All => *owed,
            Taken::Some(n) => n.min(*owed),
        };
        *owed -= n;
        let link = self.sockets.get_mut(carrier).and_then(Socket::proxied).and_then(|p| p.link);
        self.return_credit(link, n, now);
    }

    fn wake_readers(&mut self, fetch: FetchKey, now: Time) {
        let Some(entry) = self.cache.fetches.get(fetch) else { return };
        for reader in entry.readers.clone() {
            self.serve_more(reader, now);
        }
    }

    /// The stream of a fetch has ended.
    pub(in crate::endpoint) fn fetch_ended(
        &mut self,
        fetch: FetchKey,
        plaintext: &[u8],
        now: Time,
    ) {
        let Some(entry) = self.cache.fetches.get(fetch) else { return };
        let asker = entry.asker;
        match &entry.progress {
            Progress::Opening | Progress::Head { .. } => {
                self.pass(fetch, now);
                self.answer_ended(asker, plaintext, now);
            }
            // What is whole has been taken before.
            Progress::Body { .. } => self.abandon(fetch, now),
        }
    }
}

/// How much of what came a reader has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    All,
    /// So many bytes of the body more.
    Some(u64),
}

/// Whether an answer goes on without being kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relayed {
    Yes,
    No,
}
