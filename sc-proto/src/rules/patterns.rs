//! Version 4's host patterns: asked by a look-up for every part of the host, however many there are.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;

use super::{InvalidRules, checked};
use crate::contract::Host;

/// A compiled list of patterns.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns {
    every: Every,
    /// Hosts written as a whole.
    hosts: BTreeSet<Box<str>>,
    /// Domains whose hosts are meant, without the leading dot.
    domains: BTreeSet<Box<str>>,
}

/// Whether `all` is in the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Every {
    Host,
    #[default]
    Listed,
}

impl Patterns {
    pub(super) fn compile<'a>(
        items: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidRules> {
        let mut rules = Self::default();
        let mut is_empty = true;
        for rule in checked(items) {
            let (item, rule) = rule?;
            is_empty = false;
            rules.add(rule).ok_or_else(|| InvalidRules::Pattern { item, rule: rule.to_owned() })?;
        }
        if is_empty { Err(InvalidRules::Empty) } else { Ok(rules) }
    }

    fn add(&mut self, rule: &str) -> Option<()> {
        if rule == "all" || rule == "*" {
            self.every = Every::Host;
            return Some(());
        }
        let domain = rule.strip_prefix("*.").or_else(|| rule.strip_prefix('.'));
        let set = if domain.is_some() { &mut self.domains } else { &mut self.hosts };
        set.insert(text_of(domain.unwrap_or(rule), domain.is_some())?);
        Some(())
    }

    pub(super) fn matches(&self, host: &str) -> bool {
        if self.every == Every::Host || self.hosts.contains(host) {
            return true;
        }
        // An address has no domain above it.
        let is_name = host.bytes().any(|b| b.is_ascii_alphabetic()) && !host.contains(':');
        let dots = host.match_indices('.').map(|(dot, _)| dot);
        is_name
            && dots
                .filter_map(|dot| host.get(dot + 1..))
                .any(|domain| self.domains.contains(domain))
    }
}

/// A host as it is compared.
fn text_of(host: &str, is_domain: bool) -> Option<Box<str>> {
    let host = Host::parse(host).ok().or_else(|| {
        // Version 4 took an IPv6 address without brackets, too.
        host.parse().ok().map(Host::Ip)
    })?;
    match host {
        Host::Name(name) => Some(name),
        Host::Ip(_) if is_domain => None,
        Host::Ip(ip) => Some(alloc::format!("{ip}").into_boxed_str()),
    }
}
