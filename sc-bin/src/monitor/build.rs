//! What this binary is.

/// Its version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit it was built from, as git or `SC_BUILD_COMMIT` told when it was built.
pub(crate) const COMMIT: &str = or_unknown(option_env!("SC_BUILD_COMMIT"));
/// When it was built: `SC_BUILD_TIME`, `SOURCE_DATE_EPOCH`, or the time of the commit.
pub(crate) const TIME: &str = or_unknown(option_env!("SC_BUILD_TIME"));

const fn or_unknown(given: Option<&'static str>) -> &'static str {
    match given {
        Some(given) => given,
        None => "unknown",
    }
}
