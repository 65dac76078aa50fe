//! The stored answers of a core's tunnels, within bounds of memory; what was not used for longest
//! goes first.
//!
//! Every tunnel has keys of its own, so that no request finds another tunnel's answers. What is
//! dropped while browsers read it counts until the last one has left.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::answer::Worth;
use super::object::{Growth, Listing, Object};
use super::request::{Asking, CacheKey};
use super::status::Forwarded;
use super::{CacheLimits, CacheStatistics, Seconds};
use crate::contract::TunnelId;
use crate::slab::{Key, Slab};

pub(crate) type ObjectKey = Key<Object>;

/// Most answers to one URL that differ by `Vary`.
const MAX_VARIANTS: usize = 16;
/// Most URLs remembered as not worth waiting for.
const MAX_PASSING: usize = 4096;
/// How long they are.
const PASSING: Seconds = 60;

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Store {
    limits: CacheLimits,
    objects: Slab<Object>,
    index: BTreeMap<CacheKey, Vec<ObjectKey>>,
    tunnels: BTreeMap<TunnelId, Tally>,
    /// URLs whose last answer could not be stored, and until when that counts.
    passing: BTreeMap<CacheKey, (Seconds, Passing)>,
    /// Counts uses.
    clock: u64,
    bytes: usize,
}

/// One tunnel's share.
#[derive(Debug, Default)]
struct Tally {
    /// Listed answers by their last use.
    order: BTreeMap<u64, ObjectKey>,
    statistics: CacheStatistics,
}

/// What there is for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// This, as it is.
    Usable(ObjectKey),
    /// This, if the site agrees.
    Askable(ObjectKey, Forwarded),
    /// Nothing.
    Nothing(Forwarded),
}

/// Why requests for a URL do not wait for one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passing {
    /// The last answer was for one browser, or was long in coming.
    Single,
    /// It was too large, which showed late: it is not asked for on behalf of the store.
    Large,
}

