//! Version 4's limits of bytes a second from and to sites.

use std::num::NonZeroU64;

use clap::Args;

use super::environment::Environment;

/// The options.
#[derive(Args, Debug, Default)]
pub(crate) struct RateArgs {
    /// Bytes a second that are read from sites, over all their connections; 0 is no limit
    /// [default: 0] [env: SAUCE_SCPROXY_READ_LIMIT]
    #[arg(long, value_name = "BYTES")]
    scproxy_read_limit: Option<String>,
    /// Bytes a second that are written to sites, over all their connections; 0 is no limit
    /// [default: 0] [env: SAUCE_SCPROXY_WRITE_LIMIT]
    #[arg(long, value_name = "BYTES")]
    scproxy_write_limit: Option<String>,
}

/// What they come to; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RateSettings {
    /// Of what is read from sites.
    pub(crate) read: Option<NonZeroU64>,
    /// Of what is written to them.
    pub(crate) write: Option<NonZeroU64>,
}

/// A limit is no number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{option}: {text:?} is no number of bytes a second; 0 is no limit")]
pub(crate) struct InvalidRate {
    /// The option.
    option: &'static str,
    /// What was given.
    text: String,
}

impl RateArgs {
    /// Fills in what the environment says.
    pub(super) fn resolve(self, env: &Environment) -> Result<RateSettings, InvalidRate> {
        let limit = |given: Option<String>, option, name| {
            let text = given.or_else(|| env.first(&[name])).unwrap_or_default();
            match text.trim() {
                "" => Ok(None),
                number => number
                    .parse()
                    .map(NonZeroU64::new)
                    .map_err(|_| InvalidRate { option, text: number.to_owned() }),
            }
        };
        Ok(RateSettings {
            read: limit(
                self.scproxy_read_limit,
                "--scproxy-read-limit",
                "SAUCE_SCPROXY_READ_LIMIT",
            )?,
            write: limit(
                self.scproxy_write_limit,
                "--scproxy-write-limit",
                "SAUCE_SCPROXY_WRITE_LIMIT",
            )?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_come_from_the_command_line_or_the_environment_and_0_is_none() {
        let env = [("SAUCE_SCPROXY_WRITE_LIMIT".to_owned(), "70".to_owned())];
        let given = |text: &str| RateArgs {
            scproxy_read_limit: Some(text.to_owned()),
            ..RateArgs::default()
        };
        let rates = given("0").resolve(&env.clone().into_iter().collect()).unwrap();
        assert_eq!(rates, RateSettings { read: None, write: NonZeroU64::new(70) });
        let rates = given("5000").resolve(&std::iter::empty().collect()).unwrap();
        assert_eq!(rates, RateSettings { read: NonZeroU64::new(5000), write: None });
        let error = given("5k").resolve(&std::iter::empty().collect()).unwrap_err().to_string();
        assert!(error.starts_with("--scproxy-read-limit: \"5k\""), "{error}");
    }
}
