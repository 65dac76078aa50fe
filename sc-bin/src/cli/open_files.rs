//! The limit of open files: as high as this user may have it.
//!
//! Every proxied connection is one open file, and the usual soft limit of 1024 is there for
//! programs that use `select(2)`; `sc` does not. To be called before the data plane starts, which
//! takes its own limits from it.

/// What the original asks for at least; with less it is worth a warning.
pub(crate) const GOOD: u64 = 8000;
/// What a process needs for itself.
const OWN: u64 = 64;

/// Tells the log what the limit allows.
pub(crate) fn tell_limit() {
    match limit() {
        None => log::info!("there is no limit of open files"),
        Some(limit) if limit < GOOD => {
            log::warn!("{}; {GOOD} or more are advised (ulimit -Hn)", shown_limit(limit));
        }
        Some(limit) => log::info!("{}", shown_limit(limit)),
    }
}

/// A limit, and what it allows.
pub(crate) fn shown_limit(limit: u64) -> String {
    let connections = limit.saturating_sub(OWN);
    format!("{limit} open files: about {connections} connections at once through the tunnel")
}

/// Raises the soft limit to the hard limit. What cannot be raised stays as it is.
#[cfg(unix)]
pub(crate) fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    /// The most that macOS takes where it says that there is no limit (its `OPEN_MAX`).
    const OPEN_MAX: u64 = 10_240;

    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    let raised = [maximum, Some(OPEN_MAX)]
        .into_iter()
        .filter(|limit| limit.is_none_or(|limit| current.is_some_and(|now| limit > now)))
        .find(|limit| setrlimit(Resource::Nofile, Rlimit { current: *limit, maximum }).is_ok());
    match raised {
        Some(limit) => {
            log::debug!("limit of open files raised from {} to {}", shown(current), shown(limit));
        }
        None => log::debug!("the limit of open files stays at {}", shown(current)),
    }
}

/// Elsewhere there is no such limit.
#[cfg(not(unix))]
pub(crate) fn raise_limit() {}

/// How many files this process may have open; `None` if there is no limit.
#[cfg(unix)]
pub(crate) fn limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// Elsewhere there is no such limit.
#[cfg(not(unix))]
pub(crate) fn limit() -> Option<u64> {
    None
}

#[cfg(unix)]
fn shown(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
}

#[cfg(all(test, unix))]
mod tests {
    use rustix::process::{Resource, getrlimit};

    use super::*;

    #[test]
    fn the_limit_is_raised_and_stays() {
        let before = limit();
        assert_eq!(
            shown_limit(1024),
            "1024 open files: about 960 connections at once through the tunnel"
        );
        for _ in 0..2 {
            raise_limit();
            let after = getrlimit(Resource::Nofile);
            assert!(after.current >= before || after.current.is_none());
            #[cfg(target_os = "linux")]
            assert_eq!(after.current, after.maximum);
        }
    }
}
