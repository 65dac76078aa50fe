//! How many connections a tunnel may have.

use std::ops::RangeInclusive;

use sc_proto::contract::ConnectionNumber;

/// What `--tunnel-connections` may say.
pub(crate) const CONNECTIONS: RangeInclusive<i64> = 1..=ConnectionNumber::MOST as i64;
/// What it is without being said: `docs/performance.md` has the measurement. A program for small
/// machines alone has one.
pub(crate) const DEFAULT_CONNECTIONS: u8 = if cfg!(feature = "mio") { 2 } else { 1 };
