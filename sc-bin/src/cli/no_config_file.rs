//! Configuration files in a program without the feature `config`: there are none.

use std::ffi::OsString;
use std::path::Path;

use super::settings::Dialect;
use super::table::Row;

/// One key of a file.
pub(super) struct Entry {
    pub(super) row: &'static Row,
    pub(super) items: Vec<OsString>,
    pub(super) place: String,
}

/// This program reads no configuration files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this sc was built without configuration files: give options as flags or variables")]
pub(crate) struct ConfigFileError;

/// Reads a file.
pub(super) fn read(_: &Path, _: Dialect) -> Result<Vec<Entry>, ConfigFileError> {
    Err(ConfigFileError)
}
