//! The registry: organisations, users, teams, the records of tunnels and jobs, what was done and by whom; in
//! SQLite in the data directory, or in a PostgreSQL database that the servers of a fleet share
//! ([`store`]).
//!
//! The server and the `sc server user` commands open it at the same time; SQLite's write-ahead
//! log and a busy timeout let them. What a *running* tunnel needs (its secret, its socket) is not
//! here but in [`tunnels`](super::tunnels): it dies with the process anyway.

#[cfg(all(test, unix))]
#[path = "../../../../tests/src/postgres.rs"]
#[allow(dead_code, unreachable_pub, clippy::expect_used, reason = "of the tests from outside")]
mod postgres;

mod audit;
mod clock;
mod crashes;
mod database_url;
mod elsewhere;
mod jobs;
mod members;
mod orders;
mod store;
mod teams;
mod tunnels;
mod users;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::data_dir::{self, DataDir};
pub(crate) use audit::Deed;
use clock::Clock;
pub(crate) use crashes::CrashReport;
pub(crate) use database_url::{DatabaseUrl, DatabaseUrlError, GivenUrl};
pub(crate) use elsewhere::{Recorded, SERVER_LOST, Turn};
pub(crate) use members::{Member, MemberStatus, Newcomer, Standing};
pub(crate) use orders::Order;
use store::{BUSY_TIMEOUT, Kind};
pub(crate) use teams::{Team, TeamError};
pub(crate) use tunnels::{Client, End, was_given_up};
pub(crate) use users::{KeyHolder, NewUser, UserError};

/// The registry cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistryError {
    /// Its file cannot be made or locked.
    #[error(transparent)]
    DataDir(#[from] data_dir::DataDirError),
    /// Its tables cannot be brought up to date.
    #[error("cannot bring the registry up to date: {0}. Was it written by a newer version of sc?")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The database of a fleet does not answer.
    #[error("cannot reach the database {database}: {source}")]
    Unreachable {
        /// Where it is, without its password.
        database: String,
        /// Why not.
        source: sqlx::Error,
    },
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
        let of_file = |inner: &sqlx::sqlite::SqliteError| {
            sqlx::error::DatabaseError::code(inner)?.parse::<u32>().ok()
        };
        let code = error
            .as_database_error()
            .and_then(|inner| of_file(inner.try_downcast_ref::<sqlx::sqlite::SqliteError>()?));
        match code.map(|code| code & 0xff) {
            Some(5) => Self::Busy,
            Some(13) => Self::Full,
            _ => Self::Sql(error),
        }
    }
}

/// Users, tunnels and jobs, written down. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    pool: sqlx::AnyPool,
    kind: Kind,
    clock: Arc<Clock>,
    /// As which member of a fleet this process writes; empty: there is none.
    member: Arc<Mutex<Arc<str>>>,
}

impl Registry {
    /// Opens the registry of a fleet, or that of a data directory; makes it if there is none, and
    /// brings its tables up to date.
    pub(crate) async fn open(
        dir: &DataDir,
        shared: Option<&DatabaseUrl>,
    ) -> Result<Self, RegistryError> {
        match shared {
            Some(url) => Self::open_shared(url).await,
            None => Self::open_file(dir).await,
        }
    }

    async fn open_file(dir: &DataDir) -> Result<Self, RegistryError> {
        let file = dir.registry_file();
        // Two processes must not migrate at once. Freed at the end of this function.
        let _lock = dir.lock_registry()?;
        // SQLite would make it readable for all; its WAL takes over the mode of this file.
        data_dir::make_private_file_once(&file)?;
        Ok(Self::new(store::open_file(&file).await?, Kind::File))
    }

    /// Opens the registry of a fleet.
    pub(crate) async fn open_shared(url: &DatabaseUrl) -> Result<Self, RegistryError> {
        let registry = Self::new(store::open_shared(url).await?, Kind::Shared);
        registry.ask_time().await?;
        Ok(registry)
    }

