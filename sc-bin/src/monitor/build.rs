//! What this binary is.

/// Its version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit it was built from, if who built it said so (`SC_BUILD_COMMIT`).
pub(crate) const COMMIT: &str = or_unknown(option_env!("SC_BUILD_COMMIT"));
/// When it was built, if who built it said so (`SC_BUILD_TIME`).
pub(crate) const TIME: &str = or_unknown(option_env!("SC_BUILD_TIME"));

const fn or_unknown(given: Option<&'static str>) -> &'static str {
    match given {
        Some(given) => given,
        None => "unknown",
    }
}
