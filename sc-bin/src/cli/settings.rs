//! From arguments and environment to the settings of a tunnel, one way for both versions.
//!
//! Command line before environment before default. What comes out is complete and checked.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::ValueEnum as _;
use sc_proto::rules::{Caching, UrlRules};

use super::args::{V4Args, V5Args};
use super::connections::{CONNECTIONS, DEFAULT_CONNECTIONS};
use super::egress::{self, EgressError, EgressSettings};
use super::endurance::{Endurance, KEEPALIVE, MAX_MISSED_ACKS, RECONNECT};
use super::environment::Environment;
use super::inspect::{self, Inspect, InspectError};
use super::monitoring::{Monitoring, MonitoringError, V4Monitoring, V5Monitoring};
use super::rest_url::{InvalidRestUrl, RestUrl};
use crate::api::{RuleSyntax, Rules, RulesError};
use crate::runtime::RuntimeKind;

/// Which version's words the console speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `sc -u -k`.
    V4,
    /// `sc run`.
    V5,
}

/// Everything a tunnel is started with.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// How to talk to people and wrappers.
    pub(crate) dialect: Dialect,
    /// Who starts the tunnel, and owns it.
    pub(crate) user: String,
    /// Proof of that.
    pub(crate) access_key: AccessKey,
    /// The tunnel's name; `None` is the unnamed tunnel.
    pub(crate) name: Option<TunnelName>,
    /// Where the REST API is.
    pub(crate) rest: RestUrl,
    /// CAs for the REST API instead of the system's.
    pub(crate) rest_ca: Option<PathBuf>,
    /// CAs for the tunnel server instead of the pin in the REST answer or the system's.
    pub(crate) tunnel_ca: Option<PathBuf>,
    /// Where its requests go; checked.
    pub(crate) rules: Rules,
    /// Whether the server may answer from its cache.
    pub(crate) caching: Caching,
    /// How the tunnel's connections bear trouble.
    pub(crate) endurance: Endurance,
    /// What is let out, and by which way.
    pub(crate) egress: EgressSettings,
    /// How many connections the tunnel has.
    pub(crate) connections: u8,
    /// How it shows its state.
    pub(crate) monitoring: Monitoring,
    /// How it lets people look into what it does.
    pub(crate) inspect: Inspect,
    /// What drives it.
    pub(crate) runtime: RuntimeKind,
}

/// An access key. Its `Debug` form shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AccessKey(String);

impl AccessKey {
    /// Takes the key.
    pub(crate) fn new(key: String) -> Self {
        Self(key)
    }

    /// The key itself, for the `Authorization` header.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey(****)")
    }
}

/// A tunnel's name: printable ASCII, not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TunnelName(String);

impl TunnelName {
    /// Takes a name if it is one.
    pub(crate) fn new(name: String) -> Option<Self> {
        let fits = |b: u8| b == b' ' || b.is_ascii_graphic();
        (!name.is_empty() && name.bytes().all(fits)).then_some(Self(name))
    }