    /// Whether it is that of a fleet.
    pub(crate) fn is_shared(&self) -> bool {
        self.kind == Kind::Shared
    }

    fn new(pool: sqlx::AnyPool, kind: Kind) -> Self {
        let member = Arc::new(Mutex::new(Arc::from("")));
        Self { pool, kind, clock: Arc::default(), member }
    }

    /// Now, in Unix seconds, by the clock of a shared database, or else of this machine.
    pub(crate) fn now(&self) -> u64 {
        self.clock.at(Instant::now())
    }

    /// Asks a shared database for its time.
    pub(crate) async fn ask_time(&self) -> Result<(), RegistryError> {
        if self.kind == Kind::File {
            return Ok(());
        }
        let asked = Instant::now();
        let sql = sqlx::AssertSqlSafe(format!("SELECT {} AS now", self.kind.now()));
        let row = sqlx::query(sql).fetch_one(&self.pool).await?;
        self.clock.set(users::from_sql(row.try_get("now")?), asked);
        Ok(())
    }

    /// As which member of a fleet this process writes; empty: there is none.
    pub(crate) fn member(&self) -> Arc<str> {
        Arc::clone(&self.member.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on this process writes as that member.
    pub(crate) fn write_as(&self, member: &str) {
        *self.member.lock().unwrap_or_else(PoisonError::into_inner) = Arc::from(member);
    }

    /// Waits for running statements and closes the connections.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// A column that is a flag: the number 0 or 1.
fn flag(row: &AnyRow, column: &str) -> Result<bool, sqlx::Error> {
    Ok(row.try_get::<i64, _>(column)? != 0)
}

/// The same, where nothing may be said.
fn optional_flag(row: &AnyRow, column: &str) -> Result<Option<bool>, sqlx::Error> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(|number| number != 0))
}

#[cfg(test)]
pub(in crate::server) mod test_support {
    use super::*;

    /// A registry in a temporary directory, which lives as long as the second part.
    pub(crate) async fn registry() -> (Registry, tempfile::TempDir) {
        let temporary = tempfile::tempdir().unwrap();
        let dir = DataDir::open(temporary.path()).unwrap();
        (Registry::open(&dir, None).await.unwrap(), temporary)
    }

    /// Runs a test on a registry of each kind; on PostgreSQL where that is installed.
    pub(crate) async fn on_each_store(test: impl AsyncFn(Registry)) {
        let (of_file, _dir) = registry().await;
        test(of_file).await;
        match database() {
            Some(url) => {
                let shared = Registry::open_shared(&url).await.unwrap();
                test(shared.clone()).await;
                shared.close().await;
            }
            None => eprintln!("not tested on PostgreSQL, which is not installed"),
        }
    }

    /// An empty database of a PostgreSQL server that ends with this process.
    #[cfg(unix)]
    pub(crate) fn database() -> Option<DatabaseUrl> {
        use std::sync::OnceLock;

        use super::postgres::Postgres;

        static SERVER: OnceLock<Option<Postgres>> = OnceLock::new();
        let started = || Postgres::is_installed().then(|| Postgres::start(""));
        let server = SERVER.get_or_init(started).as_ref()?;
        Some(server.new_database().parse().unwrap())
    }

    /// Debian's package is what is tested with.
    #[cfg(not(unix))]
    pub(crate) fn database() -> Option<DatabaseUrl> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_opens_twice_and_again() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = DataDir::open(temporary.path()).unwrap();
        let first = Registry::open(&dir, None).await.unwrap();
        let second = Registry::open(&dir, None).await.unwrap();
        first.add_user(&NewUser::member("jane"), &[1; 32], 7).await.unwrap();
        assert!(second.account("jane").await.unwrap().is_some());
        first.close().await;
        second.close().await;
        let third = Registry::open(&dir, None).await.unwrap();
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
