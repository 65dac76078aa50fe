//! The registry: organisations, users, teams, the records of tunnels and jobs, what was done and by whom; in
//! SQLite in the data directory.
//!
//! The server and the `sc server user` commands open it at the same time; SQLite's write-ahead
//! log and a busy timeout let them. What a *running* tunnel needs (its secret, its socket) is not
//! here but in [`tunnels`](super::tunnels): it dies with the process anyway.

mod audit;
mod crashes;
mod jobs;
mod teams;
mod tunnels;
mod users;

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::data_dir::{self, DataDir};
pub(crate) use audit::Deed;
pub(crate) use crashes::CrashReport;
pub(crate) use teams::{Team, TeamError};
pub(crate) use tunnels::{End, was_given_up};
pub(crate) use users::{KeyHolder, NewUser, UserError};

// `migrate!` reads the folder when this file is compiled. A new migration needs a change here to
// be seen by an incremental build, for example of this number: 6.
static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("src/server/registry/migrations");

/// How long a write waits for the writer of another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections to the file: one writes at a time, the rest read.
const CONNECTIONS: u32 = 4;

/// The registry cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistryError {
    /// Its file cannot be made or locked.
    #[error(transparent)]
    DataDir(#[from] data_dir::DataDirError),
    /// Its tables cannot be brought up to date.
    #[error("cannot bring the registry up to date: {0}. Was it written by a newer version of sc?")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// Another process writes and does not come to an end.
    #[error(
        "the registry is busy: another process has been writing to it for {} s. Try again",
        BUSY_TIMEOUT.as_secs()
    )]
    Busy,
    /// No room.
    #[error("the disk of the registry is full: make room in the data directory")]
    Full,
    /// A statement failed.
    #[error("the registry failed: {0}")]
    Sql(sqlx::Error),
    /// A record in the file makes no sense.
    #[error("the registry holds a broken record of {0}")]
    Broken(String),
}

impl From<sqlx::Error> for RegistryError {
    fn from(error: sqlx::Error) -> Self {
        // SQLite's primary result code is the low byte of what it tells (https://sqlite.org/rescode.html).
        let code = error.as_database_error().and_then(|inner| inner.code()?.parse::<u32>().ok());
        match code.map(|code| code & 0xff) {
            Some(5) => Self::Busy,
            Some(13) => Self::Full,
            _ => Self::Sql(error),
        }
    }
}

/// Users and tunnels on disk. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    pool: sqlx::SqlitePool,
}

impl Registry {
    /// Opens the registry of a data directory, makes it if there is none, and brings its tables
    /// up to date.
    pub(crate) async fn open(dir: &DataDir) -> Result<Self, RegistryError> {
        let file = dir.registry_file();
        // Two processes must not migrate at once. Freed at the end of this function.
        let _lock = dir.lock_registry()?;
        // SQLite would make it readable for all; its WAL takes over the mode of this file.
        data_dir::make_private_file_once(&file)?;
        let registry = Self::connect(&file).await?;
        MIGRATIONS.run(&registry.pool).await?;
        Ok(registry)
    }

    async fn connect(file: &Path) -> Result<Self, RegistryError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .journal_mode(SqliteJournalMode::Wal)
            // In WAL mode NORMAL can lose the last writes at a power cut, but breaks nothing.
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY_TIMEOUT);
        let pool =
            SqlitePoolOptions::new().max_connections(CONNECTIONS).connect_with(options).await?;
        Ok(Self { pool })
    }

    /// Waits for running statements and closes the file.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

#[cfg(test)]
pub(super) mod test_support {
    use super::*;

    /// A registry in a temporary directory, which lives as long as the second part.
    pub(crate) async fn registry() -> (Registry, tempfile::TempDir) {
        let temporary = tempfile::tempdir().unwrap();
        let dir = DataDir::open(temporary.path()).unwrap();
        (Registry::open(&dir).await.unwrap(), temporary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_opens_twice_and_again() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = DataDir::open(temporary.path()).unwrap();
        let first = Registry::open(&dir).await.unwrap();
        let second = Registry::open(&dir).await.unwrap();
        first.add_user(&NewUser::member("jane"), &[1; 32], 7).await.unwrap();
        assert!(second.account("jane").await.unwrap().is_some());
        first.close().await;
        second.close().await;
        let third = Registry::open(&dir).await.unwrap();
        assert_eq!(third.users(None).await.unwrap().len(), 1);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn nobody_else_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let (registry, dir) = test_support::registry().await;
        registry.add_user(&NewUser::member("jane"), &[1; 32], 7).await.unwrap();
        let mut seen = 0;
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{:?} {mode:o}", entry.path());
            seen += 1;
        }
        assert!(seen >= 2, "the database and its log");
    }
}
