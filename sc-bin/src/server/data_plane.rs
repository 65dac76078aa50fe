//! The data plane as the control plane sees it: workers that carry tunnels.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use sc_proto::contract::{Access, SocketId, Spread, Stop, TunnelId, TunnelSecret};
use sc_proto::http1::Mark;
use sc_proto::rules::Routing;
use sc_proto::{Command, Config, Core, Event, ListenerId, ListenerRole, WorkerId};

use super::random;
use crate::monitor::worker::{NoAnswer, WorkerReport};
use crate::runtime::{Handle, Runtime, RuntimeKind, Stopped};

/// Where a tunnel lives in the data plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    home: WorkerId,
    listener: ListenerId,
}

impl Place {
    /// The proxy port's listener.
    pub(crate) fn listener(self) -> ListenerId {
        self.listener
    }
}

/// The workers of a server.
pub(crate) struct DataPlane {
    handle: Handle,
    /// Taken by [`DataPlane::stop`].
    runtime: Mutex<Option<Runtime>>,
    /// Tunnels per worker.
    loads: Mutex<Vec<usize>>,
    next_listener: AtomicU32,
}

impl fmt::Debug for DataPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataPlane").field("loads", &self.loads).finish_non_exhaustive()
    }
}

/// The workers are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the workers have stopped")]
pub(crate) struct DataPlaneStopped;

impl From<Stopped> for DataPlaneStopped {
    fn from(_: Stopped) -> Self {
        Self
    }
}

/// Where a server's workers listen from the start.
#[derive(Debug)]
pub(crate) struct Listeners {
    /// For clients.
    pub(crate) kgp: TcpListener,
    /// For browsers that say which tunnel they mean.
    pub(crate) shared_proxy: Option<TcpListener>,
}

/// The worker that accepts clients. Its core hands each transport to its tunnel's home.
const KGP_WORKER: WorkerId = WorkerId(0);

impl DataPlane {
    /// Starts `workers` workers, the first of which accepts clients, and the last those browsers
    /// that come to the shared proxy port. What `config` gives to the cache is for all of them
    /// together. What happens to tunnels is told through `events`.
    pub(crate) fn start(
        runtime: RuntimeKind,
        workers: u16,
        mut config: Config,
        listeners: Listeners,
        events: SyncSender<(WorkerId, Event)>,
    ) -> io::Result<Self> {
        config.unix_time_at_zero =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        config.ingress.mark = mark()?;
        // Workers share nothing, so each has its part of what the process may hold.
        config.cache.total /= usize::from(workers.max(1));
        let mut cores = Vec::with_capacity(usize::from(workers));
        for worker in 0..workers {
            let seed = random::bytes().map_err(io::Error::other)?;
            cores.push(Core::new(config.clone(), WorkerId(worker), seed));
        }
        let runtime = Runtime::start(runtime, cores, None, events)?;
        let handle = runtime.handle();
        let listener = ListenerId(0);
        handle
            .listen(KGP_WORKER, listener, ListenerRole::Kgp, listeners.kgp)
            .map_err(|_| io::Error::other(DataPlaneStopped))?;
        if let Some(socket) = listeners.shared_proxy {
            let worker = WorkerId(workers.saturating_sub(1));
            handle
                .listen(worker, ListenerId(1), ListenerRole::SharedIngress, socket)
                .map_err(|_| io::Error::other(DataPlaneStopped))?;
        }
        Ok(Self {
            handle,
            runtime: Mutex::new(Some(runtime)),
            loads: Mutex::new(vec![0; usize::from(workers)]),
            next_listener: AtomicU32::new(2),
        })
    }

    /// Takes on a tunnel with its proxy port, on the worker that has the fewest.
    pub(crate) fn add_tunnel(
        &self,
        tunnel: TunnelId,
        secret: &TunnelSecret,
        routing: Routing,
        proxy: TcpListener,
    ) -> Result<Place, DataPlaneStopped> {
        let place = Place {
            home: self.take_least_loaded(),
            listener: ListenerId(self.next_listener.fetch_add(1, Ordering::Relaxed)),
        };
        let added = || {
            let routing = Arc::new(routing);
            let workers = u16::try_from(self.worker_count()).unwrap_or(u16::MAX);
            let spread = (workers > 1).then(|| Spread::new(place.home, workers));
            for worker in self.workers() {
                let command =
                    Command::AddTunnel { tunnel, secret: secret.clone(), home: place.home };
                self.handle.command(worker, command)?;
                if let Some(spread) = &spread {
                    let spread = Arc::clone(spread);
                    self.handle.command(worker, Command::Spread { tunnel, spread })?;
                }
                let routing = Arc::clone(&routing);
                self.handle.command(worker, Command::SetRouting { tunnel, routing })?;
            }
            let role = ListenerRole::Ingress(tunnel);
            self.handle.listen(place.home, place.listener, role, proxy)
        };
        added()
            .map_err(|stopped: Stopped| {
                self.give_back(place.home);
                stopped.into()
            })
            .map(|()| place)
    }

