//! What this program is.

use std::env::consts::{ARCH, OS};
use std::io::{self, Write as _};

/// Its name and version.
pub(crate) const VERSION: &str = concat!("sc ", env!("CARGO_PKG_VERSION"));

/// `sc version`.
pub(super) fn print() {
    // If stdout does not take it, so be it.
    let _ = writeln!(io::stdout(), "{VERSION} ({OS}-{ARCH})");
}
