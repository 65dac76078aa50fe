//! HTTP/1.1 as a proxy speaks it: strict machines over borrowed bytes.

/// Limits of what is taken from a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest head of a request or response, in bytes.
    pub max_head: usize,
    /// Most header fields in a head.
    pub max_headers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_head: 64 * 1024,
            max_headers: 128,
        }
    }
}
