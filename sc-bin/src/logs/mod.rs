//! What the program writes about itself: which lines, in which shape, and where to.
//!
//! `logger` takes the records of all crates and judges them by `filter` and `repeats`; `shape`
//! words them as version 4, version 5 or JSON does; `sink` puts them on a stream or, by `file`, into
//! a file that is rotated by size and opened again on SIGHUP; `place` knows version 4's usual file.
//!
//! A line is written by the thread that has it, under one lock, in one `write`: measured in
//! `docs/logs.md`, that costs a data worker a few microseconds, less than handing the line to a
//! thread of its own, and a small client has no thread to spare. A stream whose reader has stopped
//! does not stop the program: what it does not take waits in a bounded buffer.

mod file;
mod filter;
mod logger;
mod place;
mod repeats;
mod shape;
mod sink;
#[cfg(test)]
mod tests;

use std::num::NonZeroU64;
use std::path::PathBuf;

pub(crate) use filter::Filter;
pub(crate) use logger::{are_on_stdout, flush, reopen, start};
pub(crate) use place::usual_path;
pub(crate) use shape::{Entry, Shape};

/// The variable that chooses what is logged: `debug`, or `warn,sc_proto=debug`. It goes before the
/// options.
pub(crate) const VARIABLE: &str = "SC_LOG";

/// The target of records that the console has shown already.
pub(crate) const CONSOLE: &str = "cli";

/// How a run logs.
#[derive(Clone, Debug)]
pub(crate) struct LogSettings {
    /// Which records.
    pub(crate) filter: Filter,
    /// In which words.
    pub(crate) shape: Shape,
    /// Where to.
    pub(crate) to: Destination,
    /// Who sees warnings beside those who read the log.
    pub(crate) warnings: Warnings,
    /// At which size, in bytes, a file is put away and a new one begun; `None`: never.
    pub(crate) max_size: Option<NonZeroU64>,
}

/// Where a log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file that was asked for, by this option. A run without it does not begin.
    File(&'static str, PathBuf),
    /// A file that nobody asked for: if it cannot be had, another one is taken, or none.
    Usual(PathBuf),
}

/// Where warnings and errors go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Warnings {
    /// With all the rest.
    InLog,
    /// To standard output as well, if the log is elsewhere.
    OnConsoleToo,
}

/// A log file cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("{flag} {}: {error}", path.display())]
pub(crate) struct LogError {
    /// The option.
    pub(crate) flag: &'static str,
    /// Its value.
    pub(crate) path: PathBuf,
    /// What the operating system said.
    pub(crate) error: std::io::Error,
}