    /// The name as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The settings are not complete or not right. The text says what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SettingsError {
    /// No user name.
    #[error("no user name; give {flag} or set SAUCE_USERNAME")]
    NoUser {
        /// The option of this version.
        flag: &'static str,
    },
    /// A user name that cannot stand in a URL's path or before the colon of HTTP Basic.
    #[error("{0:?} is not a user name; it must be printable ASCII without \":\", \"/\" or blanks")]
    BadUser(String),
    /// No access key.
    #[error(
        "no access key; give {flag} or set SAUCE_ACCESS_KEY (`sc server user add NAME` makes one)"
    )]
    NoKey {
        /// The option of this version.
        flag: &'static str,
    },
    /// No name, and version 5 wants one.
    #[error("no tunnel name; give --tunnel-name (-i) or set SAUCE_TUNNEL_NAME")]
    NoName,
    /// A name with something else than printable ASCII.
    #[error("{0:?} is not a tunnel name; it must be printable ASCII")]
    BadName(String),
    /// A region, or nothing, where a REST URL is needed.
    #[error(
        "this sc talks to a server of your own{}; give --rest-url http(s)://HOST:PORT/rest/v1 or set SAUCE_REST_URL",
        region.as_ref().map_or(String::new(), |region| format!(" and region {region:?} does not name one"))
    )]
    NoRestUrl {
        /// The region that was given.
        region: Option<String>,
    },
    /// An environment variable that is not the number it should be.
    #[error("{name}={text:?} is not a whole number from {} to {}", range.start(), range.end())]
    BadNumber {
        /// The variable.
        name: &'static str,
        /// Its value.
        text: String,
        /// What it may be.
        range: RangeInclusive<i64>,
    },
    /// An option about the egress is not right.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// A list of domains or URLs cannot be used.
    #[error("{0}")]
    BadRules(RulesError),
    /// An environment variable that does not name a runtime of this program.
    #[error("SAUCE_RUNTIME={0:?} is not a runtime of this sc; `sc help` names them")]
    BadRuntime(String),
    /// The REST URL cannot be used.
    #[error("the REST URL {url:?} cannot be used: {why}")]
    BadRestUrl {
        /// As given, without credentials.
        url: String,
        /// What is wrong with it.
        why: InvalidRestUrl,
    },
    /// An option that says how the state is shown.
    #[error(transparent)]
    Monitoring(#[from] MonitoringError),
    /// An option to look into the client.
    #[error(transparent)]
    Inspect(#[from] InspectError),
}

/// What the command line of either version gave.
struct Given {
    dialect: Dialect,
    user: Option<String>,
    key: Option<String>,
    rest_url: Option<String>,
    name: Option<String>,
    region: Option<String>,
    rest_ca: Option<PathBuf>,
    tunnel_ca: Option<PathBuf>,
    rules: Lists,
    no_proxy_caching: Option<bool>,
    reconnect: Option<u32>,
    keepalive: Option<u32>,
    max_missed_acks: Option<u32>,
    egress: egress::Given,
    connections: Option<u32>,
    monitoring: GivenMonitoring,
    inspect: inspect::Given,
    runtime: Option<RuntimeKind>,
}

enum GivenMonitoring {
    V4(V4Monitoring),
    V5(V5Monitoring),
}

impl GivenMonitoring {
    fn resolve(self, env: &Environment) -> Result<Monitoring, MonitoringError> {
        match self {
            Self::V4(given) => given.resolve(env),
            Self::V5(given) => given.resolve(env),
        }
    }
}

/// The lists of rules, of whichever version.
struct Lists {
    direct: Option<Vec<String>>,
    tunnel: Option<Vec<String>>,
    fast_fail: Option<Vec<String>>,
    pass_tls: Option<Vec<String>>,
    resign: Option<Vec<String>>,
}

impl From<V4Args> for Given {
    fn from(args: V4Args) -> Self {
        Self {
            dialect: Dialect::V4,
            user: args.user,
            key: args.api_key,
            rest_url: args.rest_url,
            name: args.tunnel_name,
            region: args.region,
            rest_ca: args.cainfo,
            tunnel_ca: args.tunnel_cainfo,
            rules: Lists {
                direct: args.direct_domains,
                tunnel: args.tunnel_domains,
                fast_fail: args.fast_fail_regexps,
                pass_tls: args.no_ssl_bump_domains,
                resign: None,
            },
            no_proxy_caching: args.no_proxy_caching,
            reconnect: args.reconnect,
            keepalive: args.keepalive,
            max_missed_acks: args.max_missed_acks,
            egress: args.egress.into(),
            connections: args.tunnel_connections,
            monitoring: GivenMonitoring::V4(args.monitoring),
            inspect: inspect::Given::V4(args.inspect),
            runtime: args.runtime,
        }
    }
}

impl From<V5Args> for Given {
    fn from(args: V5Args) -> Self {
        Self {
            dialect: Dialect::V5,
            user: args.username,
            key: args.access_key,
            rest_url: args.rest_url,
            name: args.tunnel_name,
            region: args.region,
            rest_ca: args.rest_cainfo,
            tunnel_ca: args.tunnel_cainfo,
            rules: Lists {
                direct: args.direct_domains,
                tunnel: args.tunnel_domains,
                fast_fail: None,
                pass_tls: args.tls_passthrough_domains,
                resign: args.tls_resign_domains,
            },
            no_proxy_caching: None,
            reconnect: args.reconnect,
            keepalive: args.keepalive,
            max_missed_acks: args.max_missed_acks,
            egress: args.egress.into(),
            connections: args.tunnel_connections,
            monitoring: GivenMonitoring::V5(args.monitoring),
            inspect: inspect::Given::V5(args.inspect),
            runtime: args.runtime,
        }
    }
}

/// Version 4's variable for no cache.
const NO_CACHING: &str = "SAUCE_NO_PROXY_CACHING";

/// What stands in the place of a key that [`super::conceal`] moved into the environment.
pub(super) const CONCEALED: &str = "****";

impl Settings {
    /// The settings of `sc -u -k …`.
    pub(crate) fn of_v4(args: V4Args, env: &Environment) -> Result<Self, SettingsError> {
        Self::resolve(args.into(), env)
    }

    /// The settings of `sc run …`.
    pub(crate) fn of_v5(args: V5Args, env: &Environment) -> Result<Self, SettingsError> {
        Self::resolve(args.into(), env)
    }

    fn resolve(given: Given, env: &Environment) -> Result<Self, SettingsError> {
        let v4 = given.dialect == Dialect::V4;
        let pick = |flag: Option<String>, names: &[&str]| {
            flag.filter(|value| !value.is_empty()).or_else(|| env.first(names))
        };
        let path = |flag: Option<PathBuf>, name: &str| {
            flag.or_else(|| env.first(&[name]).map(PathBuf::from))
        };
        let number = |flag: Option<u32>, name: &'static str, range: RangeInclusive<i64>| {
            flag.map(Ok)
                .or_else(|| env.first(&[name]).map(|text| numbered(name, text, range)))
                .transpose()
        };
        let user = pick(given.user, &["SAUCE_USERNAME", "SAUCE_USER"]).ok_or({
            SettingsError::NoUser { flag: if v4 { "--user (-u)" } else { "--username (-u)" } }
        })?;
        let key = given.key.filter(|key| key != CONCEALED);
        let key =
            pick(key, &["SAUCE_ACCESS_KEY", "SAUCE_API_KEY"]).ok_or(SettingsError::NoKey {
                flag: if v4 { "--api-key (-k)" } else { "--access-key (-k)" },
            })?;
        let name = pick(given.name, &["SAUCE_TUNNEL_NAME", "SAUCE_TUNNEL_IDENTIFIER"]);
        if name.is_none() && !v4 {
            return Err(SettingsError::NoName);
        }
        let region = pick(given.region, &["SAUCE_REGION"]);
        let url =
            pick(given.rest_url, &["SAUCE_REST_URL"]).ok_or(SettingsError::NoRestUrl { region })?;
        let caching = match (v4, given.no_proxy_caching, env.first(&[NO_CACHING])) {
            (true, None, Some(text)) => !egress::switched(NO_CACHING, text)?,
            (_, given, _) => given != Some(true),
        };
        let mut egress = given.egress.resolve(env)?;
        let rules = given.rules.checked(given.dialect, env).map_err(SettingsError::BadRules)?;
        // The server refuses them, too; this side does so whatever the server lets pass.
        let fast_fail = rules.fast_fail_regexps.iter().flatten().map(String::as_str);
        egress.exchanges.rules.denied_urls = match rules.fast_fail_regexps.is_some() {
            true => UrlRules::new(fast_fail).ok(),
            false => None,
        };
        Ok(Self {
            dialect: given.dialect,
            user: checked_user(user)?,
            access_key: AccessKey::new(key),
            name: name.map(named).transpose()?,
            rest: RestUrl::parse(&url)
                .map_err(|why| SettingsError::BadRestUrl { url: without_credentials(&url), why })?,
            rest_ca: path(given.rest_ca, "SAUCE_CAINFO"),
            tunnel_ca: path(given.tunnel_ca, "SAUCE_TUNNEL_CAINFO"),
            // The server refuses them, too, so that they do not come as far as here.
            rules: Rules {
                deny_domains: (!egress.denied.is_empty()).then(|| egress.denied.clone()),
                always_resign_domains: egress::resigned_for_logins(given.dialect, &egress),
                ..rules
            },
            endurance: Endurance::of(
                number(given.reconnect, "SAUCE_RECONNECT", RECONNECT)?,
                number(given.keepalive, "SAUCE_KEEPALIVE", KEEPALIVE)?,
                number(given.max_missed_acks, "SAUCE_MAX_MISSED_ACKS", MAX_MISSED_ACKS)?,
            ),
            caching: if caching { Caching::Shared } else { Caching::Off },
            egress,
            connections: number(given.connections, "SAUCE_TUNNEL_CONNECTIONS", CONNECTIONS)?
                .and_then(|count| u8::try_from(count).ok())
                .unwrap_or(DEFAULT_CONNECTIONS),
            monitoring: given.monitoring.resolve(env)?,
            inspect: given.inspect.resolve(env)?,
            runtime: match (given.runtime, env.first(&["SAUCE_RUNTIME"])) {
                (Some(runtime), _) => runtime,
                (None, Some(name)) => runtime_named(name)?,
                (None, None) => RuntimeKind::default(),
            },
        })
    }
}

