//! TLS as a pipe without I/O: ciphertext in and out, plaintext lent and taken.
//!
//! [`TlsServer`] and [`TlsClient`] are configurations, made once and shared; a [`TlsPipe`] is one
//! connection. The buffers of a pipe come from a [`BufferPool`] of the pipe's owner and go back
//! as soon as they are empty, so that an idle connection holds none.
//!
//! ```text
//! socket ──read_space, filled──▶ decrypt ──plaintext, consume──▶ session
//! socket ◀──ciphertext, sent──── TlsPipe ◀──encrypt───────────── session
//! ```
//!
//! Underneath is the unbuffered API of rustls 0.23 with aws-lc-rs. Nothing outside this module
//! sees a type of rustls, so a swap of the library touches it alone. Negotiated is TLS 1.3 or 1.2
//! (RFC 8446, RFC 5246), AES-256-GCM first, with ALPN (RFC 7301), never with resumption, early data
//! or client certificates.
//!
//! Transports speak [`ALPN`]. Proxied connections speak [`HTTP_ALPN`], or are taken to: sites and
//! proxies by [`TlsClient::for_sites`], browsers by [`Resigner`]. [`TlsStack`] is their pipe, or
//! two of them when a site is reached through a proxy that is itself reached by TLS; a transport's
//! is such a stack, too. [`KeyLog`] takes keys, for who reads recorded traffic with them.
//! [`glimpse`] tells TLS from something else by a connection's first bytes.

mod buffer;
mod config;
mod connection;
mod error;
mod hello;
mod key_log;
mod leaf;
mod pipe;
mod stack;
mod verify;

#[cfg(test)]
mod tests;

pub use buffer::BufferPool;
pub use config::{TlsClient, TlsServer, Trust};
pub use error::{Alert, CertificateProblem, Fault, PemProblem, TlsError};
pub use hello::{ClientHello, Glimpse, Http1, glimpse};
pub use key_log::KeyLog;
pub use leaf::{Leaf, LeafKey, Leaves, Resigner};
pub use pipe::{Progress, TlsPipe, TlsState};
pub use stack::TlsStack;
pub(crate) use verify::sha256;

/// The application protocol both sides must agree on: KGP, version 1.
pub const ALPN: &[u8] = b"kgp/1";
/// The application protocol towards browsers, sites and proxies (RFC 7301, section 6).
pub const HTTP_ALPN: &[u8] = b"http/1.1";
