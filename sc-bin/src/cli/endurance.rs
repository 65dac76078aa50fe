//! How a connection's troubles are borne, as both ends are told it.

use std::time::Duration;

use sc_proto::Config;

/// When a connection counts as dead, and how long its streams wait for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Endurance {
    /// `--reconnect`: how long streams wait for a new connection.
    pub(crate) reconnect: Duration,
    /// `--keepalive`: how often an idle connection is asked for a sign of life.
    pub(crate) keepalive: Duration,
    /// `--max-missed-acks`: how many of them in a row may stay without an answer.
    pub(crate) max_missed_acks: u32,
}

/// What the options may say, in seconds and in numbers.
pub(crate) const RECONNECT: std::ops::RangeInclusive<i64> = 1..=86_400;
/// See [`RECONNECT`].
pub(crate) const KEEPALIVE: std::ops::RangeInclusive<i64> = 1..=3_600;
/// See [`RECONNECT`].
pub(crate) const MAX_MISSED_ACKS: std::ops::RangeInclusive<i64> = 1..=10_000;

impl Default for Endurance {
    fn default() -> Self {
        let config = Config::default();
        Self {
            reconnect: config.grace,
            keepalive: config.kgp.keepalive,
            max_missed_acks: config.kgp.max_missed_acks,
        }
    }
}

impl Endurance {
    /// From whole seconds and a number; the default where nothing is said.
    pub(crate) fn of(
        reconnect: Option<u32>,
        keepalive: Option<u32>,
        max_missed_acks: Option<u32>,
    ) -> Self {
        let seconds = |value: Option<u32>, default: Duration| {
            value.map_or(default, |value| Duration::from_secs(value.into()))
        };
        let default = Self::default();
        Self {
            reconnect: seconds(reconnect, default.reconnect),
            keepalive: seconds(keepalive, default.keepalive),
            max_missed_acks: max_missed_acks.unwrap_or(default.max_missed_acks),
        }
    }

    /// Tells a core.
    pub(crate) fn tell(&self, config: &mut Config) {
        config.grace = self.reconnect;
        config.kgp.keepalive = self.keepalive;
        config.kgp.max_missed_acks = self.max_missed_acks;
    }
}
