//! The core of sc: KGP sessions and streams, HTTP/1.1 proxying and TLS records, without I/O.
//!
//! A *tunnel* has two ends. The *server* accepts browsers on a proxy port and hands what they ask
//! for to the *client*, which dials the sites; between both is one TLS connection that speaks KGP,
//! is replaced when it dies, and loses nothing then. [`Core`] is either end, or both. It opens no
//! socket, reads no clock, starts no thread and touches no file: it owns state and buffers, and a
//! *driver* owns sockets and time. Drivers are `sc-runtime-mio`, `sc-runtime-smol`, those in the
//! `examples` folder, or yours.
//!
//! # The driver's loop
//!
//! This is all of it, with pipes of memory where yours has TCP sockets, and a server and a client
//! that find one another:
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use sc_proto::{Action, Core, DialFailure, Event, Read, SocketId, Time, Write};
//! # use std::cell::RefCell;
//! # use std::collections::VecDeque;
//! # use std::rc::Rc;
//! # use sc_proto::tls::{TlsClient, TlsServer, Trust};
//! # use sc_proto::contract::{ClientId, ConnectionNumber};
//! # use sc_proto::{Command, Config, Connect, ListenerId, ListenerRole, TunnelId, TunnelSecret};
//! # use sc_proto::WorkerId;
//! # #[derive(Clone, Default)]
//! # struct Direction(Rc<RefCell<(VecDeque<u8>, bool)>>);
//! # struct Pipe { from: Direction, to: Direction }
//! # impl Pipe {
//! #     fn pair() -> (Pipe, Pipe) {
//! #         let (a, b) = (Direction::default(), Direction::default());
//! #         (Pipe { from: a.clone(), to: b.clone() }, Pipe { from: b, to: a })
//! #     }
//! #     fn is_readable(&self) -> bool {
//! #         let from = self.from.0.borrow();
//! #         !from.0.is_empty() || from.1
//! #     }
//! #     fn read(&mut self, space: &mut [u8]) -> Read {
//! #         let mut from = self.from.0.borrow_mut();
//! #         let n = space.len().min(from.0.len());
//! #         space.iter_mut().zip(from.0.drain(..n)).for_each(|(place, byte)| *place = byte);
//! #         match (n, from.1) { (0, true) => Read::End, (0, false) => Read::WouldBlock, _ => Read::Bytes(n) }
//! #     }
//! #     fn write(&mut self, slices: &[&[u8]]) -> Write {
//! #         let bytes = slices.concat();
//! #         self.to.0.borrow_mut().0.extend(&bytes);
//! #         Write::Bytes(bytes.len())
//! #     }
//! #     fn end(&mut self) { self.to.0.borrow_mut().1 = true; }
//! # }
//! # impl Drop for Pipe { fn drop(&mut self) { self.end() } }
//!
//! struct Driver {
//!     core: Core,
//!     sockets: BTreeMap<SocketId, Pipe>,
//! }
//!
//! impl Driver {
//!     /// One turn: says what was heard. Between turns a driver waits until a socket is ready, a
//!     /// command has come, or `core.next_deadline()` is reached.
//!     fn turn(&mut self, now: Time, dial: &mut dyn FnMut(u16) -> Option<Pipe>) -> Vec<Event> {
//!         let Self { core, sockets } = self;
//!         for (id, _) in sockets.iter().filter(|(_, socket)| socket.is_readable()) {
//!             core.readable(*id);
//!         }
//!         core.handle_timeout(now);
//!         // A budget, so that busy sockets do not keep the driver from waiting ones.
//!         for _ in 0..1000 {
//!             let Some(action) = core.poll_action(now) else { break };
//!             match action {
//!                 Action::Read(id) => {
//!                     let socket = sockets.get_mut(&id);
//!                     let read = socket.map(|socket| socket.read(core.read_space(id)));
//!                     core.read_done(id, read.unwrap_or(Read::Failed), now);
//!                 }
//!                 Action::Write(id) => {
//!                     let mut slices: [&[u8]; 16] = [&[]; 16];
//!                     let count = core.write_slices(id, &mut slices);
//!                     let socket = sockets.get_mut(&id);
//!                     let written = socket.map(|socket| socket.write(&slices[..count]));
//!                     core.write_done(id, written.unwrap_or(Write::Failed), now);
//!                 }
//!                 // With real sockets the outcome comes later, and no later than `deadline`.
//!                 Action::Dial { socket: id, target, .. } => match dial(target.port) {
//!                     Some(pipe) => {
//!                         sockets.insert(id, pipe);
//!                         core.connected(id, ([127, 0, 0, 1], target.port).into(), now);
//!                     }
//!                     None => core.dial_failed(id, DialFailure::Refused, now),
//!                 },
//!                 Action::ShutdownWrite(id) => {
//!                     let _ = sockets.get_mut(&id).map(Pipe::end);
//!                 }
//!                 Action::LongPath(_) => {}
//!                 Action::Close { socket: id, .. } => drop(sockets.remove(&id)),
//!                 // To another core of the same process; here is none.
//!                 Action::HandOver { socket: id, .. } => drop(sockets.remove(&id)),
//!                 Action::Tell { .. } => {}
//!             }
//!         }
//!         std::iter::from_fn(|| core.poll_event()).collect()
//!     }
//! }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let key = rcgen::KeyPair::generate()?;
//! # let certificate = rcgen::CertificateParams::new(vec!["server".into()])?.self_signed(&key)?;
//! # let tls = TlsServer::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes())?;
//! # let trust = TlsClient::new(Trust::Pin(tls.leaf_sha256()))?;
//! # let config = Config { tls_server: Some(tls), ..Config::default() };
//! # let new = |config, seed| Driver { core: Core::new(config, WorkerId(0), [seed; 32]), sockets: BTreeMap::new() };
//! # let (mut server, mut client) = (new(config, 1), new(Config::default(), 2));
//! # let now = Time::ZERO;
//! # let (tunnel, secret) = (TunnelId([7; 16]), TunnelSecret::new([9; 32]));
//! # let add = Command::AddTunnel { tunnel, secret: secret.clone(), home: WorkerId(0) };
//! # server.core.command(add, now);
//! # server.core.add_listener(ListenerId(0), ListenerRole::Kgp);
//! # let connect = Connect {
//! #     tunnel, secret, server: "server:443".parse()?, server_name: "server".into(), tls: trust,
//! #     client: ClientId([1; 16]), connection: ConnectionNumber::ONLY,
//! # };
//! # client.core.command(Command::Connect(Box::new(connect)), now);
//!
//! let mut heard = Vec::new();
//! for _ in 0..20 {
//!     // The client dials; the server accepts.
//!     let accept = &mut |_port| {
//!         let (mine, theirs) = Pipe::pair();
//!         let id = server.core.accepted(ListenerId(0), ([127, 0, 0, 1], 9).into(), now)?;
//!         server.sockets.insert(id, theirs);
//!         Some(mine)
//!     };
//!     heard.extend(client.turn(now, accept));
//!     heard.extend(server.turn(now, &mut |_port| None));
//! }
//! assert!(matches!(heard[..], [Event::TunnelUp { .. }, Event::TunnelUp { .. }]));
//! # Ok(()) }
//! ```
//!
//! # The rules
//!
//! - **Any order of calls is legal.** The id of a socket that is gone is ignored. Only what was
//!   read is lost, with its connection, if another call comes between [`Core::read_space`] and
//!   [`Core::read_done`].
//! - **Readiness sticks.** A new socket counts as writable and not as readable. Say
//!   [`Core::readable`] and [`Core::writable`] when you learn of it, edge- or level-triggered; too
//!   often does no harm. The outcome of a read or write tells when it is over.
//! - **Back-pressure is the core not asking for a read.** There is nothing else to do about it.
//! - **Time is a number** that you pass in. It must not go back. After [`Core::handle_timeout`] the
//!   next deadline is later than `now`.
//! - **Everything inside has a bound:** queues, buffers, waits. [`Config`] holds the limits.
//! - **A seed and a wall clock:** [`Core::new`] takes 32 unpredictable bytes, and [`Config`] the
//!   Unix time at the driver's epoch, to judge certificates by.
//! - **One core, one thread at a time.** A [`Core`] is `Send` and needs no lock. For several
//!   threads take several cores, each with its [`WorkerId`]; a connection that arrives at the wrong
//!   one comes out as [`Action::HandOver`] and goes into the right one by [`Core::adopt`]. What
//!   cores tell one another comes out as [`Action::Tell`] and goes in by [`Core::told`].
//! - **Completion style** (io_uring, IOCP) is a driver with buffers of its own:
//!   [`Core::write_done`] says how.
//! - **No panic,** whatever comes from a socket, the embedder or the driver.
//!
//! # Modules
//!
//! [`contract`] is what both sides say to each other, [`endpoint`] the [`Core`] itself. [`tls`]
//! makes certificates and trust into what [`Config`] and [`Connect`] take, [`rules`] lists of hosts
//! into what [`Command::AddTunnel`] takes. [`dns`] finds the addresses of names where the system's resolver is not to. [`kgp`] and [`http1`] are the machines inside, each
//! usable by itself.
//!
//! [`Read`] and [`Write`] are outcomes, not the traits of std: import those as `_` beside them.
//!
//! # Stability
//!
//! `docs/embedding.md` of the project says what is public API and what may change in which
//! version, and how the absence of panics is checked. A C interface is out of scope.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
mod cache;
pub mod contract;
pub mod dns;
pub mod egress;
pub mod endpoint;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod http1;
pub mod kgp;
pub mod rules;
pub mod tls;
pub mod upstream;

mod random;
mod slab;
mod time;

pub use cache::{CacheLimits, CacheStatistics};
pub use contract::{
    Action, CloseMode, Command, Connect, DialFailure, Event, HandOver, ListenerId, ListenerRole,
    Read, SocketClass, SocketId, Stop, Target, TunnelId, TunnelSecret, WorkerId, Write,
};
pub use endpoint::{Config, Core, SessionStatistics, Statistics};
pub use time::{Deadline, DeadlineReason, Time};
