//! Drives [`sc_proto::Core`] with smol's executor: the runtime for where the footprint must be
//! small.
//!
//! This crate owns threads, sockets, name resolution and the clock, as `sc-runtime-mio` does, and
//! knows nothing of HTTP, KGP or TLS either. An embedder sees the same names with the same
//! meaning: [`Runtime`], [`Handle`], [`Options`], [`Stopped`].
//!
//! A [`Runtime`] has one worker thread per core, which runs one `LocalExecutor` over a reactor of
//! its own. Each socket has a task that waits for its readiness, each listener one that accepts, each dial one; all they do
//! is told to the worker's *turn*, which alone has the core. The embedder talks to the workers
//! through a [`Handle`] and hears from them through a bounded channel. An embedder that does not
//! take its events stops nothing: one event per worker is kept and offered again, the others wait
//! in the core.
//!
//! ```no_run
//! use std::sync::mpsc;
//! use sc_proto::{Command, Config, Core, Event, WorkerId};
//! use sc_runtime_smol::{Options, Runtime};
//!
//! # fn run(seed: [u8; 32], connect: sc_proto::contract::Connect) -> Result<(), Box<dyn std::error::Error>> {
//! let core = Core::new(Config::default(), WorkerId(0), seed);
//! let (sender, events) = mpsc::sync_channel(64);
//! let runtime = Runtime::start(vec![core], Options::default(), sender)?;
//! runtime.handle().command(WorkerId(0), Command::Connect(Box::new(connect)))?;
//! for (worker, event) in events {
//!     if event == Event::Stopped {
//!         break;
//!     }
//! }
//! runtime.stop();
//! # Ok(()) }
//! ```
//!
//! # When a worker cannot go on
//!
//! A panic in a worker, or a poll that the operating system refuses, ends the process (abort)
//! after it was logged, in all build profiles.
//!
//! # Files
//!
//! `worker` is the loop, `reactor` what wakes its tasks, `news` what they tell it, `connection` one socket, `dial` and `resolve`
//! connecting and name resolution, `dns` and `lines` asking name servers that
//! the embedder gives, `listen` accepting, `places` how many sockets may be open,
//! `inbox` the way in. The modules with a path into `sc-runtime-mio` know nothing of mio and are
//! written once for both.
#![deny(unsafe_code)]

mod connection;
mod dial;
mod inbox;
mod lines;
mod listen;
mod news;
mod places;
mod reactor;
mod resolve;
mod worker;

#[path = "../../sc-runtime-mio/src/clock.rs"]
mod clock;
#[path = "../../sc-runtime-mio/src/dns/mod.rs"]
mod dns;
#[path = "../../sc-runtime-mio/src/fatal.rs"]
mod fatal;
#[path = "../../sc-runtime-mio/src/handle.rs"]
mod handle;
#[path = "../../sc-runtime-mio/src/options.rs"]
mod options;
#[path = "../../sc-runtime-mio/src/report.rs"]
mod report;
#[path = "../../sc-runtime-mio/src/slots.rs"]
mod slots;
#[path = "../../sc-runtime-mio/src/statistics.rs"]
mod statistics;
#[path = "../../sc-runtime-mio/src/tcp/mod.rs"]
mod tcp;
#[path = "../../sc-runtime-mio/src/transfer.rs"]
mod transfer;

use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use sc_proto::{Core, WorkerId};

use crate::clock::Clock;
pub use crate::dns::NameServers;
use crate::fatal::AbortOnPanic;
pub use crate::handle::{Handle, Stopped};
use crate::inbox::{Inbox, Mailbox, inbox};
pub use crate::options::Options;
use crate::places::Places;
use crate::reactor::Reactor;
pub use crate::report::EventSink;
use crate::report::Reporter;
use crate::resolve::Resolver;
pub use crate::statistics::{NoReport, Work, WorkerStatistics};
use crate::worker::{Shared, TurnLimits, Worker};

/// Running workers. Dropping it is [`Runtime::stop`].
pub struct Runtime {
    handle: Handle,
    threads: Vec<JoinHandle<()>>,
}

impl Runtime {
    /// Starts one thread per core; the id of a worker is the place of its core in `cores`, and
    /// [`Time::ZERO`](sc_proto::Time::ZERO) is about the moment of the call.
    ///
    /// `events` takes what the cores tell: the sender of a bounded channel, or a function. If the
    /// receiver of a channel is dropped the events are, too.
    ///
    /// # Errors
    ///
    /// No core or more than 65,536; or the system has no threads left.
    pub fn start(
        cores: Vec<Core>,
        options: Options,
        events: impl EventSink + Clone,
    ) -> io::Result<Self> {
        if cores.is_empty() {
            let error = "a runtime needs at least one core";
            return Err(io::Error::new(ErrorKind::InvalidInput, error));
        }
        let (mailboxes, inboxes): (Vec<_>, Vec<_>) = cores.iter().map(|_| inbox()).unzip();
        let shared = Shared::new(mailboxes.into(), &options);
        // From here on an early return drops the runtime, which stops the threads there are.
        let mut runtime = Self {
            handle: Handle { mailboxes: Arc::clone(&shared.peers) },
            threads: Vec::with_capacity(cores.len()),
        };
        for (index, (core, inbox)) in cores.into_iter().zip(inboxes).enumerate() {
            let id = u16::try_from(index).map_err(|_| ErrorKind::InvalidInput)?;
            let reporter = Reporter::new(WorkerId(id), events.clone());
            let shared = shared.clone();
            let thread = thread::Builder::new().name(format!("sc-worker-{index}"));
            runtime.threads.push(thread.spawn(move || {
                let _guard = AbortOnPanic;
                if let Err(error) = work(core, inbox, reporter, shared) {
                    fatal::abort(&format!("a worker cannot poll: {error}"));
                }
            })?);
        }
        Ok(runtime)
    }

    /// The way to the workers.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Ends all workers at once and waits for them; their sockets are closed. For an orderly end
    /// send [`Stop::Drain`](sc_proto::contract::Stop::Drain) first and wait for
    /// [`Event::Stopped`](sc_proto::Event::Stopped).
    ///
    /// Lookups of names that are still under way end on their own later.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        for mailbox in self.handle.mailboxes.iter() {
            mailbox.close();
        }
        for thread in self.threads.drain(..) {
            // A panic would have ended the process.
            let _ = thread.join();
        }
    }
}

/// One worker's life, in its own thread.
fn work(core: Core, inbox: Inbox, reporter: Reporter, shared: Shared) -> io::Result<()> {
    let reactor = Reactor::new()?;
    let worker = Worker::new(core, Rc::clone(&reactor), inbox, reporter, shared);
    reactor.block_on(worker.run())
}

impl Shared {
    fn new(peers: Arc<[Mailbox]>, options: &Options) -> Self {
        Self {
            peers,
            places: Arc::new(Places::new(options.socket_limit())),
            resolver: Arc::new(Resolver::new(options.resolver_threads, options.resolver_queue)),
            name_servers: options.name_servers.clone(),
            clock: Clock::start(),
            dial_stagger: options.dial_stagger,
            accept_retry: options.accept_retry,
            limits: TurnLimits {
                budget: options.turn_budget.max(1),
                accepts: options.accepts_per_turn.max(1),
            },
        }
    }
}
