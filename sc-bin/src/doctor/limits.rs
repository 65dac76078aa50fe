//! The limit of open files.

use super::report::Report;
use crate::cli::{GOOD_OPEN_FILES, open_files_limit, raise_open_files, shown_open_files};

/// With less than this not even a few browsers work.
const FEW: u64 = 256;

/// Raises the limit as a tunnel's process does, and says what it allows.
pub(crate) fn open_files(report: &mut Report) {
    raise_open_files();
    let Some(limit) = open_files_limit() else {
        return report.good("open-files", "there is no limit of open files");
    };
    let text = shown_open_files(limit);
    let remedy = format!(
        "raise the hard limit to {GOOD_OPEN_FILES} or more: `ulimit -Hn` shows it, LimitNOFILE= sets it for a \
         systemd unit, --ulimit nofile= for a container"
    );
    match limit {
        ..FEW => report.wrong("open-files", text, remedy),
        FEW..GOOD_OPEN_FILES => report.warn("open-files", text, remedy),
        GOOD_OPEN_FILES.. => report.good("open-files", text),
    }
}
