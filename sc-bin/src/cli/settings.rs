//! From what was given to the settings of a tunnel, one way for both versions.
//!
//! What comes out is complete and checked.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::ValueEnum as _;
use sc_proto::rules::{Caching, UrlRules};

use super::config_file::ConfigFileError;
use super::connections::{CONNECTIONS, DEFAULT_CONNECTIONS};
use super::egress::{EgressError, EgressSettings, SiteWay};
use super::endurance::{Endurance, KEEPALIVE, MAX_MISSED_ACKS, RECONNECT};
use super::environment::Environment;
use super::local_proxy::{KeyLogs, LocalProxy};
use super::logging::Logging;
use super::logs::LogSettings;
use super::monitoring::{Monitoring, MonitoringError};
use super::rest_url::{InvalidRestUrl, RestUrl};
use super::sharing::{Sharing, SharingError};
use super::table::Given;
use super::values::{Origin, ValueError, Values};
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
    /// Most streams that the server may have open on one of them, if that was said.
    pub(crate) max_streams: Option<u32>,
    /// How it shows its state.
    pub(crate) monitoring: Monitoring,
    /// What drives it.
    pub(crate) runtime: RuntimeKind,
    /// Who else is part of it, and may use it.
    pub(crate) sharing: Sharing,
    /// The egress as a proxy on this machine.
    pub(crate) local_proxy: LocalProxy,
    /// Where the keys of TLS are written.
    #[cfg_attr(not(feature = "inspect"), allow(dead_code, reason = "refused then"))]
    pub(crate) key_logs: KeyLogs,
    /// What was said of logs, the console and the doctor.
    pub(crate) logs: LogSettings,
    /// What it writes about itself.
    pub(crate) logging: Logging,
    /// What to tell about options that change nothing.
    pub(crate) notes: Vec<String>,
    /// Every option with its value, for people, without secrets.
    pub(crate) shown: BTreeMap<&'static str, String>,
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
    /// A value that may not be given.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The configuration file.
    #[error(transparent)]
    ConfigFile(#[from] ConfigFileError),
    /// The access key and a file with it.
    #[error("{0} and {1} are both given: one is enough")]
    TwoKeys(Origin, Origin),
    /// The file with the access key.
    #[error("{origin}: {why}")]
    KeyFile {
        /// The option.
        origin: Origin,
        /// What is wrong.
        why: String,
    },
    /// An option about who else uses the tunnel.
    #[error(transparent)]
    Sharing(#[from] SharingError),
    /// An option about the egress is not right.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// A list of domains or URLs cannot be used.
    #[error("{0}")]
    BadRules(RulesError),
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
}

/// What stands in the place of a key that [`super::conceal`] moved into the environment.
pub(super) const CONCEALED: &str = "****";

impl SettingsError {
    /// Whether something is missing, and nothing wrong.
    pub(super) fn is_incomplete(&self) -> bool {
        matches!(
            self,
            Self::NoUser { .. } | Self::NoKey { .. } | Self::NoName | Self::NoRestUrl { .. }
        )
    }
}

impl Settings {
    /// The settings of `sc …` and `sc run …`.
    pub(crate) fn of(given: Given, env: &Environment) -> Result<Self, SettingsError> {
        Self::from_values(&Values::of(given, env)?, env)
    }

    /// Settings with the least that there must be.
    pub(crate) fn plain(
        dialect: Dialect,
        user: String,
        access_key: AccessKey,
        rest: RestUrl,
    ) -> Self {
        Self {
            dialect,
            user,
            access_key,
            name: None,
            rest,
            rest_ca: None,
            tunnel_ca: None,
            rules: Rules::default(),
            caching: Caching::default(),
            endurance: Endurance::default(),
            egress: EgressSettings::default(),
            connections: DEFAULT_CONNECTIONS,
            max_streams: None,
            monitoring: Monitoring::default(),
            runtime: RuntimeKind::default(),
            sharing: Sharing::default(),
            local_proxy: LocalProxy::default(),
            key_logs: KeyLogs::default(),
            logs: LogSettings::default(),
            logging: Logging::default(),
            notes: Vec::new(),
            shown: BTreeMap::new(),
        }
    }

    /// Checks all of it.
    pub(super) fn from_values(values: &Values, env: &Environment) -> Result<Self, SettingsError> {
        let dialect = values.dialect();
        let v4 = dialect == Dialect::V4;
        let user = values.text("user").ok_or({
            SettingsError::NoUser { flag: if v4 { "--user (-u)" } else { "--username (-u)" } }
        })?;
        let access_key = access_key(values)?;
        let name = values.text("tunnel-name");
        if name.is_none() && !v4 {
            return Err(SettingsError::NoName);
        }
        let no_url = || SettingsError::NoRestUrl { region: values.text("region") };
        let url = values.text("rest-url").ok_or_else(no_url)?;
        let rest = RestUrl::parse(&url)
            .map_err(|why| SettingsError::BadRestUrl { url: without_credentials(&url), why })?;
        let mut egress = EgressSettings::of(values, env)?;
        let rules = rules(values, &egress).map_err(SettingsError::BadRules)?;
        // The server refuses them, too; this side does so whatever the server lets pass.
        let fast_fail = rules.fast_fail_regexps.iter().flatten().map(String::as_str);
        egress.exchanges.rules.denied_urls = match rules.fast_fail_regexps.is_some() {
            true => UrlRules::new(fast_fail).ok(),
            false => None,
        };
        let mut shown = values.shown();
        if let SiteWay::Detected(detected) = &egress.sites {
            shown.insert("proxy", detected.way.to_string());
        }
        let connections = values.number("tunnel-connections", CONNECTIONS)?;
        let logs = LogSettings::of(values)?;
        let plain = Self::plain(dialect, checked_user(user)?, access_key, rest);
        Ok(Self {
            name: name.clone().map(named).transpose()?,
            rest_ca: values.path("rest-cainfo"),
            tunnel_ca: values.path("tunnel-cainfo"),
            rules,
            endurance: Endurance::of(
                values.number("reconnect", RECONNECT)?,
                values.number("keepalive", KEEPALIVE)?,
                values.number("max-missed-acks", MAX_MISSED_ACKS)?,
            ),
            caching: match values.switch("no-proxy-caching")? {
                Some(true) => Caching::Off,
                Some(false) | None => Caching::Shared,
            },
            egress,
            connections: connections.unwrap_or(DEFAULT_CONNECTIONS),
            max_streams: values.number("tunnel-max-concurrent-streams", STREAMS)?,
            monitoring: Monitoring::of(values)?,
            runtime: match values.word("runtime")? {
                Some(word) => RuntimeKind::from_str(word, true).unwrap_or_default(),
                None => RuntimeKind::default(),
            },
            sharing: Sharing::of(values)?,
            local_proxy: LocalProxy::of(values)?,
            key_logs: KeyLogs::of(values),
            logging: Logging::of(dialect, name.as_deref(), &logs),
            logs,
            notes: values.notes()?,
            shown,
            ..plain
        })
    }
}

/// What `--tunnel-max-concurrent-streams` may say.
const STREAMS: std::ops::RangeInclusive<i64> = 1..=1 << 20;
/// Longest access key in a file, in bytes.
const MAX_KEY: u64 = 4096;

/// The access key, or the first line of the file that holds it: what comes from nearer counts.
fn access_key(values: &Values) -> Result<AccessKey, SettingsError> {
    let v4 = values.dialect() == Dialect::V4;
    let none = || SettingsError::NoKey {
        flag: match v4 {
            true => "--api-key (-k) or --api-key-file",
            false => "--access-key (-k) or --access-key-file",
        },
    };
    let near = |id| values.origin(id).map(std::mem::discriminant);
    match (values.origin("access-key"), values.origin("access-key-file")) {
        (Some(key), Some(file)) if near("access-key") == near("access-key-file") => {
            Err(SettingsError::TwoKeys(key.clone(), file.clone()))
        }
        (key, Some(file)) if key.is_none_or(|key| key < file) => {
            let path = values.path("access-key-file").unwrap_or_default();
            let wrong = |why| SettingsError::KeyFile { origin: file.clone(), why };
            first_line(&path).map(AccessKey::new).map_err(wrong)
        }
        _ => values.text("access-key").map(AccessKey::new).ok_or_else(none),
    }
}

/// The first line of a file or of standard input.
fn first_line(path: &Path) -> Result<String, String> {
    /// Standard input can be read once only, settings may be asked for again.
    static INPUT: OnceLock<Result<String, String>> = OnceLock::new();
    match path == Path::new("-") {
        true => INPUT.get_or_init(|| line_of(io::stdin().lock(), "standard input")).clone(),
        false => {
            let shown = path.display().to_string();
            let file = File::open(path).map_err(|error| format!("{shown}: {error}"))?;
            line_of(file, &shown)
        }
    }
}

fn line_of(from: impl Read, shown: &str) -> Result<String, String> {
    let mut text = String::new();
    let read = from.take(MAX_KEY).read_to_string(&mut text);
    read.map_err(|error| format!("{shown}: {error}"))?;
    match text.lines().next().map(str::trim) {
        None | Some("") => Err(format!("{shown}: its first line is empty")),
        Some(line) => Ok(line.to_owned()),
    }
}

/// The lists as the API takes them. Version 4 has a field of its own for what goes through the
/// tunnel.
fn rules(values: &Values, egress: &EgressSettings) -> Result<Rules, RulesError> {
    let tunnel = values.list("tunnel-domains");
    let (syntax, tunnel_domains, domain_names) = match values.dialect() {
        Dialect::V4 => (RuleSyntax::Patterns, None, tunnel),
        Dialect::V5 => (RuleSyntax::Expressions, tunnel, None),
    };
    let rules = Rules {
        no_ssl_bump_domains: values.list("no-ssl-bump-domains"),
        tls_passthrough_domains: values.list("tls-passthrough-domains"),
        tls_resign_domains: values.list("tls-resign-domains"),
        direct_domains: values.list("direct-domains"),
        tunnel_domains,
        domain_names,
        fast_fail_regexps: values.list("fast-fail-regexps"),
        rule_syntax: Some(syntax),
        ..Rules::default()
    };
    rules.compile(syntax)?;
    // The server refuses them, too, so that they do not come as far as here.
    let deny_domains = (!egress.denied.is_empty()).then(|| egress.denied.clone());
    let always_resign_domains = egress.resigned_for_logins(values.dialect());
    Ok(Rules { deny_domains, always_resign_domains, ..rules })
}

fn checked_user(user: String) -> Result<String, SettingsError> {
    let fits = |b: u8| b.is_ascii_graphic() && !b":/?#%\\".contains(&b);
    if user.bytes().all(fits) { Ok(user) } else { Err(SettingsError::BadUser(user)) }
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
impl Settings {
    /// The settings of a command line, its words between blanks, and of variables.
    pub(crate) fn of_line(line: &str, variables: &[(&str, &str)]) -> Result<Self, SettingsError> {
        let env = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Self::from_values(&Values::of_line(line, variables), &env)
    }
}

#[cfg(test)]
mod tests;
