//! In the place of [`inspect`](super) in a build without that feature: there are no such options.

use clap::Args;

use super::environment::Environment;

/// There are none.
#[derive(Args, Debug, Default)]
pub(crate) struct V4InspectArgs {}

/// There are none.
#[derive(Args, Debug, Default)]
pub(crate) struct V5InspectArgs {}

/// Nothing is looked into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inspect {}

/// Nothing can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InspectError {}

/// What the command line of either version gave.
pub(super) enum Given {
    V4(V4InspectArgs),
    V5(V5InspectArgs),
}

impl Given {
    /// Nothing.
    pub(super) fn resolve(self, _env: &Environment) -> Result<Inspect, InspectError> {
        match self {
            Self::V4(V4InspectArgs {}) | Self::V5(V5InspectArgs {}) => Ok(Inspect {}),
        }
    }
}
