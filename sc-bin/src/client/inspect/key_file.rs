//! A file that takes keys of TLS, in the format that Wireshark reads (`SSLKEYLOGFILE`).

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use sc_proto::tls::KeyLog;

use super::Keys;
use crate::client::failure::Failure;

#[derive(Debug)]
struct KeyFile(Mutex<File>);

/// Opens it. What is in it stays: other programs may write there, too. A new one is for its owner
/// alone.
///
/// # Errors
///
/// It cannot be written.
pub(super) fn open(flag: &'static str, path: &Path) -> Result<Keys, Failure> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(|error| Failure::File {
        flag,
        path: path.display().to_string(),
        error: error.to_string(),
    })?;
    Ok(Arc::new(KeyFile(Mutex::new(file))))
}

impl KeyLog for KeyFile {
    fn line(&self, line: &str) {
        // A line in one piece, as others may append, too.
        let line = format!("{line}\n");
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(line.as_bytes()) {
            log::warn!("keys of TLS cannot be written: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_appended_and_nobody_else_reads_a_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        for line in ["A 1 2", "B 3 4"] {
            open("--keys", &path).unwrap().line(line);
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "A 1 2\nB 3 4\n");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(matches!(open("--keys", Path::new("/no/such/x")), Err(Failure::File { .. })));
    }
}
