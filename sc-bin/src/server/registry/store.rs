//! The two databases a registry can be in, behind one set of statements.
//!
//! SQLite is a file of one server, PostgreSQL is shared by servers. Statements are written once, in
//! what both understand: `$n` for parameters, numbers of 64 bits, text and bytes as types, a flag
//! is the number 0 or 1. Only what is said here differs. The tables are written once, too, as
//! SQLite has them; PostgreSQL's are the same text with other names of types.

use std::borrow::Cow;
use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{Migration, Migrator};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AnyPool, AssertSqlSafe, ConnectOptions as _, Executor as _, SqlSafeStr as _};

use super::{DatabaseUrl, RegistryError};

// `migrate!` reads the folder when this file is compiled. A new migration needs a change here to
// be seen by an incremental build, for example of this number: 10.
static MIGRATIONS: Migrator = sqlx::migrate!("src/server/registry/migrations");

/// How long a write waits for the writer of another process.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections to a file: one writes at a time, the rest read.
const FILE_CONNECTIONS: u32 = 4;
/// Connections of one server to a shared database.
const SHARED_CONNECTIONS: u32 = 8;
/// How long a statement waits for one of them.
const SHARED_PATIENCE: Duration = Duration::from_secs(5);

/// What a connection to SQLite is told first. In WAL mode NORMAL can lose the last writes at a
/// power cut, but breaks nothing.
const FILE_MANNERS: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; \
                            PRAGMA synchronous = NORMAL;";
/// The same for PostgreSQL: no lock outlives who took it by long, whether that process is dead,
/// hangs, or its machine is gone without a word.
const SHARED_MANNERS: &str = "SET idle_in_transaction_session_timeout = '5s'; \
                              SET statement_timeout = '30s'; SET lock_timeout = '8s'; \
                              SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; \
                              SET tcp_keepalives_count = 3; SET client_min_messages = warning;";

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// SQLite, of one server.
    File,
    /// PostgreSQL, of a fleet.
    Shared,
}

impl Kind {
    /// The database's clock as an expression, in Unix seconds.
    pub(super) fn now(self) -> &'static str {
        match self {
            Self::File => "unixepoch()",
            Self::Shared => "CAST(FLOOR(EXTRACT(EPOCH FROM clock_timestamp())) AS BIGINT)",
        }
    }
}

/// Opens a file that exists, and brings its tables up to date. The caller sees to it that no
/// other process does.
pub(super) async fn open_file(file: &Path) -> Result<AnyPool, RegistryError> {
    let url = SqliteConnectOptions::new().filename(file).to_url_lossy();
    let pool = open(url.as_str(), FILE_CONNECTIONS, BUSY_TIMEOUT, FILE_MANNERS).await?;
    MIGRATIONS.run(&pool).await?;
    Ok(pool)
}

/// Opens a database of a fleet, and brings its tables up to date; of several servers that do that
/// at once one does it, and the others wait.
pub(super) async fn open_shared(url: &DatabaseUrl) -> Result<AnyPool, RegistryError> {
    let opened = open(url.expose(), SHARED_CONNECTIONS, SHARED_PATIENCE, SHARED_MANNERS).await;
    let unreachable = |source| RegistryError::Unreachable { database: url.shown(), source };
    let pool = opened.map_err(unreachable)?;
    shared_migrations().run(&pool).await?;
    Ok(pool)
}

async fn open(
    url: &str,
    connections: u32,
    patience: Duration,
    manners: &'static str,
) -> Result<AnyPool, sqlx::Error> {
    sqlx::any::install_default_drivers();
    let options = AnyConnectOptions::from_str(url)?;
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(patience)
        .after_connect(move |connection, _| {
            Box::pin(async move { connection.execute(manners).await.map(drop) })
        })
        .connect_with(options)
        .await
}

fn shared_migrations() -> Migrator {
    let translated = MIGRATIONS.iter().map(|migration| {
        let sql = AssertSqlSafe(for_postgres(migration.sql.as_str())).into_sql_str();
        let Migration { version, ref description, migration_type, no_tx, .. } = *migration;
        Migration::new(version, description.clone(), migration_type, sql, no_tx)
    });
    Migrator { migrations: Cow::Owned(translated.collect()), ..Migrator::DEFAULT }
}

/// SQLite's tables as PostgreSQL's. A change here is a change of all migrations that have been
/// applied, which servers then refuse: only add to it what no migration has had before.
fn for_postgres(sql: &str) -> String {
    [
        (
            "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT",
            "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        ),
        ("INTEGER", "BIGINT"),
        ("BLOB", "BYTEA"),
        (") STRICT, WITHOUT ROWID;", ");"),
        (") STRICT;", ");"),
    ]
    .iter()
    .fold(sql.to_owned(), |sql, (from, to)| sql.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgres_gets_types_of_its_own() {
        for migration in shared_migrations().iter() {
            let sql = migration.sql.as_str();
            for foreign in ["INTEGER", "BLOB", "STRICT", "ROWID", "AUTOINCREMENT"] {
                let code = sql.lines().filter(|line| !line.starts_with("--"));
                let left: Vec<&str> = code.filter(|line| line.contains(foreign)).collect();
                assert!(left.is_empty(), "migration {}: {left:?}", migration.version);
            }
        }
    }
}
