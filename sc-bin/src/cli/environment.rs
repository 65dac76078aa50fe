//! The environment variables `sc` reads, as a value that tests can make.

use std::collections::BTreeMap;

use super::egress::{NO_PROXY_VARIABLES, PROXY_VARIABLES};

/// Where TLS libraries write keys to, by a custom of all browsers.
const KEY_LOG: &str = "SSLKEYLOGFILE";

/// The process's variables that begin with `SAUCE_`, those that name proxies, and `SSLKEYLOGFILE`.
#[derive(Clone, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Takes what the process was started with. A value that is not UTF-8 counts as absent:
    /// none of the settings can hold it.
    pub(crate) fn of_process() -> Self {
        let text = |value: std::ffi::OsString| value.into_string().ok();
        std::env::vars_os()
            .filter_map(|(name, value)| Some((text(name)?, text(value)?)))
            .filter(|(name, _)| {
                let name = name.as_str();
                name.starts_with("SAUCE_")
                    || name == KEY_LOG
                    || PROXY_VARIABLES.contains(&name)
                    || NO_PROXY_VARIABLES.contains(&name)
            })
            .collect()
    }

    /// The value of the first of `names` that is set and not empty.
    pub(crate) fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().filter_map(|name| self.0.get(*name)).find(|value| !value.is_empty()).cloned()
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}
