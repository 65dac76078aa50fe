//! Addresses of names, from name servers that the office names: a stub resolver (RFC 1034, section
//! 5.3.1) without I/O.
//!
//! | file | idea |
//! | --- | --- |
//! | `resolver.rs` | the machine: who asks for what, which answers are known, what is to be sent |
//! | `lookup.rs` | one name that is being asked for: the questions for both families of addresses |
//! | `servers.rs` | in which order the name servers are asked |
//! | `message.rs` | a question as bytes, and what the bytes of an answer mean |
//! | `cache.rs` | answers, for as long as they hold |
//! | `hosts.rs` | the hosts file |
//!
//! Whoever drives it owns the sockets, one for each exchange: [`Action`] says what to open and what
//! to close. A name server is a stranger: what it sends is bounded and judged.

mod cache;
mod hosts;
mod lookup;
mod message;
mod resolver;
mod servers;
#[cfg(test)]
mod tests;

pub use hosts::Hosts;
pub use resolver::{Action, Answer, ExchangeId, Resolver, Settings, Transport};
pub use servers::ServerOrder;

/// Most addresses of one name that are kept.
pub const MAX_ADDRESSES: usize = 32;
/// Most name servers that are used.
pub const MAX_SERVERS: usize = 16;
