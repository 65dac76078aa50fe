//! The options about who else is part of a tunnel or uses it.

use std::time::Duration;

use super::settings::Dialect;
use super::values::{Origin, ValueError, Values};

/// Who else is part of a tunnel, and may use it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(dead_code, reason = "read where the tunnel is asked for")]
pub(crate) struct Sharing {
    /// Whether it joins the pool of its name: `--tunnel-pool`, or version 4's older
    /// `--no-remove-colliding-tunnels`.
    pub(crate) pool: bool,
    /// How many tunnels this process adds to it, if that was said: `--pool-size`.
    pub(crate) pool_size: Option<u16>,
    /// How old each of them gets: `--max-age`.
    pub(crate) max_age: Option<Duration>,
    /// Whether others of the organisation may use it: `--shared-tunnel`, `--shared all`.
    pub(crate) shared: bool,
    /// What the server keeps with it: `--metadata`.
    pub(crate) metadata: Vec<(String, String)>,
    /// The local port of the WebDriver relay, 0 for any: version 4's `--se-port`.
    pub(crate) relay_port: Option<u16>,
}

/// An option about sharing is not right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SharingError {
    /// A value that may not be given.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// An item without a key or a value.
    #[error("{origin}: item {item} is not KEY{separator}VALUE")]
    Metadata {
        /// Where it came from.
        origin: Origin,
        /// Which, from 1.
        item: usize,
        /// What stands between them in this version.
        separator: char,
    },
}

/// Most tunnels of one process.
const MAX_POOL: i64 = 100;

impl Sharing {
    /// Checks what was given.
    pub(super) fn of(values: &Values) -> Result<Self, SharingError> {
        let on = |id| Ok::<_, ValueError>(values.switch(id)? == Some(true));
        let shared = match values.dialect() {
            Dialect::V4 => on("shared")?,
            Dialect::V5 => values.word("shared")?.is_some(),
        };
        Ok(Self {
            pool: on("tunnel-pool")? || on("no-remove-colliding-tunnels")?,
            pool_size: values.number("pool-size", 1..=MAX_POOL)?,
            max_age: values.duration("max-age")?,
            shared,
            metadata: metadata(values)?,
            relay_port: values.number("se-port", 0..=i64::from(u16::MAX))?,
        })
    }
}

fn metadata(values: &Values) -> Result<Vec<(String, String)>, SharingError> {
    let separator = match values.dialect() {
        Dialect::V4 => ':',
        Dialect::V5 => '=',
    };
    let pair = |(item, text): (usize, String)| match text.split_once(separator) {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(SharingError::Metadata { origin: values.named("metadata"), item, separator }),
    };
    (1..).zip(values.items("metadata")).map(pair).collect()
}
