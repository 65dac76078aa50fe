//! PostgreSQL as Debian has it, for a test: reached by a socket in a folder of its own, without
//! fsync, and gone with the test, however that ends.
//!
//! The unit tests of the registry use this file, too: it knows nothing else of this crate.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where Debian puts the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// PostgreSQL does not run as root: this user of Debian is nobody.
const NOBODY: u32 = 65534;

/// Makes a cluster in `$1`, says "ready", and takes it away when standard input ends: that is
/// when the test does, even by a kill.
const SCRIPT: &str = r#"
set -e
cd "$1"
initdb --pgdata="$1/data" --auth=trust --username=sc --no-sync --encoding=UTF8 --locale=C >log 2>&1
pg_ctl --pgdata="$1/data" --log="$1/log" -w start -o "-c listen_addresses= \
    -c unix_socket_directories=$1 -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
    -c max_connections=200 $2" >>log 2>&1 || { cat log >&2; exit 1; }
echo ready
set +e
cat >/dev/null
pg_ctl --pgdata="$1/data" -m immediate stop >/dev/null 2>&1
cd /
rm -rf "$1"
"#;

/// A database server.
#[derive(Debug)]
pub struct Postgres {
    folder: PathBuf,
    keeper: Child,
    /// Its end is the server's.
    life: Option<ChildStdin>,
    databases: AtomicU32,
}

impl Postgres {
    /// Whether its programs are installed.
    pub fn is_installed() -> bool {
        programs().is_some()
    }

    /// Starts one. `options` go to the server, as `-c NAME=VALUE`.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start(options: &str) -> Self {
        let programs = programs().expect("PostgreSQL is installed (.ci/run install)");
        let folder = tempfile::Builder::new().prefix("sc-pg").tempdir().expect("a folder");
        let is_root = std::fs::metadata(folder.path()).expect("the folder").uid() == 0;
        let folder = folder.keep();
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).expect("its mode");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "sh"]).arg(&folder).arg(options);
        command.env("PATH", format!("{}:{path}", programs.display()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        if is_root {
            std::os::unix::fs::chown(&folder, Some(NOBODY), Some(NOBODY)).expect("its owner");
            command.uid(NOBODY).gid(NOBODY);
        }
        let mut keeper = command.spawn().expect("a shell");
        let life = keeper.stdin.take();
        let mut said = String::new();
        let out = keeper.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut said).expect("its word");
        assert_eq!(said.trim(), "ready", "PostgreSQL does not start");
        Self { folder, keeper, life, databases: AtomicU32::new(0) }
    }

    /// The URL of a new, empty database.
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    pub fn new_database(&self) -> String {
        let name = format!("db{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.ask("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// The URL of a database.
    pub fn url(&self, name: &str) -> String {
        format!("postgres:///{name}?host={}&user=sc", self.folder.display())
    }

    /// Asks a database, given by name or URL, with psql. Columns are parted by `|`.
    ///
    /// # Panics
    ///
    /// If it refuses.
    pub fn ask(&self, database: &str, sql: &str) -> String {
        let programs = programs().expect("PostgreSQL is installed");
        let mut psql = Command::new(programs.join("psql"));
        psql.arg("--host").arg(&self.folder).args(["--username=sc", "--no-psqlrc", "-qAt"]);
        let name = database.split('?').next().unwrap_or_default().rsplit('/').next();
        psql.args(["-v", "ON_ERROR_STOP=1", "-c", sql, name.unwrap_or_default()]);
        let done = psql.stdin(Stdio::null()).output().expect("psql");
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.life.take());
        let _ = self.keeper.wait();
    }
}

/// The folder of the programs: the newest that Debian has.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir(Path::new(DEBIAN)).ok()?;
    let folders = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    folders.filter(|folder| folder.join("initdb").is_file()).max()
}
