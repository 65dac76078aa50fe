//! What a member of a fleet is told.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::server::registry::DatabaseUrl;

/// How long the others may wait for a sign of life of a server, in seconds.
pub(crate) const FLEET_TIMEOUT: RangeInclusive<i64> = 3..=300;
/// What they wait if nothing is said.
const USUAL_TIMEOUT: u32 = 6;
/// Signs of life in that time.
const BEATS: u32 = 6;

/// What a server needs to know of its fleet.
#[derive(Clone, Debug)]
pub(crate) struct FleetSettings {
    /// The registry that all share.
    pub(crate) database: DatabaseUrl,
    /// Most tunnels that are placed here.
    pub(crate) capacity: u32,
    /// After so long without a sign of life a server is dead.
    pub(crate) timeout: Duration,
    /// How often it gives one.
    pub(crate) beat: Duration,
}

impl FleetSettings {
    /// `timeout` in seconds.
    pub(crate) fn new(database: DatabaseUrl, capacity: u32, timeout: Option<u32>) -> Self {
        let timeout = Duration::from_secs(u64::from(timeout.unwrap_or(USUAL_TIMEOUT)));
        Self { database, capacity, timeout, beat: timeout / BEATS }
    }
}
