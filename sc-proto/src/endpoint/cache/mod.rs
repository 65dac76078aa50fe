//! Answers that need not cross the tunnel: between a browser's request and the opening of its
//! stream.
//!
//! | file | idea |
//! | --- | --- |
//! | `consult.rs` | what becomes of a request: answered from the store, waits for another's answer, asks the site |
//! | `fetch.rs` | an answer that is asked for on behalf of the store, from its stream into an object |
//! | `decide.rs` | what becomes of it once its head is there |
//! | `serve.rs` | from an object to a browser |
//! | `leave.rs` | browsers that leave, fetches that fail |
//!
//! A *fetch* has a stream, and the stream has one of those browsers as its owner that want the
//! answer: the *carrier*. If that one leaves, another becomes it. A fetch whose answer turns out
//! not to be one for the store is no fetch any more: the browser that asked gets the stream with
//! all that came on it, and it goes on as if there were no cache.

mod consult;
mod decide;
mod fetch;
mod leave;
mod serve;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use self::fetch::{Fetch, FetchKey};
use super::Core;
use super::http::Http;
use super::route::Opening;
use super::socket::SocketKey;
use crate::Time;
use crate::cache::object::Position;
use crate::cache::request::{Asking, CacheKey};
use crate::cache::status::Forwarded;
use crate::cache::store::{ObjectKey, Store};
use crate::cache::{CacheLimits, CacheStatistics, Seconds};
use crate::contract::TunnelId;
use crate::slab::Slab;

/// The caches of a core's tunnels, and what is on its way into them.
#[derive(Debug)]
pub(super) struct Cache {
    store: Store,
    fetches: Slab<Fetch>,
    /// Fetches that others may join.
    under_way: BTreeMap<CacheKey, Vec<FetchKey>>,
    /// Browsers whose requests are to be looked at once more.
    again: VecDeque<SocketKey>,
}

/// What the cache has to do with an exchange of a browser.
#[derive(Debug)]
pub(super) struct Share {
    asking: Asking,
    /// The request as it goes to the site if the cache is of no help.
    opening: Opening,
    standing: Standing,
    /// The fetch whose stream this browser's socket owns.
    carries: Option<FetchKey>,
}

/// How a browser gets its answer.
#[derive(Debug)]
enum Standing {
    /// By a stream of its own.
    Apart(Forwarded),
    /// It waits for a fetch.
    Waits(FetchKey),
    /// From an object.
    Reads(Reading),
    /// That is to be decided once more.
    Again(Company),
}

/// A browser that gets an object.
#[derive(Clone, Copy, Debug)]
struct Reading {
    object: ObjectKey,
    at: Position,
    shape: Shape,
    /// The fetch that fills the object, if it is not whole.
    fetch: Option<FetchKey>,
    cost: Cost,
}

/// How the end of the body is found by the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Length,
    Chunked,
}

/// Whether what a browser reads crossed the tunnel on its behalf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cost {
    Paid,
    Saved,
}

/// Whether a request may wait for another one's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Company {
    Welcome,
    /// It did so before, in vain.
    Alone,
}

impl Cache {
    pub(super) fn new(limits: CacheLimits) -> Self {
        Self {
            store: Store::new(limits),
            fetches: Slab::new(),
            under_way: BTreeMap::new(),
            again: VecDeque::new(),
        }
    }

    /// Forgets a tunnel. What still comes for its browsers is not stored.
    pub(super) fn remove_tunnel(&mut self, tunnel: TunnelId) {
        self.store.remove_tunnel(tunnel);
    }

    /// The next browser whose request is to be looked at once more.
    pub(super) fn next_again(&mut self) -> Option<SocketKey> {
        self.again.pop_front()
    }
}

impl Core {
    /// Each tunnel's cache now.
    pub fn cache_statistics(&self) -> impl Iterator<Item = (TunnelId, CacheStatistics)> + '_ {
        self.cache.store.statistics()
    }

    /// Bytes that stored answers take.
    pub(super) fn cached(&self) -> usize {
        self.cache.store.bytes()
    }

    fn share(&mut self, key: SocketKey) -> Option<&mut Share> {
        self.http(key)?.share.as_deref_mut()
    }

    fn set_share(&mut self, key: SocketKey, share: Share) {
        if let Some(http) = self.http(key) {
            http.share = Some(Box::new(share));
        }
    }

    fn seconds(&self, now: Time) -> Seconds {
        self.unix_time(now)
    }
}

impl Http {
    /// The fetch whose stream this browser's socket owns.
    pub(super) fn carried(&self) -> Option<FetchKey> {
        self.share.as_ref().and_then(|share| share.carries)
    }
}
