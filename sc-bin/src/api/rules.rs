//! The lists of a tunnel that say where its requests go. The client compiles them to find mistakes
//! before it asks for a tunnel, the server to act on them.

use sc_proto::rules::{HostRules, InvalidRules, Resigned, Routing, UrlRules, Ways};
use serde::{Deserialize, Serialize};

/// What version 4 clients send for "no domain in particular".
const NO_DOMAIN: &str = "sauce-connect.proxy";

/// The lists, as the creator of the tunnel wrote them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Rules {
    /// Hosts that the server reaches itself. Excludes [`Rules::tunnel_domains`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) direct_domains: Option<Vec<String>>,
    /// Only these hosts go through the tunnel (version 5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tunnel_domains: Option<Vec<String>>,
    /// The same of version 4, as patterns. Wins over [`Rules::direct_domains`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) domain_names: Option<Vec<String>>,
    /// Hosts that are refused (version 5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deny_domains: Option<Vec<String>>,
    /// URLs that are refused (version 4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fast_fail_regexps: Option<Vec<String>>,
    /// Hosts whose TLS is opened and signed anew (version 5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls_resign_domains: Option<Vec<String>>,
    /// Hosts whose TLS passes untouched (version 5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls_passthrough_domains: Option<Vec<String>>,
    /// The same of version 4, as patterns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) no_ssl_bump_domains: Option<Vec<String>>,
    /// Extension: hosts whose TLS is opened and signed anew whatever the lists say, as patterns: the
    /// client adds something to their requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) always_resign_domains: Option<Vec<String>>,
    /// Extension: how [`Rules::direct_domains`] are written, which both versions have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rule_syntax: Option<RuleSyntax>,
}

/// How hosts are described.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RuleSyntax {
    /// As version 4: a host, `.domain`, `*.domain` or `all`.
    Patterns,
    /// As version 5: `[-]regexp` or `[-]all`.
    Expressions,
}

/// The lists do not fit together, or one cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RulesError {
    /// A list.
    #[error("{list}: {why}")]
    List {
        /// The field of the API; the flag is written with `-` for `_`.
        list: &'static str,
        /// What is wrong with it.
        why: InvalidRules,
    },
    /// Two lists that say the opposite.
    #[error("direct_domains and tunnel_domains exclude one another: give one of them")]
    Both,
    /// Two lists that say the opposite of TLS.
    #[error(
        "tls_resign_domains and tls_passthrough_domains (no_ssl_bump_domains) exclude one another: \
         give one of them"
    )]
    BothTls,
}

impl Rules {
    /// Compiles the lists. `syntax` is that of `direct_domains` if they do not say it themselves.
    pub(crate) fn compile(&self, syntax: RuleSyntax) -> Result<Routing, RulesError> {
        let syntax = self.rule_syntax.unwrap_or(syntax);
        let direct = hosts("direct_domains", self.direct_domains.as_deref(), syntax)?;
        let only =
            hosts("tunnel_domains", self.tunnel_domains.as_deref(), RuleSyntax::Expressions)?;
        let only_v4 = hosts("domain_names", self.domain_names.as_deref(), RuleSyntax::Patterns)?;
        if direct.is_some() && only.is_some() {
            return Err(RulesError::Both);
        }
        Ok(Routing {
            resigned: self.resigned()?,
            always_resigned: hosts(
                "always_resign_domains",
                self.always_resign_domains.as_deref(),
                RuleSyntax::Patterns,
            )?,
            denied_hosts: hosts(
                "deny_domains",
                self.deny_domains.as_deref(),
                RuleSyntax::Expressions,
            )?,
            denied_urls: list("fast_fail_regexps", self.fast_fail_regexps.as_deref(), |items| {
                UrlRules::new(items.iter().copied())
            })?,
            ways: match (only.or(only_v4), direct) {
                (Some(only), _) => Ways::TunnelFor(only),
                (None, Some(direct)) => Ways::DirectFor(direct),
                (None, None) => Ways::Tunnel,
            },
            ..Routing::default()
        })
    }
}

#[cfg(feature = "server")]
impl Rules {
    /// Whether TLS of some host is re-signed.
    pub(crate) fn resigns_any(&self) -> bool {
        let has = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
        let passes_all = |list: &Option<Vec<String>>| {
            list.as_ref().is_none_or(|list| list.iter().any(|item| item == "all"))
        };
        has(&self.always_resign_domains)
            || has(&self.tls_resign_domains)
            || !passes_all(&self.no_ssl_bump_domains)
            || !passes_all(&self.tls_passthrough_domains)
    }
}

