//! A bound on the memory of processes, by a control group of Linux (version 1).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use crate::{binary, wait};

/// A control group with a bound on memory. It is removed when dropped, after its processes.
#[derive(Debug)]
pub struct MemoryBound {
    folder: PathBuf,
}

impl MemoryBound {
    /// A group whose processes may use so many bytes together, file cache included.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn new(bytes: u64) -> Self {
        let folder = PathBuf::from(format!("/sys/fs/cgroup/memory/sc-tests-{}", process::id()));
        fs::create_dir(&folder).expect("a control group");
        let bound = Self { folder };
        bound.write("memory.limit_in_bytes", &bytes.to_string());
        bound
    }

    /// A shell that enters the group and then becomes `program`, an
    /// `sc` with none of the caller's own settings.
    pub fn command(&self, program: &Path) -> Command {
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg("echo $$ > \"$0\" && exec \"$@\"")
            .arg(self.folder.join("cgroup.procs"));
        shell.arg(program);
        binary::without_settings(shell)
    }

    /// The most memory that was used at once, in bytes.
    ///
    /// # Panics
    /// If the kernel does not say.
    pub fn peak(&self) -> u64 {
        let text = fs::read_to_string(self.folder.join("memory.max_usage_in_bytes"));
        text.expect("the group's peak").trim().parse().expect("a number")
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.folder.join(file), text).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
}

impl Drop for MemoryBound {
    fn drop(&mut self) {
        // Busy until its last process is gone for good.
        wait::for_at_most(wait::PATIENCE, || fs::remove_dir(&self.folder).ok());
    }
}
