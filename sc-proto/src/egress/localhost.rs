//! The client's own machine, by all its names.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;

use crate::contract::Host;

/// What becomes of requests for the client's own machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LocalhostPolicy {
    /// As any other host: by the upstream proxy where one is set.
    Allow,
    /// Never by an upstream proxy.
    #[default]
    Direct,
    /// Refused.
    Deny,
}

/// Which hosts are this machine, and what becomes of them.
#[derive(Clone, Debug, Default)]
pub struct Localhost {
    /// What becomes of them.
    pub policy: LocalhostPolicy,
    /// Names that stand for a loopback address here, in lower case: those on the loopback lines of
    /// the hosts file. The embedder reads that.
    pub names: BTreeSet<Box<str>>,
}

impl Localhost {
    /// The policy, if `host` is this machine: `localhost` and all names below it (RFC 6761,
    /// section 6.3), an unspecified or loopback address, or one of [`Localhost::names`].
    pub fn policy_for(&self, host: &Host) -> Option<LocalhostPolicy> {
        let is_local = match host {
            Host::Name(name) => is_localhost(name) || self.names.contains(name),
            Host::Ip(ip) => {
                // `::ffff:127.0.0.1` is the same place.
                let ip = ip.to_canonical();
                ip.is_loopback() || ip.is_unspecified()
            }
        };
        is_local.then_some(self.policy)
    }
}

fn is_localhost(name: &str) -> bool {
    name.strip_suffix("localhost").is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_this_machine_is_known() {
        let localhost =
            Localhost { policy: LocalhostPolicy::Deny, names: [Box::from("office.test")].into() };
        let is_local = |text: &str| localhost.policy_for(&Host::parse(text).unwrap()).is_some();
        for text in [
            "localhost",
            "LOCALHOST.",
            "app.localhost",
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "Office.TEST",
        ] {
            assert!(is_local(text), "{text}");
        }
        for text in ["notlocalhost", "localhost.test", "128.0.0.1", "[::2]", "a.office.test"] {
            assert!(!is_local(text), "{text}");
        }
    }
}
