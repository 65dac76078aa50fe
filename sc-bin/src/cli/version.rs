//! What this program is.

use std::io::{self, Write as _};

/// Its name and version.
pub(crate) const VERSION: &str = concat!("sc ", env!("CARGO_PKG_VERSION"));
/// Its version, of what and when it was built as far as that is known, and for which target.
pub(super) const BUILD: &str = env!("SC_BUILD_LINE");

/// `sc version`.
pub(super) fn print() {
    // If stdout does not take it, so be it.
    let _ = writeln!(io::stdout(), "sc {BUILD}");
}
