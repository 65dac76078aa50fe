//! The connections of a monitor, within limits.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::address::ListenAddress;
use super::answer::{Answer, Status};
use super::basic_auth::{Access, BasicAuth};
use super::exchange::{self, Server};
use super::request::Request;
use super::socket::{Listener, Socket};

/// Connections at once, each on a thread of its own. When one more comes, the one that has been
/// idle for longest has to go; if none is idle, the newcomer waits in the listener's backlog.
const MAX_CONNECTIONS: usize = 16;
/// How long accepting rests when the system has no descriptors or memory for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Answers requests.
pub(crate) type Handler = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;

/// How a monitor serves.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Who may ask; `None`: everybody.
    pub(crate) auth: Option<BasicAuth>,
    /// How long a connection may wait for its next request.
    pub(crate) idle: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { auth: None, idle: Duration::from_secs(3600) }
    }
}

/// A server of status that runs until this is dropped.
pub(crate) struct Monitor {
    address: ListenAddress,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").field("address", &self.address).finish_non_exhaustive()
    }
}

struct Shared {
    handler: Handler,
    options: Options,
    stopping: AtomicBool,
    open: Mutex<Open>,
    /// A connection has ended or become idle.
    changed: Condvar,
}

/// The open connections.
#[derive(Default)]
struct Open {
    next: u64,
    by_id: BTreeMap<u64, Place>,
}

/// One of them.
struct Place {
    socket: Socket,
    /// Since when it waits for a request, if it does.
    idle_since: Option<Instant>,
}

impl Monitor {
    /// Serves what comes in by `listener`.
    ///
    /// # Errors
    ///
    /// The system has no threads left, or the listener no address.
    pub(crate) fn start(
        listener: Listener,
        options: Options,
        handler: Handler,
    ) -> io::Result<Self> {
        let address = listener.address()?;
        let shared = Arc::new(Shared {
            handler,
            options,
            stopping: AtomicBool::new(false),
            open: Mutex::default(),
            changed: Condvar::new(),
        });
        let acceptor = {
            let shared = Arc::clone(&shared);
            let thread = thread::Builder::new().name("sc-monitor".to_owned());
            thread.spawn(move || shared.accept(&listener))?
        };
        Ok(Self { address, shared, acceptor: Some(acceptor) })
    }

    /// Where it listens, as it can be dialled from this machine.
    pub(crate) fn address(&self) -> &ListenAddress {
        &self.address
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        for place in self.shared.open().by_id.values() {
            place.socket.shutdown(Shutdown::Both);
        }
        self.shared.changed.notify_all();
        // Wakes the acceptor. If that fails it ends with the process.
        let woken = Socket::connect(&self.address, Duration::from_secs(1));
        if let (Ok(_), Some(acceptor)) = (woken, self.acceptor.take()) {
            let _ = acceptor.join();
        }
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn accept(self: &Arc<Self>, listener: &Listener) {
        while !self.is_stopping() {
            let socket = match listener.accept() {
                Ok(socket) => socket,
                Err(error) => {
                    log::warn!("the status server cannot accept a connection: {error}");
                    thread::sleep(ACCEPT_PAUSE);
                    continue;
                }
            };
            let Some(id) = self.take_place(&socket) else { continue };
            let mut connection = Connection { id, shared: Arc::clone(self) };
            let idle = self.options.idle;
            let thread = thread::Builder::new().name("sc-status".to_owned());
            let spawned = thread.spawn(move || exchange::serve(socket, idle, &mut connection));
            if let Err(error) = spawned {
                // The connection went with the closure, and gave its place back.
                log::warn!("the status server has no thread for a connection: {error}");
            }
        }
    }

    /// Waits for a place. `None`: the monitor ends, or the system has no descriptor left.
    fn take_place(&self, socket: &Socket) -> Option<u64> {
        let socket = socket.try_clone().ok()?;
        let mut open = self.open();
        while open.by_id.len() >= MAX_CONNECTIONS {
            if self.is_stopping() {
                return None;
            }
            open.end_longest_idle();
            open = self.changed.wait(open).unwrap_or_else(PoisonError::into_inner);
        }
        let id = open.next;
        open.next += 1;
        open.by_id.insert(id, Place { socket, idle_since: None });
        Some(id)
    }
}

impl Open {
    fn end_longest_idle(&mut self) {
        let idle = self.by_id.values_mut().filter(|place| place.idle_since.is_some());
        if let Some(place) = idle.min_by_key(|place| place.idle_since) {
            place.socket.shutdown(Shutdown::Both);
            place.idle_since = None;
        }
    }
}

/// A connection on its thread. Its place is free again when this is dropped.
struct Connection {
    id: u64,
    shared: Arc<Shared>,
}

impl Connection {
    fn set_idle(&self, since: Option<Instant>) {
        if let Some(place) = self.shared.open().by_id.get_mut(&self.id) {
            place.idle_since = since;
        }
    }
}

impl Server for Connection {
    fn idle(&mut self) {
        self.set_idle(Some(Instant::now()));
        self.shared.changed.notify_all();
    }

    fn busy(&mut self) {
        self.set_idle(None);
    }

    fn answer(&self, request: &Request) -> Answer {
        let options = &self.shared.options;
        let access = options.auth.as_ref().map(|auth| auth.judge(request.authorization.as_deref()));
        match access {
            Some(Access::Denied) => {
                Answer::text(Status::Unauthorized, "a user name and password are needed")
            }
            Some(Access::Granted) | None => (self.shared.handler)(request),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.open().by_id.remove(&self.id);
        self.shared.changed.notify_all();
    }
}
