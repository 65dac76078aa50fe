//! Settings of the runtime. Policy of sessions and streams is the core's, not here.
//!
//! Both runtimes are built with this file, so that an embedder sets either up in the same way.

use std::time::Duration;

use crate::dns::NameServers;
use crate::slots::MAX_INDEX;

/// Settings of a [`Runtime`](crate::Runtime). The defaults suit a server and a client.
#[derive(Clone, Debug)]
pub struct Options {
    /// Most sockets open at once in all workers together, connection attempts included; listeners
    /// do not count. `None`: what the process's descriptor limit allows, less a reserve for the
    /// embedder's own files. At 15/16 of it accepting pauses, to leave room for dials; it goes
    /// on below 7/8.
    pub max_sockets: Option<usize>,
    /// How much a worker does between two polls of the operating system: one unit per action of
    /// the core and one per 512 bytes moved. Small values are fairer, large ones poll less.
    pub turn_budget: usize,
    /// Most connections accepted between two polls.
    pub accepts_per_turn: usize,
    /// How long accepting pauses after the process ran out of descriptors or memory.
    pub accept_retry: Duration,
    /// How long a connection attempt has before the next address is tried beside it
    /// (RFC 8305, section 5: 250 ms recommended, 100 ms to 2 s allowed).
    pub dial_stagger: Duration,
    /// Most threads that resolve names. They start when needed.
    pub resolver_threads: usize,
    /// Most names that wait for one of them. A dial beyond that fails with
    /// [`DialFailure::Resources`](sc_proto::contract::DialFailure::Resources).
    pub resolver_queue: usize,
    /// Who is asked for the names of sites and of proxies to them. `None`: the system's resolver,
    /// which is always asked for the names of transports' servers.
    pub name_servers: Option<NameServers>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_sockets: None,
            turn_budget: 1024,
            accepts_per_turn: 64,
            accept_retry: Duration::from_millis(100),
            dial_stagger: Duration::from_millis(250),
            resolver_threads: 8,
            resolver_queue: 1024,
            name_servers: None,
        }
    }
}

impl Options {
    /// The limit that [`Options::max_sockets`] stands for.
    pub(crate) fn socket_limit(&self) -> usize {
        self.max_sockets.unwrap_or_else(|| less_reserve(descriptor_limit())).clamp(1, MAX_INDEX)
    }
}

/// Leaves a sixteenth, at least 32 and at most 512, to the rest of the process: standard streams,
/// logs, the database, REST connections, listeners.
fn less_reserve(descriptors: usize) -> usize {
    descriptors.saturating_sub((descriptors / 16).clamp(32, 512))
}

/// The soft limit of open descriptors (`ulimit -n`).
#[cfg(unix)]
fn descriptor_limit() -> usize {
    use rustix::process::{Resource, getrlimit};
    getrlimit(Resource::Nofile)
        .current
        .map_or(MAX_INDEX, |limit| usize::try_from(limit).unwrap_or(MAX_INDEX))
}

/// Windows has no such limit; memory ends first.
#[cfg(not(unix))]
fn descriptor_limit() -> usize {
    65_536
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_a_sixteenth_within_bounds() {
        assert_eq!(less_reserve(256), 224);
        assert_eq!(less_reserve(1024), 960);
        assert_eq!(less_reserve(20_000), 19_488);
        assert_eq!(less_reserve(10), 0);
    }

    #[test]
    fn a_limit_is_always_usable() {
        assert!(Options::default().socket_limit() >= 1);
        let none = Options { max_sockets: Some(0), ..Options::default() };
        assert_eq!(none.socket_limit(), 1);
    }
}
