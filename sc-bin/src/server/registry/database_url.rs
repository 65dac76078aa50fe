//! The address of a database that servers share. It may hold a password, so nothing shows it.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;

use crate::server::conceal::CONCEALED;

/// `postgres://USER:PASSWORD@HOST:PORT/NAME`, with the parameters of libpq that sqlx knows.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct DatabaseUrl(String);

/// What was given as one. It is not judged before it is used, since whoever parses the command line
/// shows what it does not like.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct GivenUrl(String);

/// A text is no such address. What it was is not said.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseUrlError {
    /// Another kind of database, or none.
    #[error(
        "the address of the database (--database) is not one: write postgres://USER:PASSWORD@HOST:PORT/NAME"
    )]
    Form,
    /// No file.
    #[error("cannot read --database-file {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Two addresses.
    #[error("--database and --database-file both name a database: give one of them")]
    Both,
}

impl GivenUrl {
    /// Takes any text. One that was taken out of the process list is in the environment.
    pub(crate) fn take(text: &str) -> Result<Self, Infallible> {
        let concealed = || std::env::var(DatabaseUrl::VARIABLE).unwrap_or_default();
        Ok(Self(if text == CONCEALED { concealed() } else { text.to_owned() }))
    }
}

impl fmt::Debug for GivenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GivenUrl")
    }
}

impl DatabaseUrl {
    /// Where it may be given, beside the flag.
    pub(crate) const VARIABLE: &str = "SC_DATABASE";

    /// The database that was named directly or in a file, if any was.
    pub(crate) fn of(
        given: Option<GivenUrl>,
        file: Option<&Path>,
    ) -> Result<Option<Self>, DatabaseUrlError> {
        match (given.filter(|given| !given.0.is_empty()), file) {
            (Some(_), Some(_)) => Err(DatabaseUrlError::Both),
            (Some(given), None) => given.0.parse().map(Some),
            (None, Some(file)) => Self::from_file(file).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Reads the first line of a file.
    fn from_file(path: &Path) -> Result<Self, DatabaseUrlError> {
        let read = std::fs::read_to_string(path);
        let text =
            read.map_err(|source| DatabaseUrlError::File { path: path.to_owned(), source })?;
        text.lines().next().unwrap_or_default().parse()
    }

    /// The text itself, password included.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// What may be shown: where it is, without user, password and parameters.
    pub(crate) fn shown(&self) -> String {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = authority.rsplit('@').next().unwrap_or_default();
        let host = host.split('?').next().unwrap_or_default();
        let name = path.split('?').next().unwrap_or_default();
        format!("postgres://{host}/{name}")
    }
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;
    fn from_str(text: &str) -> Result<Self, DatabaseUrlError> {
        let text = text.trim();
        let is_known = ["postgres://", "postgresql://"].iter().any(|kind| text.starts_with(kind));
        match is_known {
            true => Ok(Self(text.to_owned())),
            false => Err(DatabaseUrlError::Form),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DatabaseUrl").field(&self.shown()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        for (text, shown) in [
            ("postgres://sc:SECRET@db.test:5432/sc", "postgres://db.test:5432/sc"),
            ("postgresql://db.test/sc?password=SECRET", "postgres://db.test/sc"),
            ("postgres://db.test?password=SECRET", "postgres://db.test/"),
            (" postgres://sc:SEC@RET@db.test/sc\n", "postgres://db.test/sc"),
            ("postgres:///sc?host=/run/SECRET", "postgres:///sc"),
        ] {
            let url: DatabaseUrl = text.parse().unwrap();
            assert_eq!(url.shown(), shown);
            assert!(!format!("{url:?}").contains("SECRET"));
        }
        for bad in ["", "mysql://u:SECRET@h/n", "SECRET"] {
            let error = bad.parse::<DatabaseUrl>().unwrap_err();
            assert!(!error.to_string().contains("SECRET"), "{error}");
        }
    }

    #[test]
    fn a_file_has_it_in_its_first_line() {
        let temporary = tempfile::tempdir().unwrap();
        let file = temporary.path().join("database");
        std::fs::write(&file, "postgres://a/b\n# more\n").unwrap();
        assert_eq!(DatabaseUrl::from_file(&file).unwrap().expose(), "postgres://a/b");
        assert!(DatabaseUrl::from_file(&temporary.path().join("none")).is_err());
    }
}
