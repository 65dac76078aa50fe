//! The hosts file, read again when it has changed.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::time::SystemTime;

use sc_proto::dns::Hosts;

/// Most of the file that is read, in bytes.
const LIMIT: u64 = 16 << 20;

/// Where it is, and what it looked like when it was read.
#[derive(Debug)]
pub(super) struct HostsFile {
    path: PathBuf,
    seen: Option<Look>,
}

/// What tells that a file has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    modified: Option<SystemTime>,
    length: u64,
}

impl HostsFile {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path, seen: None }
    }

    /// Its names, if they are others than last time. A file that is not there has none.
    pub(super) fn changed(&mut self) -> Option<Hosts> {
        let look = fs::metadata(&self.path).ok().map(|metadata| Look::of(&metadata));
        if look == self.seen {
            return None;
        }
        self.seen = look;
        let text = match look {
            Some(_) => self.read(),
            None => Ok(String::new()),
        };
        let text = text.unwrap_or_else(|error| {
            log::warn!("cannot read {}: {error}", self.path.display());
            String::new()
        });
        Some(Hosts::parse(&text))
    }

    fn read(&self) -> io::Result<String> {
        let mut bytes = Vec::new();
        File::open(&self.path)?.take(LIMIT).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Look {
    fn of(metadata: &Metadata) -> Self {
        Self { modified: metadata.modified().ok(), length: metadata.len() }
    }
}
