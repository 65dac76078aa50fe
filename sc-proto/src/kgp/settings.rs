//! Limits and timing of sessions, chosen by each side for itself.

use core::time::Duration;

/// Limits and timing of a session on this side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Most streams open at once that the peer may have opened.
    pub max_streams: u32,
    /// Credit a stream has before anything is granted, in bytes: what may follow an OPEN at once.
    pub initial_window: u32,
    /// Most credit one stream may hold, in bytes.
    pub max_window: u32,
    /// Credit beyond the initial windows that all streams share, in bytes.
    pub window_pool: u64,
    /// Most bytes kept for sending again, in bytes. Reading of sockets pauses there.
    pub max_retained: u64,
    /// How often a keepalive is sent on an idle transport.
    pub keepalive: Duration,
    /// Keepalives without an answer before the transport counts as dead.
    pub max_missed_acks: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_streams: 16_384,
            initial_window: 4 * 1024,
            max_window: 16 * 1024 * 1024,
            window_pool: 64 * 1024 * 1024,
            max_retained: 32 * 1024 * 1024,
            keepalive: Duration::from_secs(10),
            max_missed_acks: 3,
        }
    }
}
