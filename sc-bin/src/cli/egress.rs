//! The options about what the client lets out, and by which way.

use std::str::FromStr;

use clap::Args;
use sc_proto::egress::LocalhostPolicy;
use sc_proto::rules::{HostRules, InvalidRules};

use super::environment::Environment;

/// Version 4's options.
#[derive(Args, Debug, Default)]
pub(crate) struct V4EgressArgs {
    /// What becomes of requests for this machine: `direct` never uses the upstream proxy, `allow`
    /// (or the option alone, as in version 4) uses it as for other hosts, `deny` refuses them
    /// [default: direct] [env: SAUCE_PROXY_LOCALHOST]
    #[arg(long, value_name = "POLICY", num_args = 0..=1, require_equals = true,
        default_missing_value = "allow")]
    proxy_localhost: Option<LocalhostChoice>,
}

/// Version 5's options.
#[derive(Args, Debug, Default)]
pub(crate) struct V5EgressArgs {
    /// Refuse these hosts: regular expressions, searched for in the host name; with `-` in front
    /// one is an exception; `all` is every host [env: SAUCE_DENY_DOMAINS]
    #[arg(
        short = 'F',
        long,
        value_name = "[-]REGEXP",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    deny_domains: Vec<String>,
    /// What becomes of requests for this machine: `direct` never uses the upstream proxy, `allow`
    /// uses it as for other hosts, `deny` refuses them [default: direct]
    /// [env: SAUCE_PROXY_LOCALHOST]
    #[arg(long, value_name = "POLICY")]
    proxy_localhost: Option<LocalhostChoice>,
}

/// `--proxy-localhost`, in the words of both versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LocalhostChoice(LocalhostPolicy);

impl FromStr for LocalhostChoice {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(match text.trim().to_ascii_lowercase().as_str() {
            "allow" | "true" | "1" => LocalhostPolicy::Allow,
            "direct" | "false" | "0" => LocalhostPolicy::Direct,
            "deny" => LocalhostPolicy::Deny,
            _ => return Err("allow, direct or deny is meant here"),
        }))
    }
}

/// What the client lets out.
#[derive(Clone, Debug, Default)]
pub(crate) struct EgressSettings {
    /// Hosts that are refused.
    pub(crate) deny: Option<HostRules>,
    /// What becomes of requests for this machine.
    pub(crate) localhost: LocalhostPolicy,
}

/// An option about the egress is not right.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EgressError {
    /// A list of hosts to deny.
    #[error("--deny-domains: {0}")]
    Deny(InvalidRules),
    /// A variable that is none of the words it may be.
    #[error("SAUCE_PROXY_LOCALHOST={0:?}: allow, direct or deny is meant here")]
    Localhost(String),
}

/// What the command line of either version gave.
#[derive(Debug, Default)]
pub(super) struct Given {
    deny: Vec<String>,
    localhost: Option<LocalhostChoice>,
}

impl From<V4EgressArgs> for Given {
    fn from(args: V4EgressArgs) -> Self {
        Self { localhost: args.proxy_localhost, ..Self::default() }
    }
}

impl From<V5EgressArgs> for Given {
    fn from(args: V5EgressArgs) -> Self {
        Self { deny: args.deny_domains, localhost: args.proxy_localhost }
    }
}

impl Given {
    /// Fills in what the environment says, and checks all of it.
    pub(super) fn resolve(self, env: &Environment) -> Result<EgressSettings, EgressError> {
        Ok(EgressSettings {
            deny: deny_rules(list(self.deny, env, "SAUCE_DENY_DOMAINS"))?,
            localhost: match (self.localhost, env.first(&["SAUCE_PROXY_LOCALHOST"])) {
                (Some(choice), _) => choice.0,
                (None, Some(text)) => {
                    text.parse::<LocalhostChoice>().map_err(|_| EgressError::Localhost(text))?.0
                }
                (None, None) => LocalhostPolicy::default(),
            },
        })
    }
}

/// The items of a list: those of the command line, or those of a variable, at commas.
fn list(given: Vec<String>, env: &Environment, name: &str) -> Vec<String> {
    let variable = || env.first(&[name]).unwrap_or_default();
    let items =
        if given.is_empty() { variable().split(',').map(str::to_owned).collect() } else { given };
    let items = items.into_iter().map(|item| item.trim().to_owned());
    items.filter(|item| !item.is_empty()).collect()
}

fn deny_rules(items: Vec<String>) -> Result<Option<HostRules>, EgressError> {
    if items.is_empty() {
        return Ok(None);
    }
    let rules = HostRules::expressions(items.iter().map(String::as_str));
    rules.map(Some).map_err(EgressError::Deny)
}

#[cfg(test)]
mod tests;
