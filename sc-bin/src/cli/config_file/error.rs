//! What is wrong with a configuration file.

use std::fmt;

use super::format::KNOWN;
use crate::cli::settings::Dialect;
use crate::cli::table;

/// A configuration file cannot be used. No value is repeated: it may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigFileError {
    pub(super) path: String,
    /// From 1, where it is known.
    pub(super) line: Option<usize>,
    pub(super) fault: Fault,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// It cannot be read.
    #[error("{0}")]
    Read(String),
    /// It is no configuration.
    #[error("it is larger than 1 MiB")]
    TooLarge,
    /// A format of the original that is not read here.
    #[error("{0} is not read here: write the same options as {KNOWN}")]
    Format(&'static str),
    /// It is not what its format says.
    #[error("{0}")]
    Syntax(String),
    /// It has no keys.
    #[error("it has to be keys with values, as in `tunnel-name: mine`")]
    NoKeys,
    /// A key that is none.
    #[error("{key:?} is not an option{remedy}")]
    Unknown {
        /// The key.
        key: String,
        /// What may be meant.
        remedy: String,
    },
    /// A key in two spellings.
    #[error("{0:?} is there twice, once by another name")]
    Twice(String),
    /// A value of another kind.
    #[error("{key:?} {what}")]
    Kind {
        /// The key.
        key: String,
        /// What is wrong.
        what: &'static str,
    },
}

impl Fault {
    /// A key that is not an option of the version.
    pub(super) fn unknown(key: &str, dialect: Dialect) -> Self {
        // `shared all` on the command line is `shared: all` in a file.
        let form = table::other_form(key, dialect).map(|form| form.replace(' ', ": "));
        let other = form.map(|form| format!(" here: write {form:?}"));
        let near = || nearest(key, dialect).map(|near| format!(": {near:?} is the nearest"));
        let remedy = other.or_else(near).unwrap_or_default();
        Self::Unknown { key: key.to_owned(), remedy }
    }
}

/// The key that differs least, if it does not differ much.
fn nearest(key: &str, dialect: Dialect) -> Option<&'static str> {
    let key = key.trim_start_matches('-').to_ascii_lowercase().replace('_', "-");
    let names = table::rows(dialect).flat_map(table::Row::names);
    let likeness = names.map(|name| (strsim::jaro_winkler(&key, name), name));
    let best = likeness.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.8).then_some(best.1)
}

impl fmt::Display for ConfigFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.line.map_or(String::new(), |line| format!(", line {line}"));
        write!(f, "the configuration file {}{line}: {}", self.path, self.fault)
    }
}

impl std::error::Error for ConfigFileError {}