impl Rules {
    /// Whose TLS is re-signed: nobody's, unless a list says something.
    fn resigned(&self) -> Result<Resigned, RulesError> {
        let resign = self.tls_resign_domains.as_deref();
        let resign = hosts("tls_resign_domains", resign, RuleSyntax::Expressions)?;
        let pass = self.tls_passthrough_domains.as_deref();
        let pass = hosts("tls_passthrough_domains", pass, RuleSyntax::Expressions)?;
        let pass_v4 = self.no_ssl_bump_domains.as_deref();
        let pass_v4 = hosts("no_ssl_bump_domains", pass_v4, RuleSyntax::Patterns)?;
        Ok(match (resign, pass.or(pass_v4)) {
            (Some(_), Some(_)) => return Err(RulesError::BothTls),
            (Some(resign), None) => Resigned::Only(resign),
            (None, Some(pass)) => Resigned::AllBut(Some(pass)),
            (None, None) => Resigned::None,
        })
    }
}

fn hosts(
    name: &'static str,
    items: Option<&[String]>,
    syntax: RuleSyntax,
) -> Result<Option<HostRules>, RulesError> {
    list(name, items, |items| {
        let items = items.iter().copied();
        match syntax {
            RuleSyntax::Patterns => HostRules::patterns(items),
            RuleSyntax::Expressions => HostRules::expressions(items),
        }
    })
}

/// An absent list and an empty one are the same: there is no rule.
fn list<T>(
    name: &'static str,
    items: Option<&[String]>,
    compile: impl Fn(&[&str]) -> Result<T, InvalidRules>,
) -> Result<Option<T>, RulesError> {
    let items: Vec<&str> = items.unwrap_or_default().iter().map(String::as_str).collect();
    match items.as_slice() {
        [] | [NO_DOMAIN] => Ok(None),
        items => compile(items).map(Some).map_err(|why| RulesError::List { list: name, why }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(items: &[&str]) -> Option<Vec<String>> {
        Some(items.iter().map(|item| (*item).to_owned()).collect())
    }

    fn ways(rules: &Rules, syntax: RuleSyntax) -> Ways {
        rules.compile(syntax).unwrap().ways
    }

    #[test]
    fn nothing_said_is_no_rule() {
        let quiet = Rules {
            direct_domains: some(&[]),
            domain_names: some(&[NO_DOMAIN]),
            ..Rules::default()
        };
        let routing = quiet.compile(RuleSyntax::Patterns).unwrap();
        assert!(matches!(routing.ways, Ways::Tunnel));
        assert!(routing.denied_hosts.is_none() && routing.denied_urls.is_none());
    }

    #[test]
    fn the_two_versions_write_differently() {
        let host = sc_proto::contract::Host::parse("www.a.test").unwrap();
        let rules = Rules { direct_domains: some(&[".a.test"]), ..Rules::default() };
        for syntax in [RuleSyntax::Patterns, RuleSyntax::Expressions] {
            let Ways::DirectFor(direct) = ways(&rules, syntax) else { panic!() };
            assert!(direct.matches(&host));
        }
        let rules = Rules { direct_domains: some(&["*.a.test"]), ..Rules::default() };
        assert!(rules.compile(RuleSyntax::Patterns).is_ok());
        let error = rules.compile(RuleSyntax::Expressions).unwrap_err().to_string();
        assert!(error.starts_with("direct_domains: rule 1"), "{error}");
    }

    #[test]
    fn nobodys_tls_is_resigned_unless_a_list_says_so() {
        let host = |name: &str| sc_proto::contract::Host::parse(name).unwrap();
        let resigned = |rules: Rules| rules.compile(RuleSyntax::Patterns).map(|r| r.resigned);
        assert!(matches!(resigned(Rules::default()), Ok(Resigned::None)));
        let v4 = Rules { no_ssl_bump_domains: some(&[".a.test"]), ..Rules::default() };
        let Ok(Resigned::AllBut(Some(pass))) = resigned(v4) else { panic!() };
        assert!(pass.matches(&host("www.a.test")) && !pass.matches(&host("b.test")));
        let v5 = Rules { tls_resign_domains: some(&["all", "-^b"]), ..Rules::default() };
        let Ok(Resigned::Only(only)) = resigned(v5) else { panic!() };
        assert!(only.matches(&host("a.test")) && !only.matches(&host("b.test")));
        let both = Rules {
            tls_resign_domains: some(&["a"]),
            tls_passthrough_domains: some(&["b"]),
            ..Rules::default()
        };
        assert!(matches!(resigned(both), Err(RulesError::BothTls)));
    }

    #[test]
    fn what_only_goes_through_the_tunnel_wins_in_version_4_and_is_refused_in_version_5() {
        let direct_domains = some(&["a"]);
        let v4 = Rules {
            direct_domains: direct_domains.clone(),
            domain_names: some(&["b"]),
            ..Rules::default()
        };
        assert!(matches!(ways(&v4, RuleSyntax::Patterns), Ways::TunnelFor(_)));
        let v5 = Rules { direct_domains, tunnel_domains: some(&["b"]), ..Rules::default() };
        let error = v5.compile(RuleSyntax::Expressions).unwrap_err();
        assert_eq!(error, RulesError::Both);
    }
}
