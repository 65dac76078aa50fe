//! The options about what the client lets out, and by which way.

mod detected;
mod own;

use sc_proto::contract::Host;
use sc_proto::dns;
use sc_proto::egress::{
    Bypass, InvalidBypass, InvalidCredentials, InvalidProxy, LocalhostPolicy, Logins, Way,
};
use sc_proto::rules::{HostRules, InvalidRules};

use super::environment::Environment;
use super::exchanges::{ExchangeError, ExchangeSettings};
use super::name_servers::{self, NameServerError};
use super::settings::Dialect;
use super::site_tls::{SiteTlsError, SiteTlsSettings};
use super::values::{ValueError, Values};

pub(super) use detected::{NO_PROXY_VARIABLES, PROXY_VARIABLES};

/// What the client lets out, and by which way.
#[derive(Clone, Debug, Default)]
pub(crate) struct EgressSettings {
    /// Hosts that are refused, as they were given.
    pub(crate) denied: Vec<String>,
    /// The same, compiled.
    pub(crate) deny: Option<HostRules>,
    /// What becomes of requests for this machine.
    pub(crate) localhost: LocalhostPolicy,
    /// By which way sites are reached.
    pub(crate) sites: SiteWay,
    /// The proxy for the REST API.
    pub(crate) rest: Option<OwnProxy>,
    /// The proxy for the tunnel's own connection.
    pub(crate) tunnel: Option<OwnProxy>,
    /// TLS with sites and proxies.
    pub(crate) tls: SiteTlsSettings,
    /// What becomes of HTTP exchanges.
    pub(crate) exchanges: ExchangeSettings,
    /// Who is asked for the names of sites; `None`: the system's resolver.
    pub(crate) name_servers: Option<dns::Settings>,
}

/// By which way sites are reached.
#[derive(Clone, Debug, Default)]
pub(crate) enum SiteWay {
    /// Without a proxy.
    #[default]
    Direct,
    /// By the proxy that was asked for.
    Proxy(Way),
    /// By the proxy that the environment names.
    Detected(Box<Detected>),
    /// As a script chooses.
    Pac(PacSettings),
}

/// A script that chooses proxies.
#[derive(Clone, Debug)]
pub(crate) struct PacSettings {
    /// Where it is.
    pub(crate) source: String,
    /// For the proxies that it names.
    pub(crate) logins: Logins,
}

/// A proxy that the environment names.
#[derive(Clone, Debug)]
pub(crate) struct Detected {
    /// The variable.
    pub(crate) variable: &'static str,
    /// The proxy.
    pub(crate) way: Way,
    /// Hosts that are reached without it.
    pub(crate) bypass: Bypass,
    /// The same for the client's own traffic: nobody means a proxy for this machine itself.
    pub(crate) own_bypass: Bypass,
}

/// A proxy for the client's own traffic.
#[derive(Clone, Debug)]
pub(crate) struct OwnProxy {
    /// The proxy.
    pub(crate) way: Way,
    /// Hosts that are reached without it.
    pub(crate) bypass: Bypass,
}

impl OwnProxy {
    fn given(way: Way) -> Self {
        Self { way, bypass: Bypass::default() }
    }
}