    /// Has the requests of a tunnel go by other rules from now on.
    pub(crate) fn set_routing(&self, tunnel: TunnelId, routing: Routing) {
        let routing = Arc::new(routing);
        for worker in self.workers() {
            let routing = Arc::clone(&routing);
            // A worker that has ended routes nothing.
            let _ = self.handle.command(worker, Command::SetRouting { tunnel, routing });
        }
    }

    /// Answers a question about a visitor.
    pub(crate) fn tell_access(&self, worker: WorkerId, socket: SocketId, access: Access) {
        // With the worker its browsers are gone, too.
        let _ = self.handle.command(worker, Command::Access { socket, access });
    }

    /// Takes connections for a tunnel from one more socket, on the worker where the tunnel is.
    /// Nobody is asked there who they are.
    pub(crate) fn add_entrance(
        &self,
        tunnel: TunnelId,
        of: Place,
        socket: TcpListener,
    ) -> Result<Place, DataPlaneStopped> {
        let listener = ListenerId(self.next_listener.fetch_add(1, Ordering::Relaxed));
        let place = Place { home: of.home, listener };
        self.handle.listen(place.home, listener, ListenerRole::OpenIngress(tunnel), socket)?;
        Ok(place)
    }

    /// Has requests that come by an entrance bear these fields, whole lines each.
    pub(crate) fn label(&self, entrance: Place, fields: String) {
        let command = Command::Label { listener: entrance.listener, fields: fields.into() };
        // A worker that is gone has no requests.
        let _ = self.handle.command(entrance.home, command);
    }

    /// Closes a tunnel's proxy port. What runs goes on.
    pub(crate) fn close_proxy(&self, place: Place) {
        // Workers that are gone have closed it.
        let _ = self.handle.unlisten(place.home, place.listener);
    }

    /// Closes browsers' connections of a tunnel that wait for their next request.
    pub(crate) fn close_idle(&self, tunnel: TunnelId) {
        self.command_all(|| Command::CloseIdle(tunnel));
    }

    /// Lets a tunnel finish what runs: its proxy port is closed, its sessions take no new
    /// stream and end with the last one.
    pub(crate) fn drain_tunnel(&self, tunnel: TunnelId, place: Place) {
        self.close_proxy(place);
        self.command_all(|| Command::DrainTunnel(tunnel));
    }

    /// Ends a tunnel: its proxy port is closed, its session too.
    pub(crate) fn remove_tunnel(&self, tunnel: TunnelId, place: Place) {
        self.close_proxy(place);
        self.command_all(|| Command::RemoveTunnel(tunnel));
        self.give_back(place.home);
    }

    /// Ends all sessions; every worker says [`Event::Stopped`] when its are gone.
    pub(crate) fn stop_sessions(&self, how: Stop) {
        self.command_all(|| Command::Stop(how));
    }

    /// How the workers stand.
    pub(crate) fn report(&self) -> Result<Vec<WorkerReport>, NoAnswer> {
        self.workers().map(|worker| self.handle.report(worker)).collect()
    }

    /// How many workers there are.
    pub(crate) fn worker_count(&self) -> usize {
        self.loads().len()
    }

    /// Ends the workers and waits for them. The event channel is closed after that.
    pub(crate) fn stop(&self) {
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(runtime);
    }

    fn workers(&self) -> impl Iterator<Item = WorkerId> {
        let count = u16::try_from(self.worker_count()).unwrap_or(u16::MAX);
        (0..count).map(WorkerId)
    }

    fn command_all(&self, command: impl Fn() -> Command) {
        for worker in self.workers() {
            // A worker that is gone has nothing left to be told about.
            let _ = self.handle.command(worker, command());
        }
    }

    fn loads(&self) -> std::sync::MutexGuard<'_, Vec<usize>> {
        self.loads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_least_loaded(&self) -> WorkerId {
        let mut loads = self.loads();
        let least = loads.iter_mut().zip(0..).min_by_key(|(load, _)| **load);
        match least {
            Some((load, index)) => {
                *load += 1;
                WorkerId(index)
            }
            None => KGP_WORKER,
        }
    }

    fn give_back(&self, worker: WorkerId) {
        if let Some(load) = self.loads().get_mut(usize::from(worker.0)) {
            *load = load.saturating_sub(1);
        }
    }
}

/// What this server calls itself in `Via`: another word for each run.
fn mark() -> io::Result<Mark> {
    let bytes: [u8; 10] = random::bytes().map_err(io::Error::other)?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Mark::new(&format!("sc_server-{digits}")))
}
