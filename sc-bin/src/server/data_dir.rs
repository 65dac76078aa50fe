//! The data directory: where the registry and the server's own certificates are kept.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirError {
    /// The system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A server runs on it.
    #[error(
        "another sc server uses the data directory {}: stop it, or give this one its own by --data-dir",
        .0.display()
    )]
    InUse(PathBuf),
    /// There is no place for it.
    #[error("no home directory is known to keep data in: give one by --data-dir")]
    NoHome,
}

/// Turns an [`io::Error`] into one that says what was done to what.
pub(super) fn doing<'a>(
    doing: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> DataDirError + 'a {
    move |source| DataDirError::Io { doing, path: path.to_owned(), source }
}

/// A directory that exists.
#[derive(Clone, Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
}

/// Says that this process is the server of a data directory, until dropped.
#[derive(Debug)]
pub(crate) struct ServerLock(#[expect(dead_code, reason = "held for its lock")] File);

/// Keeps other processes from migrating the registry, until dropped.
#[derive(Debug)]
pub(crate) struct RegistryLock(#[expect(dead_code, reason = "held for its lock")] File);

impl DataDir {
    /// Opens a directory; makes it, for its owner only, if it is missing.
    pub(crate) fn open(path: &Path) -> Result<Self, DataDirError> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path).map_err(doing("make the data directory", path))?;
        Ok(Self { path: path.to_owned() })
    }

    /// Where data is kept when nothing is said: `$XDG_DATA_HOME/sc-server`, else
    /// `$HOME/.local/share/sc-server`.
    pub(crate) fn default_path() -> Result<PathBuf, DataDirError> {
        let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let base = from("XDG_DATA_HOME")
            .map(PathBuf::from)
            .or_else(|| from("HOME").map(|home| PathBuf::from(home).join(".local/share")))
            .ok_or(DataDirError::NoHome)?;
        Ok(base.join("sc-server"))
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The registry's database.
    pub(crate) fn registry_file(&self) -> PathBuf {
        self.path.join("registry.sqlite")
    }

    /// A file of the server's own certificates.
    pub(crate) fn certificate_file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// As which member of a fleet a server last ran here; empty: none is known.
    pub(crate) fn last_member(&self) -> String {
        // Whoever cannot be read is found dead by the others.
        let text = std::fs::read_to_string(self.member_file()).unwrap_or_default();
        text.trim().to_owned()
    }

    /// Remembers as which member of a fleet this server runs.
    pub(crate) fn remember_member(&self, member: &str) -> Result<(), DataDirError> {
        write_private_file(&self.member_file(), member.as_bytes())
    }

    fn member_file(&self) -> PathBuf {
        self.path.join("fleet-member")
    }

    /// Makes this process the one server of the directory.
    pub(crate) fn lock_server(&self) -> Result<ServerLock, DataDirError> {
        let path = self.path.join("server.lock");
        let file = make_private_file(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(ServerLock(file)),
            Err(std::fs::TryLockError::WouldBlock) => Err(DataDirError::InUse(self.path.clone())),
            Err(std::fs::TryLockError::Error(error)) => Err(doing("lock", &path)(error)),
        }
    }

    /// Waits until no other process migrates the registry.
    pub(crate) fn lock_registry(&self) -> Result<RegistryLock, DataDirError> {
        let path = self.path.join("registry.lock");
        let file = make_private_file(&path)?;
        file.lock().map_err(doing("lock", &path))?;
        Ok(RegistryLock(file))
    }
}

/// Opens a file for writing; makes it, for its owner only, if it is missing.
fn make_private_file(path: &Path) -> Result<File, DataDirError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(doing("open", path))
}

/// Makes an empty file for its owner only, if there is none. A file that is there is not even opened:
/// closing a second descriptor of a database would drop the locks SQLite holds on it in this
/// process (POSIX advisory locks).
pub(super) fn make_private_file_once(path: &Path) -> Result<(), DataDirError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(doing("make", path)(error)),
    }
}

/// Writes a file that only its owner can read. Readers see the old or the new content, never half.
pub(super) fn write_private_file(path: &Path, content: &[u8]) -> Result<(), DataDirError> {
    let write = || {
        let dir = path.parent().unwrap_or(Path::new("."));
        // A NamedTempFile has mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(doing("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_server_at_a_time() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = DataDir::open(&temporary.path().join("a/b")).unwrap();
        let lock = dir.lock_server().unwrap();
        assert!(matches!(dir.lock_server(), Err(DataDirError::InUse(_))));
        drop(lock);
        dir.lock_server().unwrap();
    }
}
