//! Limits and timing of sessions, chosen by each side for itself.

use core::time::Duration;

use super::handshake::{INITIAL_WINDOW, KEEPALIVE_MS};

/// Limits and timing of a session on this side.
///
/// A session buffers at most `initial_window` for each open stream and `window_pool` for all
/// together; it keeps a little more than `max_retained` for its peer. A value outside its limits counts as the
/// nearest one inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Most streams open at once that the peer may have opened. From 1 to 1,048,576.
    pub max_streams: u32,
    /// Credit a stream has before anything is granted, in bytes: what may follow an OPEN at once.
    /// From 1 KiB to 1 MiB: less would stop a stream for good when the pool is empty.
    pub initial_window: u32,
    /// Most credit one stream may hold, in bytes. From `initial_window` to 1 GiB.
    pub max_window: u32,
    /// Credit beyond the initial windows that all streams share, in bytes.
    pub window_pool: u64,
    /// Most bytes kept for sending again, in bytes. Reading of sockets pauses there.
    /// At least 256 KiB.
    pub max_retained: u64,
    /// Bytes on their way to the peer, over a path with a short round trip, at which bulk waits for
    /// an acknowledgement: small flows come behind them. A longer path holds more by itself. From
    /// 256 KiB on.
    pub prompt_bytes: u64,
    /// How often a keepalive is sent on an idle transport. From 100 ms to one hour.
    pub keepalive: Duration,
    /// Keepalives without an answer before the transport counts as dead. At least 1.
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
            prompt_bytes: 768 * 1024,
            keepalive: Duration::from_secs(2),
            max_missed_acks: 2,
        }
    }
}

impl Settings {
    /// These settings with every value within its limits.
    #[must_use]
    pub fn within_limits(self) -> Self {
        let initial_window =
            self.initial_window.clamp(*INITIAL_WINDOW.start(), *INITIAL_WINDOW.end());
        let [shortest, longest] = [KEEPALIVE_MS.start(), KEEPALIVE_MS.end()]
            .map(|ms| Duration::from_millis(u64::from(*ms)));
        Self {
            max_streams: self.max_streams.clamp(1, 1 << 20),
            initial_window,
            max_window: self.max_window.clamp(initial_window, 1 << 30),
            window_pool: self.window_pool.min(1 << 50),
            max_retained: self.max_retained.clamp(256 * 1024, 1 << 50),
            prompt_bytes: self.prompt_bytes.max(LEAST_PROMPT),
            keepalive: self.keepalive.clamp(shortest, longest),
            max_missed_acks: self.max_missed_acks.max(1),
        }
    }
}

/// The least of [`Settings::prompt_bytes`]: with less, the transport would run dry between two
/// acknowledgements.
const LEAST_PROMPT: u64 = 256 * 1024;
/// The least that one of several connections may keep for sending again, and the least that its
/// streams share, in bytes: what 80 ms at 50 MB/s need.
const LEAST_SHARE: u64 = 4 * 1024 * 1024;

impl Settings {
    /// What one of `count` connections of a tunnel gets of these settings, so that all together
    /// hold no more than one alone would. Only from nine connections on it is more, as each is
    /// left 4 MiB to keep for its peer; and from 17 on, 4 MiB for its streams to share.
    #[must_use]
    pub fn share(self, count: u8) -> Self {
        let share = |whole: u64| (whole / u64::from(count.max(1))).max(whole.min(LEAST_SHARE));
        Self {
            max_streams: (self.max_streams / u32::from(count.max(1))).max(1),
            window_pool: share(self.window_pool),
            max_retained: share(self.max_retained),
            // They meet again at the peer, where one worker takes them in.
            prompt_bytes: (self.prompt_bytes / u64::from(count.max(1))).max(LEAST_PROMPT),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kgp::handshake::Parameters;

    #[test]
    fn connections_share_what_one_would_have() {
        let whole = Settings::default();
        assert_eq!(whole.share(1), whole);
        for count in 2..=8 {
            let part = whole.share(count);
            let all = |share: u64| share * u64::from(count);
            assert!(all(part.max_retained) <= whole.max_retained);
            assert!(all(part.window_pool) <= whole.window_pool);
            assert!(all(part.max_streams.into()) <= whole.max_streams.into());
        }
        let least = whole.share(32);
        assert_eq!((least.max_retained, least.window_pool), (LEAST_SHARE, LEAST_SHARE));
        let small = Settings { max_streams: 3, max_retained: 300_000, window_pool: 0, ..whole };
        let part = small.share(4);
        assert_eq!((part.max_streams, part.max_retained, part.window_pool), (1, 300_000, 0));
    }

    #[test]
    fn the_limits_are_those_of_the_handshake() {
        let least = Settings {
            max_streams: 0,
            initial_window: 0,
            max_window: 0,
            window_pool: 0,
            max_retained: 0,
            prompt_bytes: 0,
            keepalive: Duration::ZERO,
            max_missed_acks: 0,
        };
        let most = Settings {
            max_streams: u32::MAX,
            initial_window: u32::MAX,
            max_window: u32::MAX,
            window_pool: u64::MAX,
            max_retained: u64::MAX,
            prompt_bytes: u64::MAX,
            keepalive: Duration::MAX,
            max_missed_acks: u32::MAX,
        };
        for settings in [least, most, Settings::default()] {
            assert!(Parameters::of(&settings).check().is_ok());
        }
        let default = Settings::default();
        assert_eq!(default.within_limits(), default);
    }
}
