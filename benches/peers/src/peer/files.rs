//! Configuration files of a tunnel, in a folder that goes away with it.

use std::fs;
use std::path::{Path, PathBuf};

use sc_tests::certificate::Certificates;
use tempfile::TempDir;

/// A folder, and certificates for `localhost`, 127.0.0.1 and 127.0.0.2.
#[derive(Debug)]
pub(super) struct Files {
    folder: TempDir,
    pub(super) certificates: Certificates,
}

impl Files {
    pub(super) fn new() -> Self {
        let certificates = Certificates::for_names(&["localhost", "127.0.0.1", "127.0.0.2"]);
        Self { folder: tempfile::tempdir().expect("a temporary folder"), certificates }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("a file in our own folder");
        path
    }

    /// Certificate and key in one file, as haproxy wants them.
    pub(super) fn certificate_and_key(&self) -> PathBuf {
        let read = |path| fs::read_to_string(path).expect("a file in our own folder");
        let both = read(self.certificates.certificate()) + &read(self.certificates.key());
        self.write("both.pem", &both)
    }
}
