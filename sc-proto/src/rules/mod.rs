//! Rules about hosts: which go through the tunnel, which are refused, whose TLS is left alone.
//!
//! Both ends judge by them: the server's ingress (tunnel or direct, TLS), the client's egress
//! (refused). A list is compiled once and asked for every request. Version 4 wrote plain
//! `patterns`, version 5 writes regular `expressions`; a request meets the same [`HostRules`].

mod expressions;
mod patterns;
mod routing;
#[cfg(test)]
mod tests;

use alloc::string::{String, ToString};

use self::expressions::{Expressions, Set};
use self::patterns::Patterns;
use crate::contract::Host;
pub use routing::{Caching, Resigned, Routing, Way, Ways};
pub(crate) use routing::{Resign, url_of};

/// Most items of one list.
pub const MAX_RULES: usize = 10_000;
/// Longest item of a list, in bytes.
pub const MAX_RULE: usize = 2_000;

/// A compiled list of rules about host names.
///
/// A host is compared without its port, in lower case, an IPv6 address without brackets.
#[derive(Clone, Debug)]
pub struct HostRules(Rules);

#[derive(Clone, Debug)]
enum Rules {
    Expressions(Expressions),
    Patterns(Patterns),
}

impl HostRules {
    /// Compiles the regular expressions of version 5: `[-]regexp` or `[-]all` each, searched for
    /// anywhere in the host, whatever its letters' case. A host matches if any item without `-`
    /// does and none with `-`.
    ///
    /// # Errors
    ///
    /// The first item that cannot be taken, or what the list as a whole lacks.
    pub fn expressions<'a>(items: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidRules> {
        Expressions::compile(items).map(|rules| Self(Rules::Expressions(rules)))
    }

    /// Compiles the patterns of version 4: a host, `.domain` or `*.domain` for all hosts below
    /// it, or `all`.
    ///
    /// # Errors
    ///
    /// As [`HostRules::expressions`].
    pub fn patterns<'a>(items: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidRules> {
        Patterns::compile(items).map(|rules| Self(Rules::Patterns(rules)))
    }

    /// Whether the list is about this host.
    pub fn matches(&self, host: &Host) -> bool {
        match host {
            Host::Name(name) => self.matches_text(name),
            Host::Ip(ip) => self.matches_text(&ip.to_string()),
        }
    }

    fn matches_text(&self, host: &str) -> bool {
        match &self.0 {
            Rules::Expressions(rules) => rules.matches(host),
            Rules::Patterns(rules) => rules.matches(host),
        }
    }
}

/// A compiled list of regular expressions about URLs, searched for anywhere in them.
#[derive(Clone, Debug)]
pub struct UrlRules(Set);

impl UrlRules {
    /// Compiles the expressions.
    ///
    /// # Errors
    ///
    /// As [`HostRules::expressions`].
    pub fn new<'a>(items: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidRules> {
        Set::of_urls(items).map(Self)
    }

    /// Whether the list is about this URL.
    pub fn matches(&self, url: &str) -> bool {
        self.0.matches(url)
    }
}

/// A list of rules cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRules {
    /// Nothing is in it.
    #[error("the list of rules is empty")]
    Empty,
    /// More than [`MAX_RULES`].
    #[error("the list has more than {MAX_RULES} rules")]
    TooMany,
    /// An item is empty or longer than [`MAX_RULE`].
    #[error("rule {item}: a rule has 1 to {MAX_RULE} bytes")]
    Length {
        /// Its place in the list, from 1.
        item: usize,
    },
    /// An item is no regular expression.
    #[error("rule {item}, {rule:?}: not a regular expression: {reason}")]
    Expression {
        /// Its place in the list, from 1.
        item: usize,
        /// The rule.
        rule: String,
        /// What is wrong with it, and what to write if that can be told.
        reason: String,
    },
    /// An item is no version 4 pattern.
    #[error(
        "rule {item}, {rule:?}: a host name, .domain, *.domain, an IP address or all is meant here"
    )]
    Pattern {
        /// Its place in the list, from 1.
        item: usize,
        /// The rule.
        rule: String,
    },
    /// All items are exclusions.
    #[error("no include rules specified: put `all` before the exclusions")]
    OnlyExclusions,
    /// Together they need too much memory.
    #[error("the expressions are too large together: {reason}")]
    TooLarge {
        /// What the compiler said.
        reason: String,
    },
}

/// Counts and measures the items of a list.
fn checked<'a>(
    items: impl IntoIterator<Item = &'a str>,
) -> impl Iterator<Item = Result<(usize, &'a str), InvalidRules>> {
    items.into_iter().zip(1..).map(|(rule, item)| {
        if item > MAX_RULES {
            Err(InvalidRules::TooMany)
        } else if rule.is_empty() || rule.len() > MAX_RULE {
            Err(InvalidRules::Length { item })
        } else {
            Ok((item, rule))
        }
    })
}