impl Lists {
    /// The rules as the API takes them. Version 4 has a field of its own for what goes through the
    /// tunnel.
    fn checked(self, dialect: Dialect, env: &Environment) -> Result<Rules, RulesError> {
        let list = |given: Option<Vec<String>>, name: &str| {
            given.or_else(|| {
                env.first(&[name]).map(|text| text.split(',').map(str::to_owned).collect())
            })
        };
        let direct_domains = list(self.direct, "SAUCE_DIRECT_DOMAINS");
        let tunnel = list(self.tunnel, "SAUCE_TUNNEL_DOMAINS");
        let (syntax, tunnel_domains, domain_names, fast_fail_regexps) = match dialect {
            Dialect::V4 => {
                let fast_fail = list(self.fast_fail, "SAUCE_FAST_FAIL_REGEXPS");
                (RuleSyntax::Patterns, None, tunnel, fast_fail)
            }
            Dialect::V5 => (RuleSyntax::Expressions, tunnel, None, None),
        };
        let rule_syntax = Some(syntax);
        let (no_ssl_bump_domains, tls_passthrough_domains, tls_resign_domains) = match dialect {
            Dialect::V4 => (list(self.pass_tls, "SAUCE_NO_SSL_BUMP_DOMAINS"), None, None),
            Dialect::V5 => (
                None,
                list(self.pass_tls, "SAUCE_TLS_PASSTHROUGH_DOMAINS"),
                list(self.resign, "SAUCE_TLS_RESIGN_DOMAINS"),
            ),
        };
        let rules = Rules {
            no_ssl_bump_domains,
            tls_passthrough_domains,
            tls_resign_domains,
            direct_domains,
            tunnel_domains,
            domain_names,
            fast_fail_regexps,
            rule_syntax,
            ..Rules::default()
        };
        rules.compile(syntax).map(|_| rules)
    }
}

fn checked_user(user: String) -> Result<String, SettingsError> {
    let fits = |b: u8| b.is_ascii_graphic() && !b":/?#%\\".contains(&b);
    if user.bytes().all(fits) { Ok(user) } else { Err(SettingsError::BadUser(user)) }
}

fn numbered(
    name: &'static str,
    text: String,
    range: RangeInclusive<i64>,
) -> Result<u32, SettingsError> {
    let number = text.trim().parse::<u32>().ok();
    let fits = number.filter(|number| range.contains(&i64::from(*number)));
    fits.ok_or(SettingsError::BadNumber { name, text, range })
}

fn runtime_named(name: String) -> Result<RuntimeKind, SettingsError> {
    RuntimeKind::from_str(&name, true).map_err(|_| SettingsError::BadRuntime(name))
}

fn named(name: String) -> Result<TunnelName, SettingsError> {
    TunnelName::new(name.clone()).ok_or(SettingsError::BadName(name))
}

/// The URL for an error text: a password in it must not be echoed.
fn without_credentials(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}://****@{}", &url[..scheme], &url[at + 1..])
        }
        (None, Some(at)) => format!("****@{}", &url[at + 1..]),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests;