/// An option about the egress is not right. None repeats what may hold a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EgressError {
    /// A list of hosts to deny.
    #[error("--deny-domains: {0}")]
    Deny(InvalidRules),
    /// The name servers.
    #[error(transparent)]
    NameServers(#[from] NameServerError),
    /// A value that may not be given.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// A proxy.
    #[error(
        "{option}: {why}; a proxy is written \
         [http|https|socks4|socks5]://[USER:PASSWORD@]HOST:PORT"
    )]
    Proxy {
        /// The option.
        option: &'static str,
        /// What is wrong.
        why: InvalidProxy,
    },
    /// What version 4's letter stands for.
    #[error("-x is --proxy in version 5: give the REST API by --rest-url")]
    RestUrl,
    /// A proxy in the environment.
    #[error(
        "the variable {variable} names a proxy that cannot be used: {why}; correct it, or give --no-autodetect"
    )]
    Detected {
        /// The variable.
        variable: &'static str,
        /// What is wrong.
        why: InvalidProxy,
    },
    /// The list of exceptions in the environment.
    #[error("the variable {variable}: {why}; correct it, or give --no-autodetect")]
    Bypass {
        /// The variable.
        variable: &'static str,
        /// What is wrong.
        why: InvalidBypass,
    },
    /// TLS with sites.
    #[error(transparent)]
    SiteTls(#[from] SiteTlsError),
    /// User and password for the proxy.
    #[error("--proxy-userpwd: {0}")]
    UserPassword(InvalidCredentials),
    /// Both ways to choose a proxy.
    #[error("--proxy and --pac exclude one another: the script names the proxies")]
    ProxyAndPac,
    /// User and password for a proxy of the script.
    #[error("--pac-auth: item {0} is not USER:PASSWORD@HOST:PORT")]
    PacAuth(usize),
    /// An option about exchanges.
    #[error(transparent)]
    Exchanges(#[from] ExchangeError),
    /// An option that needs a script.
    #[error("--pac-auth needs a script: give --pac")]
    NoPac,
    /// An option that needs a proxy.
    #[error("{0} needs a proxy: give --proxy HOST:PORT")]
    NoProxy(&'static str),
}

impl EgressSettings {
    /// Checks what was given. Proxies of the environment are looked for in `env`.
    pub(super) fn of(values: &Values, env: &Environment) -> Result<Self, EgressError> {
        let denied = values.items("deny-domains");
        let mut settings = Self {
            deny: deny_rules(&denied)?,
            denied,
            tls: SiteTlsSettings::of(values)?,
            localhost: localhost(values)?,
            exchanges: ExchangeSettings::of(values)?,
            name_servers: name_servers::of(values)?,
            ..Self::default()
        };
        let given = values.text("proxy");
        if values.dialect() == Dialect::V5
            && given.as_ref().is_some_and(|url| url.contains("/rest/v"))
        {
            return Err(EgressError::RestUrl);
        }
        settings.sites = match (proxy("--proxy", given)?, values.text("pac")) {
            (Some(_), Some(_)) => return Err(EgressError::ProxyAndPac),
            (Some(way), None) => SiteWay::Proxy(way),
            (None, Some(source)) => SiteWay::Pac(PacSettings { source, logins: Logins::default() }),
            (None, None) => SiteWay::Direct,
        };
        match values.dialect() {
            Dialect::V4 => own::as_version_4(values, env, &mut settings)?,
            Dialect::V5 => {
                let own = proxy("--proxy-sauce", values.text("proxy-sauce"))?;
                settings.rest = own.map(OwnProxy::given);
                settings.tunnel = settings.rest.clone();
                settings.sign_in();
            }
        }
        Ok(settings)
    }

    /// The hosts whose TLS the server opens whatever the lists say, so that `--auth` works there:
    /// version 5's way. In version 4 its list of exceptions decides.
    pub(super) fn resigned_for_logins(&self, dialect: Dialect) -> Option<Vec<String>> {
        let own = [&self.rest, &self.tunnel].into_iter().flatten().map(|own| &own.way);
        let sites = match &self.sites {
            SiteWay::Proxy(way) => Some(way),
            SiteWay::Direct | SiteWay::Detected(_) | SiteWay::Pac(_) => None,
        };
        // What is for a proxy is nothing for the server to know.
        let proxies: Vec<_> = own.chain(sites).filter_map(Way::proxy).collect();
        let is_proxy = |host: &&Host| proxies.iter().any(|proxy| proxy.address.host == **host);
        let hosts = self.exchanges.rules.logins.tls_hosts().filter(|host| !is_proxy(host));
        let hosts: Vec<_> = hosts.map(ToString::to_string).collect();
        (dialect == Dialect::V5 && !hosts.is_empty()).then_some(hosts)
    }

    /// Version 5's `--auth` is for proxies, too.
    fn sign_in(&mut self) {
        let logins = &self.exchanges.rules.logins;
        let own = [&mut self.rest, &mut self.tunnel].into_iter().flatten().map(|own| &mut own.way);
        let sites = match &mut self.sites {
            SiteWay::Proxy(way) => Some(way),
            SiteWay::Pac(pac) => {
                pac.logins = logins.clone();
                None
            }
            SiteWay::Direct | SiteWay::Detected(_) => None,
        };
        for way in own.chain(sites) {
            if let Way::Http(proxy) | Way::Https(proxy) | Way::Socks5(proxy) = way {
                logins.sign_in(proxy);
            }
        }
    }
}

/// `--proxy-localhost`, in the words of both versions.
fn localhost(values: &Values) -> Result<LocalhostPolicy, ValueError> {
    let Some(text) = values.text("proxy-localhost") else { return Ok(LocalhostPolicy::default()) };
    match text.trim().to_ascii_lowercase().as_str() {
        "allow" | "true" | "1" => Ok(LocalhostPolicy::Allow),
        "direct" | "false" | "0" => Ok(LocalhostPolicy::Direct),
        "deny" => Ok(LocalhostPolicy::Deny),
        _ => Err(ValueError::Choice {
            origin: values.named("proxy-localhost"),
            text,
            words: &["allow", "direct", "deny"],
        }),
    }
}

fn proxy(option: &'static str, given: Option<String>) -> Result<Option<Way>, EgressError> {
    let way = given.map(|text| Way::parse(&text));
    way.transpose().map_err(|why| EgressError::Proxy { option, why })
}

fn deny_rules(items: &[String]) -> Result<Option<HostRules>, EgressError> {
    if items.is_empty() {
        return Ok(None);
    }
    let rules = HostRules::expressions(items.iter().map(String::as_str));
    rules.map(Some).map_err(EgressError::Deny)
}

#[cfg(test)]
mod tests;