/// There is no room, whatever is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Store {
    pub(crate) fn new(limits: CacheLimits) -> Self {
        Self {
            limits,
            objects: Slab::new(),
            index: BTreeMap::new(),
            tunnels: BTreeMap::new(),
            passing: BTreeMap::new(),
            clock: 0,
            bytes: 0,
        }
    }

    /// Whether anything may be stored at all.
    pub(crate) fn is_on(&self) -> bool {
        self.limits.total > 0 && self.limits.tunnel > 0 && self.limits.object > 0
    }

    /// The largest body that is stored.
    pub(crate) fn largest(&self) -> u64 {
        self.limits.object.min(self.limits.tunnel).min(self.limits.total) as u64
    }

    /// Keeps figures of a tunnel from here on.
    pub(crate) fn know(&mut self, tunnel: TunnelId) {
        self.tunnels.entry(tunnel).or_default();
    }

    /// Counts something up in a tunnel's figures. One that is gone has none.
    pub(crate) fn count(&mut self, tunnel: TunnelId, count: impl FnOnce(&mut CacheStatistics)) {
        if let Some(tally) = self.tunnels.get_mut(&tunnel) {
            count(&mut tally.statistics);
        }
    }

    /// The figures of all tunnels.
    pub(crate) fn statistics(&self) -> impl Iterator<Item = (TunnelId, CacheStatistics)> + '_ {
        self.tunnels.iter().map(|(tunnel, tally)| (*tunnel, tally.statistics))
    }

    /// Bytes held for all tunnels.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn get(&self, key: ObjectKey) -> Option<&Object> {
        self.objects.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: ObjectKey) -> Option<&mut Object> {
        self.objects.get_mut(key)
    }

    /// Looks for an answer to a request.
    pub(crate) fn find(&mut self, asking: &Asking, now: Seconds) -> Found {
        let Some(variants) = self.index.get(&asking.key) else {
            return Found::Nothing(Forwarded::UriMiss);
        };
        // The newest that fits (RFC 9111, section 4.1).
        let fits = |key: &&ObjectKey| {
            self.objects.get(**key).is_some_and(|object| object.facts.selects(asking))
        };
        let Some(key) = variants.iter().rev().find(fits).copied() else {
            return Found::Nothing(Forwarded::VaryMiss);
        };
        let worth = self.objects.get(key).map(|object| object.facts.worth(asking, now));
        self.touch(key);
        match worth {
            Some(Worth::Fresh) => Found::Usable(key),
            Some(Worth::Unwanted) => Found::Askable(key, Forwarded::Request),
            Some(Worth::Stale) | None => Found::Askable(key, Forwarded::Stale),
        }
    }

    fn touch(&mut self, key: ObjectKey) {
        let Some(object) = self.objects.get_mut(key) else { return };
        let Listing::Since(before) = object.listing else { return };
        self.clock += 1;
        object.listing = Listing::Since(self.clock);
        if let Some(tally) = self.tunnels.get_mut(&object.key.tunnel) {
            tally.order.remove(&before);
            tally.order.insert(self.clock, key);
        }
    }

    /// Takes in an answer on its way, pinned once, with room for all of it if its length is known.
    pub(crate) fn admit(&mut self, mut object: Object) -> Result<ObjectKey, Full> {
        let body = match object.growth {
            Growth::To(length) if length > self.largest() => return Err(Full),
            Growth::To(length) => usize::try_from(length).map_err(|_| Full)?,
            Growth::Open | Growth::Whole => 0,
        };
        object.cost = object.base_cost() + body;
        object.pins = 1;
        self.reserve(object.key.tunnel, object.cost)?;
        Ok(self.objects.insert(object))
    }

    /// Makes room for `n` more bytes of an answer whose length was not known.
    pub(crate) fn grow(&mut self, key: ObjectKey, n: usize) -> Result<(), Full> {
        let Some(object) = self.objects.get(key) else { return Err(Full) };
        if object.growth != Growth::Open {
            return Ok(());
        }
        if object.length + n as u64 > self.largest() {
            return Err(Full);
        }
        let tunnel = object.key.tunnel;
        self.reserve(tunnel, n)?;
        if let Some(object) = self.objects.get_mut(key) {
            object.cost += n;
        }
        Ok(())
    }

    fn reserve(&mut self, tunnel: TunnelId, n: usize) -> Result<(), Full> {
        if n > self.limits.tunnel || n > self.limits.total {
            return Err(Full);
        }
        while self.held_by(tunnel) + n > self.limits.tunnel {
            let (_, key) = self.oldest(tunnel).ok_or(Full)?;
            self.evict(key);
        }
        while self.bytes + n > self.limits.total {
            let oldest = self.tunnels.keys().filter_map(|tunnel| self.oldest(*tunnel));
            let (_, key) = oldest.min_by_key(|(used, _)| *used).ok_or(Full)?;
            self.evict(key);
        }
        self.bytes += n;
        self.count(tunnel, |figures| figures.bytes += n);
        Ok(())
    }

    fn held_by(&self, tunnel: TunnelId) -> usize {
        self.tunnels.get(&tunnel).map_or(0, |tally| tally.statistics.bytes)
    }

    /// What a tunnel has not used for longest, and when that was. What is being read is in use,
    /// and to drop it would free nothing.
    fn oldest(&self, tunnel: TunnelId) -> Option<(u64, ObjectKey)> {
        let order = &self.tunnels.get(&tunnel)?.order;
        let is_free = |key: ObjectKey| self.objects.get(key).is_some_and(|it| it.pins == 0);
        order.iter().map(|(used, key)| (*used, *key)).find(|(_, key)| is_free(*key))
    }

    fn evict(&mut self, key: ObjectKey) {
        if let Some(tunnel) = self.objects.get(key).map(|object| object.key.tunnel) {
            self.count(tunnel, |figures| figures.evicted += 1);
        }
        self.unlist(key);
    }

    /// Has a whole answer be found from here on, in the place of those it replaces.
    pub(crate) fn list(&mut self, key: ObjectKey, asking: &Asking) {
        let variants = self.index.get(&asking.key).cloned().unwrap_or_default();
        let replaced = |old: &ObjectKey| {
            *old != key && self.objects.get(*old).is_some_and(|old| old.facts.selects(asking))
        };
        let mut out: Vec<ObjectKey> = variants.iter().copied().filter(replaced).collect();
        if variants.len() - out.len() >= MAX_VARIANTS {
            out.extend(variants.first().filter(|first| !out.contains(first)));
        }
        for old in out {
            self.unlist(old);
        }
        let Some(tally) = self.tunnels.get_mut(&asking.key.tunnel) else { return };
        let Some(object) = self.objects.get_mut(key) else { return };
        self.clock += 1;
        object.listing = Listing::Since(self.clock);
        self.index.entry(asking.key.clone()).or_default().push(key);
        tally.order.insert(self.clock, key);
        tally.statistics.stored += 1;
        tally.statistics.objects += 1;
        self.passing.remove(&asking.key);
    }

    /// Has an answer not be found any more. It is dropped once nobody reads it.
    pub(crate) fn unlist(&mut self, key: ObjectKey) {
        let Some(object) = self.objects.get_mut(key) else { return };
        let Listing::Since(used) = core::mem::replace(&mut object.listing, Listing::No) else {
            return;
        };
        let place = object.key.clone();
        if let Some(variants) = self.index.get_mut(&place) {
            variants.retain(|other| *other != key);
            if variants.is_empty() {
                self.index.remove(&place);
            }
        }
        if let Some(tally) = self.tunnels.get_mut(&place.tunnel) {
            tally.order.remove(&used);
            tally.statistics.objects = tally.statistics.objects.saturating_sub(1);
        }
        self.drop_unused(key);
    }

    /// Keeps an answer while it is read or asked about.
    pub(crate) fn pin(&mut self, key: ObjectKey) {
        if let Some(object) = self.objects.get_mut(key) {
            object.pins += 1;
        }
    }

    /// The counterpart of [`Self::pin`].
    pub(crate) fn unpin(&mut self, key: ObjectKey) {
        if let Some(object) = self.objects.get_mut(key) {
            object.pins = object.pins.saturating_sub(1);
        }
        self.drop_unused(key);
    }

    fn drop_unused(&mut self, key: ObjectKey) {
        let unused = |object: &&Object| object.pins == 0 && object.listing == Listing::No;
        if self.objects.get(key).filter(unused).is_none() {
            return;
        }
        if let Some(object) = self.objects.remove(key) {
            self.give_back(object.key.tunnel, object.cost);
        }
    }

    fn give_back(&mut self, tunnel: TunnelId, n: usize) {
        self.bytes = self.bytes.saturating_sub(n);
        self.count(tunnel, |figures| figures.bytes = figures.bytes.saturating_sub(n));
    }

    /// Drops all answers to a URL (RFC 9111, section 4.4).
    pub(crate) fn invalidate(&mut self, key: &CacheKey) {
        let range = self.index.range(key.first()..).take_while(|(other, _)| key.same_url(other));
        let all: Vec<ObjectKey> = range.flat_map(|(_, variants)| variants).copied().collect();
        for key in all {
            self.unlist(key);
        }
    }

    /// Forgets a tunnel.
    pub(crate) fn remove_tunnel(&mut self, tunnel: TunnelId) {
        let order = self.tunnels.get(&tunnel).map(|tally| tally.order.clone());
        for key in order.unwrap_or_default().into_values() {
            self.unlist(key);
        }
        self.passing.retain(|key, _| key.tunnel != tunnel);
        self.tunnels.remove(&tunnel);
    }

    /// Remembers that the answer to this was not stored.
    pub(crate) fn note_passing(&mut self, key: &CacheKey, why: Passing, now: Seconds) {
        if self.passing.len() >= MAX_PASSING {
            self.passing.retain(|_, (until, _)| *until > now);
        }
        if self.passing.len() < MAX_PASSING {
            self.passing.insert(key.clone(), (now + PASSING, why));
        }
    }

    /// Whether requests for this are not to wait for one another.
    pub(crate) fn passing(&self, key: &CacheKey, now: Seconds) -> Option<Passing> {
        self.passing.get(key).filter(|(until, _)| *until > now).map(|(_, why)| *why)
    }
}
