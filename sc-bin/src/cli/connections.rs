//! How many connections a tunnel may have.

use std::ops::RangeInclusive;

use sc_proto::contract::ConnectionNumber;

/// What `--tunnel-connections` may say.
pub(crate) const CONNECTIONS: RangeInclusive<i64> = 1..=ConnectionNumber::MOST as i64;
/// What it is without being said.
pub(crate) const DEFAULT_CONNECTIONS: u8 = 1;
