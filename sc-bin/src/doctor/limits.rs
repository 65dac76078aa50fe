//! The limit of open files.

use super::report::Report;
use crate::cli::{open_files_limit, raise_open_files};

/// With less than this not even a few browsers work.
const FEW: u64 = 256;
/// What the original asks for at least.
const GOOD: u64 = 8000;
/// What a process needs for itself.
const OWN: u64 = 64;

/// Raises the limit as a tunnel's process does, and says what it allows.
pub(crate) fn open_files(report: &mut Report) {
    raise_open_files();
    let Some(limit) = open_files_limit() else {
        return report.good("open-files", "there is no limit of open files");
    };
    let text = format!(
        "{limit} open files: about {} connections at once through the tunnel",
        limit.saturating_sub(OWN)
    );
    let remedy = format!(
        "raise the hard limit to {GOOD} or more: `ulimit -Hn` shows it, LimitNOFILE= sets it for a \
         systemd unit, --ulimit nofile= for a container"
    );
    match limit {
        ..FEW => report.wrong("open-files", text, remedy),
        FEW..GOOD => report.warn("open-files", text, remedy),
        GOOD.. => report.good("open-files", text),
    }
}
