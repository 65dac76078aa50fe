//! Name resolution off the loop, by the system's resolver on threads of the `blocking` pool.
//!
//! The system's, because the office's names live in `/etc/hosts`, in a VPN's resolver or in
//! whatever else the machine is set up with. The pool's threads end when they have nothing to do.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use async_lock::Semaphore;
use blocking::unblock;

/// How much may be asked at once, over all workers.
#[derive(Debug)]
pub(crate) struct Resolver {
    /// Names that wait for a thread or have one.
    names: Arc<Semaphore>,
    threads: Arc<Semaphore>,
}

impl Resolver {
    pub(crate) fn new(max_threads: usize, max_queue: usize) -> Self {
        let threads = max_threads.max(1);
        Self {
            names: Arc::new(Semaphore::new(threads.saturating_add(max_queue))),
            threads: Arc::new(Semaphore::new(threads)),
        }
    }

    /// Asks for the addresses of a name.
    pub(crate) async fn lookup(
        &self,
        name: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, LookupFailure> {
        let place = self.names.try_acquire_arc().ok_or(LookupFailure::Busy)?;
        let thread = self.threads.acquire_arc().await;
        let name = name.to_owned();
        let found = unblock(move || {
            // Given back when the thread is free again, even if nobody waits any more.
            let _held = (place, thread);
            system_lookup(&name, port)
        });
        found.await.map_err(LookupFailure::System)
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum LookupFailure {
    /// As many names wait as may.
    Busy,
    System(io::Error),
}

/// Asks the system (`getaddrinfo`).
fn system_lookup(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((name, port).to_socket_addrs()?.collect())
}
