//! Which runtime drives the sessions: the ones this program was built with, behind one face.
//!
//! The only file that knows `sc-runtime-mio` and `sc-runtime-smol`.

use std::io;

use sc_proto::{Command, Core, WorkerId};
#[cfg(any(feature = "server", feature = "inspect"))]
use sc_proto::{ListenerId, ListenerRole};
#[cfg(feature = "mio")]
use sc_runtime_mio::EventSink as MioSink;
#[cfg(feature = "smol")]
use sc_runtime_smol::EventSink as SmolSink;

use crate::monitor::worker::{NoAnswer, PATIENCE, WorkerReport};

#[cfg(not(any(feature = "mio", feature = "smol")))]
compile_error!("sc needs a runtime: build it with the feature `mio` or `smol`");

/// What a runtime that is not there demands of an embedder's events.
#[cfg(not(feature = "mio"))]
pub(crate) trait MioSink {}
#[cfg(not(feature = "mio"))]
impl<T> MioSink for T {}
/// See [`MioSink`].
#[cfg(not(feature = "smol"))]
pub(crate) trait SmolSink {}
#[cfg(not(feature = "smol"))]
impl<T> SmolSink for T {}

/// The runtimes of this build. The first is taken when nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
#[cfg_attr(feature = "server", derive(serde::Deserialize), serde(rename_all = "lowercase"))]
pub(crate) enum RuntimeKind {
    /// For throughput
    #[cfg(feature = "mio")]
    #[default]
    Mio,
    /// For a small footprint
    #[cfg(feature = "smol")]
    #[cfg_attr(not(feature = "mio"), default)]
    Smol,
}

/// Running workers. They end when this is dropped.
pub(crate) enum Runtime {
    #[cfg(feature = "mio")]
    Mio(sc_runtime_mio::Runtime),
    #[cfg(feature = "smol")]
    Smol(sc_runtime_smol::Runtime),
}

/// The way to the workers of a [`Runtime`], for any thread. Its methods wait while the worker is
/// far behind.
#[derive(Clone)]
pub(crate) enum Handle {
    #[cfg(feature = "mio")]
    Mio(sc_runtime_mio::Handle),
    #[cfg(feature = "smol")]
    Smol(sc_runtime_smol::Handle),
}

/// Name servers that are asked for the names of sites. Clones are the same.
#[derive(Clone)]
#[cfg(feature = "client")]
pub(crate) enum NameServers {
    #[cfg(feature = "mio")]
    Mio(sc_runtime_mio::NameServers),
    #[cfg(feature = "smol")]
    Smol(sc_runtime_smol::NameServers),
}

/// A build that has no client asks none.
#[cfg(not(feature = "client"))]
pub(crate) enum NameServers {}

/// The worker does not exist or has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the worker has stopped")]
pub(crate) struct Stopped;

/// Does the same with either.
macro_rules! either {
    ($on:expr, $inner:ident => $done:expr) => {
        match $on {
            #[cfg(feature = "mio")]
            Self::Mio($inner) => $done,
            #[cfg(feature = "smol")]
            Self::Smol($inner) => $done,
        }
    };
}

impl Runtime {
    /// Starts one worker per core, with the runtime's usual options. `events` takes what the cores
    /// tell: the sender of a bounded channel, or a function that never waits. `names` are asked for
    /// the names of sites; `None`: the system's resolver is.
    ///
    /// # Errors
    ///
    /// The system has no descriptors or threads left.
    pub(crate) fn start(
        kind: RuntimeKind,
        cores: Vec<Core>,
        names: Option<NameServers>,
        events: impl MioSink + SmolSink + Clone,
    ) -> io::Result<Self> {
        match kind {
            #[cfg(feature = "mio")]
            RuntimeKind::Mio => {
                let options = sc_runtime_mio::Options {
                    name_servers: names.and_then(NameServers::of_mio),
                    ..sc_runtime_mio::Options::default()
                };
                sc_runtime_mio::Runtime::start(cores, options, events).map(Self::Mio)
            }
            #[cfg(feature = "smol")]
            RuntimeKind::Smol => {
                let options = sc_runtime_smol::Options {
                    name_servers: names.and_then(NameServers::of_smol),
                    ..sc_runtime_smol::Options::default()
                };
                sc_runtime_smol::Runtime::start(cores, options, events).map(Self::Smol)
            }
        }
    }

