//! A log file: put away by size, opened again when someone has moved it.
//!
//! No line is lost by either: the old file stays open until the new one is there, and if there is
//! none the old one goes on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

/// An open log file.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    /// Bytes in it, as far as this process knows.
    size: u64,
    max_size: Option<NonZeroU64>,
    /// Lines that could not be written, not told yet.
    lost: u64,
}

impl LogFile {
    /// Opens a file, at its end.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub(super) fn open(path: &Path, max_size: Option<NonZeroU64>) -> io::Result<Self> {
        let (file, size) = opened(path)?;
        Ok(Self { path: path.to_owned(), file, size, max_size, lost: 0 })
    }

    /// Writes a line, with its end. If the disk is full, it is counted, and told when there is
    /// room again.
    pub(super) fn write(&mut self, line: &str) {
        #[cfg(feature = "operations")]
        self.put_away_if_full(line);
        if self.lost > 0 && self.file.write_all(&lost_line(self.lost)).is_ok() {
            self.lost = 0;
        }
        match self.file.write_all(line.as_bytes()) {
            Ok(()) => self.size = self.size.saturating_add(line.len() as u64),
            Err(_) => self.lost += 1,
        }
    }

    /// Opens what has the file's name now.
    ///
    /// # Errors
    ///
    /// It cannot be had: the file that was open goes on.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        (self.file, self.size) = opened(&self.path)?;
        Ok(())
    }

    #[cfg(feature = "operations")]
    fn put_away_if_full(&mut self, line: &str) {
        let Some(max) = self.max_size else { return };
        if self.size == 0 || self.size.saturating_add(line.len() as u64) <= max.get() {
            return;
        }
        // Another process with the same file may have done it just now.
        if is_at(&self.file, &self.path) {
            let _ = put_away(&self.path);
        }
        if self.reopen().is_err() {
            // Tried again when as much has come once more.
            self.size = 0;
        }
    }
}

fn lost_line(count: u64) -> Vec<u8> {
    format!("({count} lines could not be written here)\n").into_bytes()
}

fn opened(path: &Path) -> io::Result<(File, u64)> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // Logs name hosts and users: they are their owner's affair.
        options.mode(0o600);
    }
    let file = options.open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

/// Renames a file to its name with the next serial number.
#[cfg(feature = "operations")]
fn put_away(path: &Path) -> io::Result<()> {
    let numbered = |number: u64| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    fs::rename(path, numbered(last_number(path) + 1))
}

/// The highest serial number beside a file; 0 if there is none.
#[cfg(feature = "operations")]
fn last_number(path: &Path) -> u64 {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let number = |entry: fs::DirEntry| {
        let other = entry.file_name();
        let rest = other.to_str()?.strip_prefix(name.as_str())?.strip_prefix('.')?;
        rest.parse::<u64>().ok()
    };
    let entries = fs::read_dir(folder.unwrap_or(Path::new("."))).ok();
    entries.into_iter().flatten().flatten().filter_map(number).max().unwrap_or(0)
}

/// Whether an open file is the one with this name.
#[cfg(all(unix, feature = "operations"))]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let id = |found: io::Result<fs::Metadata>| found.ok().map(|file| (file.dev(), file.ino()));
    let open = id(file.metadata());
    open.is_some() && open == id(fs::metadata(path))
}

#[cfg(all(not(unix), feature = "operations"))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

/// The first of version 4's usual files that can be had and is this user's: the name itself, or
/// with the process id where someone else has put something in its place.
pub(super) fn open_usual(path: &Path, max_size: Option<NonZeroU64>) -> Option<LogFile> {
    let own = path.with_extension(format!("{}.log", std::process::id()));
    let safe = |path: &&Path| fs::symlink_metadata(path).map_or(true, |found| is_own(&found));
    [path, own.as_path()]
        .into_iter()
        .filter(safe)
        .find_map(|path| LogFile::open(path, max_size).ok())
}

/// Not a link that leads elsewhere, nor another user's file: the folder is everybody's.
#[cfg(unix)]
fn is_own(found: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    found.is_file() && found.uid() == rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn is_own(found: &fs::Metadata) -> bool {
    found.is_file()
}
