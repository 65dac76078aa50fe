//! Drives [`sc_proto::Core`] with [mio]: the default runtime of sc, made for throughput.
//!
//! This crate owns threads, sockets, name resolution and the clock. It knows nothing of HTTP, KGP
//! or TLS: what to read, write, dial and close is decided by the core, by the contract in
//! [`sc_proto`]. What it does decide is how: see [`Options`].
//!
//! A [`Runtime`] has one worker thread per core. A worker owns its core and its sockets; the
//! workers meet only to hand a transport over and in one counter of open sockets, so there is no
//! lock on the way of the bytes. The embedder talks to them through a [`Handle`] and hears from
//! them through a bounded channel. An embedder that does not take its events stops nothing: one
//! event per worker is kept and offered again, the others wait in the core.
//!
//! ```no_run
//! use std::sync::mpsc;
//! use sc_proto::{Command, Config, Core, Event, WorkerId};
//! use sc_runtime_mio::{Options, Runtime};
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
//! `worker` is the loop, `connection` one socket, `dial` connecting and name resolution, `dns` and
//! `lines` asking name servers that the embedder gives, `listen` accepting, `handle`, `inbox` and `report` the ways in and out, `transfer` a read or write for
//! the core, `statistics` how a worker stands, `slots`, `token` and `capacity` the bookkeeping of
//! sockets, `tcp` what sockets are set to, `clock` the only reader of the clock.
//!
//! What knows nothing of mio is written once for both runtimes: `sc-runtime-smol` is built with
//! `clock`, `dial/addresses`, `dial/failure`, `dns`, `fatal`, `handle`, `options`, `report`, `slots`,
//! `statistics`, `tcp` and `transfer` from this folder.
#![deny(unsafe_code)]

mod capacity;
mod clock;
mod connection;
mod dial;
mod dns;
mod fatal;
mod handle;
mod inbox;
mod lines;
mod listen;
mod options;
mod report;
mod slots;
mod statistics;
mod tcp;
mod token;
mod transfer;
mod worker;

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use mio::{Poll, Waker};
use sc_proto::{Core, WorkerId};

use crate::capacity::Capacity;
use crate::clock::Clock;
use crate::dial::{Dials, ReplyTo, Resolver, system_lookup};
pub use crate::dns::NameServers;
use crate::fatal::AbortOnPanic;
pub use crate::handle::{Handle, Stopped};
use crate::inbox::{Inbox, Mailbox, inbox};
use crate::listen::Listeners;
pub use crate::options::Options;
pub use crate::report::EventSink;
use crate::report::Reporter;
pub use crate::statistics::{NoReport, Work, WorkerStatistics};
use crate::worker::{Parts, Shared, TurnLimits, Worker};

/// Running workers. Dropping it is [`Runtime::stop`].
pub struct Runtime {
    handle: Handle,
    stop: Arc<AtomicBool>,
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
    /// No core or more than 65,536; or the system has no descriptors or threads left.
    pub fn start(
        cores: Vec<Core>,
        options: Options,
        events: impl EventSink + Clone,
    ) -> io::Result<Self> {
        if cores.is_empty() {
            let error = "a runtime needs at least one core";
            return Err(io::Error::new(ErrorKind::InvalidInput, error));
        }
        let clock = Clock::start();
        let seats = cores.into_iter().map(Seat::new).collect::<io::Result<Vec<_>>>()?;
        let shared = Shared {
            peers: seats.iter().map(|seat| seat.mailbox.clone()).collect(),
            stop: Arc::default(),
            capacity: Capacity::new(options.socket_limit()),
            clock,
        };
        let resolver = Arc::new(Resolver::new(
            options.resolver_threads,
            options.resolver_queue,
            Box::new(system_lookup),
        ));
        // From here on an early return drops the runtime, which stops the threads there are.
        let mut runtime = Self {
            handle: Handle { mailboxes: Arc::clone(&shared.peers) },
            stop: Arc::clone(&shared.stop),
            threads: Vec::with_capacity(seats.len()),
        };
        for (index, seat) in seats.into_iter().enumerate() {
            let id = u16::try_from(index).map_err(|_| ErrorKind::InvalidInput)?;
            let reporter = Reporter::new(WorkerId(id), events.clone());
            let worker = seat.worker(&options, &resolver, &shared, reporter);
            runtime.threads.push(spawn(index, worker)?);
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
        self.stop.store(true, Ordering::Release);
        for mailbox in self.handle.mailboxes.iter() {
            mailbox.wake();
        }
        for thread in self.threads.drain(..) {
            // A panic would have ended the process.
            let _ = thread.join();
        }
    }
}

/// A worker before it knows the others.
struct Seat {
    core: Core,
    poll: Poll,
    mailbox: Mailbox,
    inbox: Inbox,
    reply: ReplyTo,
}

impl Seat {
    fn new(core: Core) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), token::WAKE)?);
        let (mailbox, inbox, reply) = inbox(waker);
        Ok(Self { core, poll, mailbox, inbox, reply })
    }

    fn worker(
        self,
        options: &Options,
        resolver: &Arc<Resolver>,
        shared: &Shared,
        reporter: Reporter,
    ) -> Worker {
        let limits = TurnLimits {
            budget: options.turn_budget.max(1),
            accepts: options.accepts_per_turn.max(1),
        };
        let parts = Parts {
            core: self.core,
            poll: self.poll,
            inbox: self.inbox,
            dials: Dials::new(
                Arc::clone(resolver),
                options.name_servers.clone(),
                self.reply,
                options.dial_stagger,
            ),
            listeners: Listeners::new(Arc::clone(&shared.capacity), options.accept_retry),
            reporter,
        };
        Worker::new(parts, shared.clone(), limits)
    }
}

fn spawn(index: usize, worker: Worker) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(format!("sc-worker-{index}")).spawn(move || {
        let _guard = AbortOnPanic;
        if let Err(error) = worker.run() {
            fatal::abort(&format!("a worker cannot poll: {error}"));
        }
    })
}