    /// The way to the workers.
    pub(crate) fn handle(&self) -> Handle {
        match self {
            #[cfg(feature = "mio")]
            Self::Mio(runtime) => Handle::Mio(runtime.handle()),
            #[cfg(feature = "smol")]
            Self::Smol(runtime) => Handle::Smol(runtime.handle()),
        }
    }
}

#[cfg(feature = "client")]
impl NameServers {
    /// For a runtime of that kind. `hosts`: the file with names that come first. `seed`:
    /// unpredictable bytes.
    pub(crate) fn new(
        kind: RuntimeKind,
        settings: sc_proto::dns::Settings,
        hosts: &std::path::Path,
        seed: [u8; 32],
    ) -> Self {
        match kind {
            #[cfg(feature = "mio")]
            RuntimeKind::Mio => Self::Mio(sc_runtime_mio::NameServers::new(settings, hosts, seed)),
            #[cfg(feature = "smol")]
            RuntimeKind::Smol => {
                Self::Smol(sc_runtime_smol::NameServers::new(settings, hosts, seed))
            }
        }
    }

    /// Finds the addresses of a name; waits no longer than `patience`.
    #[cfg(feature = "pac")]
    pub(crate) fn lookup(
        &self,
        name: &str,
        patience: std::time::Duration,
    ) -> sc_proto::dns::Answer {
        either!(self, names => names.lookup(name, patience))
    }
}

impl NameServers {
    #[cfg(feature = "mio")]
    fn of_mio(self) -> Option<sc_runtime_mio::NameServers> {
        match self {
            #[cfg(feature = "client")]
            Self::Mio(names) => Some(names),
            #[cfg(all(feature = "client", feature = "smol"))]
            Self::Smol(_) => None,
        }
    }

    #[cfg(feature = "smol")]
    fn of_smol(self) -> Option<sc_runtime_smol::NameServers> {
        match self {
            #[cfg(feature = "client")]
            Self::Smol(names) => Some(names),
            #[cfg(all(feature = "client", feature = "mio"))]
            Self::Mio(_) => None,
        }
    }
}

impl Handle {
    /// Gives a command to a worker's core.
    ///
    /// # Errors
    ///
    /// [`Stopped`] if there is no such worker any more.
    pub(crate) fn command(&self, worker: WorkerId, command: Command) -> Result<(), Stopped> {
        either!(self, handle => handle.command(worker, command).map_err(|_| Stopped))
    }

    /// How a worker stands.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`] if there is no such worker any more, or it does not answer in time.
    pub(crate) fn report(&self, worker: WorkerId) -> Result<WorkerReport, NoAnswer> {
        either!(self, handle => {
            let told = handle.statistics(worker, PATIENCE).map_err(|_| NoAnswer)?;
            let (busy, turns) = (told.work.busy, told.work.turns);
            Ok(WorkerReport {
                core: told.core,
                sessions: told.sessions,
                #[cfg(feature = "client")]
                exchanges: told.exchanges,
                #[cfg(feature = "server")]
                caches: told.caches,
                busy,
                turns,
                #[cfg(feature = "server")]
                visits: told.visits,
            })
        })
    }

    /// Lets a worker accept from `socket`, which is bound and listens.
    ///
    /// # Errors
    ///
    /// [`Stopped`] if there is no such worker any more.
    #[cfg(any(feature = "server", feature = "inspect"))]
    pub(crate) fn listen(
        &self,
        worker: WorkerId,
        id: ListenerId,
        role: ListenerRole,
        socket: std::net::TcpListener,
    ) -> Result<(), Stopped> {
        either!(self, handle => handle.listen(worker, id, role, socket).map_err(|_| Stopped))
    }

    /// Closes a listener. Its connections live on.
    ///
    /// # Errors
    ///
    /// [`Stopped`] if there is no such worker any more.
    #[cfg(feature = "server")]
    pub(crate) fn unlisten(&self, worker: WorkerId, id: ListenerId) -> Result<(), Stopped> {
        either!(self, handle => handle.unlisten(worker, id).map_err(|_| Stopped))
    }
}
