//! The options about what the client lets out, and by which way.

use std::str::FromStr;

use clap::Args;
use sc_proto::contract::Host;
use sc_proto::dns;
use sc_proto::egress::{
    Bypass, Credentials, InvalidBypass, InvalidCredentials, InvalidProxy, LocalhostPolicy, Login,
    Logins, Way,
};
use sc_proto::rules::{HostRules, InvalidRules};

use super::environment::Environment;
use super::exchanges::{self, ExchangeError, ExchangeSettings, V4ExchangeArgs, V5ExchangeArgs};
use super::name_servers::{self, NameServerError, V4NameServerArgs, V5NameServerArgs};
use super::rates::{InvalidRate, RateArgs, RateSettings};
use super::settings::{CONCEALED, Dialect};
use super::site_tls::{SiteTlsArgs, SiteTlsError, SiteTlsSettings};

/// Version 4's options.
#[derive(Args, Debug, Default)]
pub(crate) struct V4EgressArgs {
    /// What becomes of requests for this machine: `direct` never uses the upstream proxy, `allow`
    /// (or the option alone, as in version 4) uses it as for other hosts, `deny` refuses them
    /// [default: direct] [env: SAUCE_PROXY_LOCALHOST]
    #[arg(long, value_name = "POLICY", num_args = 0..=1, require_equals = true,
        default_missing_value = "allow")]
    proxy_localhost: Option<LocalhostChoice>,
    /// Proxy for the sites under test and for the REST API: HOST:PORT, or with http://, https://,
    /// socks4:// or socks5:// in front, where USER:PASSWORD@ may stand before HOST; the password does not stay
    /// visible in the process list [env: SAUCE_PROXY]
    #[arg(short, long, value_name = "PROXY")]
    proxy: Option<String>,
    /// User and password for that proxy, or for a detected one [env: SAUCE_PROXY_USERPWD]
    #[arg(short = 'w', long, value_name = "USER:PASSWORD")]
    proxy_userpwd: Option<String>,
    /// Script that chooses the proxy for each site under test: a URL (http, https, file, data), a
    /// path, or - for standard input [env: SAUCE_PAC]
    #[arg(long, value_name = "URL")]
    pac: Option<String>,
    /// User and password for a proxy that the script names [env: SAUCE_PAC_AUTH]
    #[arg(long, value_name = "USER:PASSWORD@HOST:PORT", value_delimiter = ',')]
    pac_auth: Vec<String>,
    /// The tunnel's own connection goes by the proxy, too [env: SAUCE_PROXY_TUNNEL]
    #[arg(short = 'T', long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true")]
    proxy_tunnel: Option<bool>,
    /// Without --proxy the variables http_proxy, HTTP_PROXY, all_proxy, ALL_PROXY and no_proxy count
    /// [default: true] [env: SAUCE_AUTODETECT]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true")]
    autodetect: Option<bool>,
    /// They do not [env: SAUCE_NO_AUTODETECT]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true")]
    no_autodetect: Option<bool>,
    #[command(flatten)]
    exchanges: V4ExchangeArgs,
    #[command(flatten)]
    tls: SiteTlsArgs,
    #[command(flatten)]
    pub(super) name_servers: V4NameServerArgs,
    #[command(flatten)]
    rates: RateArgs,
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
    /// Proxy for the sites under test: HOST:PORT, or with http://, https://, socks4:// or socks5:// in
    /// front, where
    /// USER:PASSWORD@ may stand before HOST; the password does not stay visible in the process list
    /// [env: SAUCE_PROXY]
    #[arg(short = 'x', long, value_name = "PROXY")]
    proxy: Option<String>,
    /// Script that chooses the proxy for each site under test: a URL (http, https, file, data), a
    /// path, or - for standard input [env: SAUCE_PAC]
    #[arg(short, long, value_name = "URL")]
    pac: Option<String>,
    /// Proxy for the REST API and the tunnel's own connection, in the same form
    /// [env: SAUCE_PROXY_SAUCE]
    #[arg(long, value_name = "PROXY")]
    proxy_sauce: Option<String>,
    #[command(flatten)]
    exchanges: V5ExchangeArgs,
    #[command(flatten)]
    tls: SiteTlsArgs,
    #[command(flatten)]
    pub(super) name_servers: V5NameServerArgs,
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
    /// How many bytes a second may pass.
    pub(crate) rates: RateSettings,
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
    /// A variable that is none of the words it may be.
    #[error("SAUCE_PROXY_LOCALHOST={0:?}: allow, direct or deny is meant here")]
    Localhost(String),
    /// A variable that is neither true nor false.
    #[error("{name}={text:?}: true or false is meant here")]
    Switch {
        /// The variable.
        name: &'static str,
        /// Its value.
        text: String,
    },
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
    /// A limit of bytes a second.
    #[error(transparent)]
    Rate(#[from] InvalidRate),
    /// An option that needs a script.
    #[error("--pac-auth needs a script: give --pac")]
    NoPac,
    /// An option that needs a proxy.
    #[error("{0} needs a proxy: give --proxy HOST:PORT")]
    NoProxy(&'static str),
}

/// What the command line of either version gave.
#[derive(Debug, Default)]
pub(super) struct Given {
    deny: Vec<String>,
    localhost: Option<LocalhostChoice>,
    proxy: Option<String>,
    pac: Option<String>,
    own: OwnGiven,
    exchanges: exchanges::Given,
    tls: SiteTlsArgs,
    name_servers: name_servers::Given,
    rates: RateArgs,
}

/// What was given about the client's own traffic.
#[derive(Debug)]
enum OwnGiven {
    V4(V4Own),
    V5 { proxy_sauce: Option<String> },
}

#[derive(Debug, Default)]
struct V4Own {
    userpwd: Option<String>,
    pac_auth: Vec<String>,
    tunnel: Option<bool>,
    autodetect: Option<bool>,
    no_autodetect: Option<bool>,
}

impl Default for OwnGiven {
    fn default() -> Self {
        Self::V5 { proxy_sauce: None }
    }
}

impl From<V4EgressArgs> for Given {
    fn from(args: V4EgressArgs) -> Self {
        let own = OwnGiven::V4(V4Own {
            userpwd: args.proxy_userpwd,
            pac_auth: args.pac_auth,
            tunnel: args.proxy_tunnel,
            autodetect: args.autodetect,
            no_autodetect: args.no_autodetect,
        });
        Self {
            deny: Vec::new(),
            localhost: args.proxy_localhost,
            proxy: args.proxy,
            pac: args.pac,
            own,
            exchanges: exchanges::Given::V4(args.exchanges),
            tls: args.tls,
            name_servers: args.name_servers.into(),
            rates: args.rates,
        }
    }
}

impl From<V5EgressArgs> for Given {
    fn from(args: V5EgressArgs) -> Self {
        let own = OwnGiven::V5 { proxy_sauce: args.proxy_sauce };
        Self {
            deny: args.deny_domains,
            localhost: args.proxy_localhost,
            proxy: args.proxy,
            pac: args.pac,
            own,
            exchanges: exchanges::Given::V5(args.exchanges),
            tls: args.tls,
            name_servers: args.name_servers.into(),
            rates: RateArgs::default(),
        }
    }
}

impl Given {
    /// Fills in what the environment says, and checks all of it.
    pub(super) fn resolve(self, env: &Environment) -> Result<EgressSettings, EgressError> {
        let denied = list(self.deny, env, "SAUCE_DENY_DOMAINS");
        let mut settings = EgressSettings {
            deny: deny_rules(&denied)?,
            denied,
            tls: self.tls.resolve(env)?,
            localhost: match (self.localhost, env.first(&["SAUCE_PROXY_LOCALHOST"])) {
                (Some(choice), _) => choice.0,
                (None, Some(text)) => {
                    text.parse::<LocalhostChoice>().map_err(|_| EgressError::Localhost(text))?.0
                }
                (None, None) => LocalhostPolicy::default(),
            },
            exchanges: self.exchanges.resolve(env)?,
            name_servers: self.name_servers.resolve(env)?,
            rates: self.rates.resolve(env)?,
            ..EgressSettings::default()
        };
        let proxy = proxy("--proxy", text(self.proxy, env, "SAUCE_PROXY"))?;
        settings.sites = match (proxy, text(self.pac, env, "SAUCE_PAC")) {
            (Some(_), Some(_)) => return Err(EgressError::ProxyAndPac),
            (Some(way), None) => SiteWay::Proxy(way),
            (None, Some(source)) => SiteWay::Pac(PacSettings { source, logins: Logins::default() }),
            (None, None) => SiteWay::Direct,
        };
        match self.own {
            OwnGiven::V5 { proxy_sauce } => {
                let own = text(proxy_sauce, env, "SAUCE_PROXY_SAUCE");
                let own = self::proxy("--proxy-sauce", own)?;
                settings.rest = own.map(OwnProxy::given);
                settings.tunnel = settings.rest.clone();
                settings.sign_in();
            }
            OwnGiven::V4(own) => own.resolve(env, &mut settings)?,
        }
        Ok(settings)
    }
}

/// The hosts whose TLS the server opens whatever the lists say, so that `--auth` works there:
/// version 5's way. In version 4 its list of exceptions decides.
pub(super) fn resigned_for_logins(
    dialect: Dialect,
    settings: &EgressSettings,
) -> Option<Vec<String>> {
    let own = [&settings.rest, &settings.tunnel].into_iter().flatten().map(|own| &own.way);
    let sites = match &settings.sites {
        SiteWay::Proxy(way) => Some(way),
        SiteWay::Direct | SiteWay::Detected(_) | SiteWay::Pac(_) => None,
    };
    // What is for a proxy is nothing for the server to know.
    let proxies: Vec<_> = own.chain(sites).filter_map(Way::proxy).collect();
    let is_proxy = |host: &&Host| proxies.iter().any(|proxy| proxy.address.host == **host);
    let hosts = settings.exchanges.rules.logins.tls_hosts().filter(|host| !is_proxy(host));
    let hosts: Vec<_> = hosts.map(ToString::to_string).collect();
    (dialect == Dialect::V5 && !hosts.is_empty()).then_some(hosts)
}

impl EgressSettings {
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

impl V4Own {
    /// Version 4 has one proxy for all: the sites, the REST API and, with `-T`, the tunnel.
    fn resolve(self, env: &Environment, settings: &mut EgressSettings) -> Result<(), EgressError> {
        let switch = |flag: Option<bool>, name| match flag {
            Some(value) => Ok(Some(value)),
            None => env.first(&[name]).map(|text| switched(name, text)).transpose(),
        };
        let detects = switch(self.no_autodetect, "SAUCE_NO_AUTODETECT")? != Some(true)
            && switch(self.autodetect, "SAUCE_AUTODETECT")? != Some(false);
        let by_tunnel = switch(self.tunnel, "SAUCE_PROXY_TUNNEL")? == Some(true);
        if detects && matches!(settings.sites, SiteWay::Direct) {
            let detected = detected(env)?.map(Box::new);
            settings.sites = detected.map_or(SiteWay::Direct, SiteWay::Detected);
        }
        let sites = &mut settings.sites;
        if let Some(given) = text(self.userpwd, env, "SAUCE_PROXY_USERPWD") {
            let credentials = Credentials::parse(&given).map_err(EgressError::UserPassword)?;
            let way = match sites {
                SiteWay::Proxy(way) => way,
                SiteWay::Detected(detected) => &mut detected.way,
                SiteWay::Direct | SiteWay::Pac(_) => {
                    return Err(EgressError::NoProxy("--proxy-userpwd"));
                }
            };
            if let Some(proxy) = way.proxy_mut() {
                proxy.credentials = Some(credentials);
            }
        }
        let pac_auth = list(self.pac_auth, env, "SAUCE_PAC_AUTH");
        match sites {
            SiteWay::Pac(pac) => pac.logins = pac_logins(&pac_auth)?,
            _ if !pac_auth.is_empty() => return Err(EgressError::NoPac),
            _ => {}
        }
        let own = match sites {
            SiteWay::Direct | SiteWay::Pac(_) if by_tunnel => {
                return Err(EgressError::NoProxy("--proxy-tunnel"));
            }
            SiteWay::Direct | SiteWay::Pac(_) => None,
            SiteWay::Proxy(way) => Some(OwnProxy::given(way.clone())),
            SiteWay::Detected(detected) => {
                Some(OwnProxy { way: detected.way.clone(), bypass: detected.own_bypass.clone() })
            }
        };
        settings.tunnel = own.clone().filter(|_| by_tunnel);
        settings.rest = own;
        Ok(())
    }
}

/// `USER:PASSWORD@HOST:PORT` each.
fn pac_logins(items: &[String]) -> Result<Logins, EgressError> {
    let read = |(number, item): (usize, &String)| {
        let (info, address) = item.rsplit_once('@').ok_or(EgressError::PacAuth(number))?;
        let credentials = Credentials::parse(info).map_err(|_| EgressError::PacAuth(number))?;
        let target = address.parse().map_err(|_| EgressError::PacAuth(number))?;
        Ok(Login::at(target, credentials))
    };
    let logins = (1..).zip(items).map(read).collect::<Result<Vec<_>, EgressError>>()?;
    Logins::new(logins).map_err(|(number, _)| EgressError::PacAuth(number))
}

/// The proxy of the environment, by the first variable that is set (version 4's order).
fn detected(env: &Environment) -> Result<Option<Detected>, EgressError> {
    for variable in PROXY_VARIABLES {
        let Some(text) = env.first(&[variable]) else { continue };
        let way = Way::parse(&text).map_err(|why| EgressError::Detected { variable, why })?;
        let exceptions = NO_PROXY_VARIABLES
            .into_iter()
            .find_map(|variable| Some((variable, env.first(&[variable])?)));
        let (named, list) = exceptions.unwrap_or_default();
        let wrong = |why| EgressError::Bypass { variable: named, why };
        let bypass = Bypass::parse(&list).map_err(wrong)?;
        let own_bypass = Bypass::parse(&[&list, THIS_MACHINE].join(",")).map_err(wrong)?;
        return Ok(Some(Detected { variable, way, bypass, own_bypass }));
    }
    Ok(None)
}

/// This machine, as an item of `no_proxy` would name it.
const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1/128";
/// Variables that name a proxy for everybody, the first that is set counts.
pub(super) const PROXY_VARIABLES: [&str; 4] =
    ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
/// Variables that list hosts without a proxy.
pub(super) const NO_PROXY_VARIABLES: [&str; 2] = ["no_proxy", "NO_PROXY"];

fn proxy(option: &'static str, given: Option<String>) -> Result<Option<Way>, EgressError> {
    let way = given.map(|text| Way::parse(&text));
    way.transpose().map_err(|why| EgressError::Proxy { option, why })
}

/// What a flag says, or else a variable. A secret may have been moved from there to here.
fn text(flag: Option<String>, env: &Environment, name: &str) -> Option<String> {
    flag.filter(|value| !value.is_empty() && value != CONCEALED).or_else(|| env.first(&[name]))
}

pub(super) fn switched(name: &'static str, text: String) -> Result<bool, EgressError> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" => Ok(false),
        _ => Err(EgressError::Switch { name, text }),
    }
}

/// The items of a list: those of the command line, or those of a variable, at commas.
fn list(given: Vec<String>, env: &Environment, name: &str) -> Vec<String> {
    // A secret list may have been moved to the variable.
    let items = match given.iter().all(|item| item == CONCEALED) {
        true => env.first(&[name]).unwrap_or_default().split(',').map(str::to_owned).collect(),
        false => given,
    };
    let items = items.into_iter().map(|item| item.trim().to_owned());
    items.filter(|item| !item.is_empty()).collect()
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
