//! KGP: frames, the handshake, sessions and their streams. `docs/kgp.md` is the specification.
//!
//! [`frame`] and [`handshake`] are the codec. A `Session` owns streams, counters and the ring of
//! reliable bytes; a transport is attached to it and carries its bytes for a while. Sockets, TLS
//! and HTTP are the business of [`endpoint`](crate::endpoint).

mod credit;
mod error;
pub mod frame;
pub mod handshake;
mod liveness;
mod pool;
mod ring;
mod schedule;
pub(crate) mod session;
mod settings;
mod stream;

pub use error::ProtocolError;
pub(crate) use pool::Pool;
pub use session::StreamStatistics;
pub(crate) use session::{OpenRefused, Received, Session, Side};
pub use settings::Settings;
pub(crate) use stream::StreamKey;
