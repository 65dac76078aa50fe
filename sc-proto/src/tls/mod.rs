//! TLS as a pipe without I/O: ciphertext in and out, plaintext lent and taken.
//!
//! Nothing outside this module sees a type of rustls, so a swap of the library touches it alone.

/// TLS failed on this transport.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("TLS failed: {0}")]
pub struct TlsError(pub alloc::string::String);

/// What a client trusts.
#[derive(Clone, Debug)]
pub struct TlsClient {}

/// Who a server is.
#[derive(Clone, Debug)]
pub struct TlsServer {}
