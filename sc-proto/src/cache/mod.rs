//! A shared cache of answers (RFC 9111): what may be stored, what may be used again, and where
//! it is kept.
//!
//! | part | what it does |
//! | --- | --- |
//! | [`field`] | fields of a head, and lists in them |
//! | [`directive`] | `Cache-Control` |
//! | [`date`] | dates of HTTP |
//! | [`request`] | what a request asks of a cache, and the key of its answer |
//! | [`answer`] | whether an answer may be stored, and how long it is fresh |
//! | [`condition`] | conditional requests: a browser's, and ours |
//! | [`refresh`] | what a 304 changes |
//! | [`status`] | the field `Cache-Status` (RFC 9211) |
//! | [`object`] | one stored answer, whole or on its way |
//! | [`store`] | the answers of one tunnel, within a bound of memory |
//!
//! Nothing here knows streams or sockets, and time comes in as seconds of the wall clock.
//! `endpoint/cache/` does what is decided here. `docs/architecture.md` says why this is no crate.

pub(crate) mod answer;
pub(crate) mod condition;
mod date;
mod directive;
pub(crate) mod field;
pub(crate) mod object;
pub(crate) mod refresh;
pub(crate) mod request;
pub(crate) mod status;
pub(crate) mod store;

#[cfg(test)]
mod tests;

/// Seconds of the wall clock (Unix time).
pub(crate) type Seconds = u64;

/// How much memory the cache of a core may take. Everything that is stored or on its way into the
/// cache counts, and what was dropped from it as long as a browser still reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheLimits {
    /// All tunnels of the core together, in bytes. 0: nothing is cached.
    pub total: usize,
    /// One tunnel, in bytes.
    pub tunnel: usize,
    /// One answer, in bytes.
    pub object: usize,
}

/// What the cache of a tunnel has done, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStatistics {
    /// Requests answered without asking the site.
    pub hits: u64,
    /// Of these, those that waited for an answer another request had asked for (collapsed).
    pub collapsed: u64,
    /// Requests sent to the site to learn that what is stored is still good (304).
    pub revalidated: u64,
    /// Requests for which nothing usable was stored.
    pub misses: u64,
    /// Requests that the cache takes no part in.
    pub bypassed: u64,
    /// Body bytes given to browsers that did not cross the tunnel for them.
    pub saved: u64,
    /// Answers that were stored.
    pub stored: u64,
    /// Answers that were dropped to make room.
    pub evicted: u64,
    /// Answers held now.
    pub objects: usize,
    /// Bytes held now.
    pub bytes: usize,
}
