//! The core of sc: KGP sessions and streams, HTTP/1.1 proxying and TLS records, without I/O.
//!
//! This crate opens no socket, reads no clock, starts no thread and touches no file. It owns
//! state and buffers; a *driver* owns sockets and time. Drivers are `sc-runtime-mio`,
//! the plain loop in `examples/blocking.rs`, or yours.
//!
//! The whole of the contract between both is [`Core`] and the types in [`contract`]:
//!
//! ```text
//! loop {
//!     wait until a socket is ready, a command came, or core.next_deadline() is reached
//!     core.handle_timeout(now)                          // if a deadline is due
//!     core.readable(id) / core.writable(id)             // for every ready socket
//!     while let Some(action) = core.poll_action(now) {  // within a budget
//!         match action {
//!             Action::Read(id)  => { let n = socket.read(core.read_space(id)); core.read_done(id, n, now) }
//!             Action::Write(id) => { let n = socket.writev(core.write_slices(id)); core.write_done(id, n, now) }
//!             Action::Dial {..} => { start it; later core.connected(..) or core.dial_failed(..) }
//!             Action::ShutdownWrite(id) | Action::Close {..} | Action::HandOver {..} => { do it }
//!         }
//!     }
//!     while let Some(event) = core.poll_event() { tell the embedder }
//! }
//! ```
//!
//! Any call order is legal; only what was read is lost, with its connection, if another call comes
//! between `read_space` and `read_done`. A stale id is ignored. Every queue inside is bounded.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod contract;
pub mod egress;
pub mod endpoint;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod http1;
pub mod kgp;
pub mod rules;
pub mod tls;
pub mod upstream;

mod slab;
mod time;

pub use contract::{
    Action, CloseMode, Command, Event, HandOver, ListenerId, ListenerRole, Read, SocketClass,
    SocketId, Stop, WorkerId, Write,
};
pub use endpoint::{Config, Core, SessionStatistics, Statistics};
pub use time::{Deadline, DeadlineReason, Time};
