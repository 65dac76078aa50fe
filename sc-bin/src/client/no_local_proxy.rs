//! In the place of [`local_proxy`](super) in a build without the feature `inspect`: there is none.

use std::net::SocketAddr;

use super::failure::Failure;
use super::plane::WorkerPlane;
use crate::cli::{Dialect, Inspect};

/// Opens nothing.
///
/// # Errors
///
/// Never.
pub(super) fn open(
    _dialect: Dialect,
    _inspect: &Inspect,
    _plane: &WorkerPlane,
) -> Result<Option<SocketAddr>, Failure> {
    Ok(None)
}

/// Nothing.
pub(super) fn about(_address: SocketAddr) -> Vec<String> {
    Vec::new()
}

/// Nothing.
pub(super) fn configuration(
    _dialect: Dialect,
    _inspect: &Inspect,
) -> impl Iterator<Item = (&'static str, String)> {
    std::iter::empty()
}
