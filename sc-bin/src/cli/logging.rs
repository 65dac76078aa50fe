//! Where log records go: away from what wrappers read.

use env_logger::{Builder, Target};
use log::LevelFilter;

/// The variable that chooses what is logged, in the form of the `env_logger` crate.
const VARIABLE: &str = "SC_LOG";

/// Who logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A client: warnings, to stdout, since wrappers take anything on stderr for a failure.
    Client,
    /// A server: its doings, to stderr, since scripts read its stdout.
    Server,
}

/// Begins to log. To be called once.
pub(super) fn start(role: Role) {
    let (level, target) = match role {
        Role::Client => (LevelFilter::Warn, Target::Stdout),
        Role::Server => (LevelFilter::Info, Target::Stderr),
    };
    Builder::new().filter_level(level).parse_env(VARIABLE).target(target).init();
}

#[cfg(test)]
mod tests {
    /// At trace, the HTTP client dumps requests as they are: keys and secrets included.
    #[test]
    fn no_setting_brings_keys_into_the_log() {
        assert!(log::STATIC_MAX_LEVEL <= log::LevelFilter::Debug);
    }
}
