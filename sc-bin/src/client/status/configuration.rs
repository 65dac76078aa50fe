//! Every option in effect with its value, secrets blotted out.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum as _;
use sc_proto::dns::{self, ServerOrder};
use sc_proto::egress::LocalhostPolicy;
use sc_proto::rules::Caching;

use crate::api::Rules;
use crate::cli::{
    Dialect, EgressSettings, Endurance, ExchangeSettings, Monitoring, OwnProxy, RateSettings,
    Settings, SiteWay,
};
use crate::client::egress::shown_source;
use crate::client::inspect;
use crate::monitor::{ListenAddress, Options};
use crate::runtime::RuntimeKind;

/// What stands for a secret.
const SECRET: &str = "****";

/// One `option: value` a line, in the names of the run's own version. Options without a value are
/// there, empty.
pub(super) fn text(settings: &Settings) -> String {
    // Taken apart whole, so that no new option is forgotten here.
    let Settings {
        dialect,
        user,
        access_key: _,
        name,
        rest,
        rest_ca,
        tunnel_ca,
        rules,
        caching,
        endurance: Endurance { reconnect, keepalive, max_missed_acks },
        egress,
        connections,
        monitoring,
        inspect: _,
        runtime,
    } = settings;
    let name = name.as_ref().map(|name| name.as_str().to_owned()).unwrap_or_default();
    let v4 = *dialect == Dialect::V4;
    let (user_name, key_name, ca_name) = match dialect {
        Dialect::V4 => ("user", "api-key", "cainfo"),
        Dialect::V5 => ("username", "access-key", "rest-cainfo"),
    };
    let mut lines = vec![
        (user_name, user.clone()),
        (key_name, SECRET.to_owned()),
        ("tunnel-name", name),
        ("rest-url", rest.to_string()),
        (ca_name, path(rest_ca.as_ref())),
        ("tunnel-cainfo", path(tunnel_ca.as_ref())),
        ("reconnect", reconnect.as_secs().to_string()),
        ("keepalive", keepalive.as_secs().to_string()),
        ("max-missed-acks", max_missed_acks.to_string()),
        ("tunnel-connections", connections.to_string()),
        ("runtime", runtime_name(*runtime)),
    ];
    lines.extend(rule_lines(*dialect, rules));
    lines.extend(v4.then(|| ("no-proxy-caching", (*caching == Caching::Off).to_string())));
    lines.extend(egress_lines(*dialect, egress));
    lines.extend(monitoring_lines(monitoring).into_iter().filter(|line| line.0 == v4).map(|l| l.1));
    lines.extend(inspect::configuration(settings));
    lines.sort();
    lines.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
}

/// The lists, in the syntax of the version.
fn rule_lines(dialect: Dialect, rules: &Rules) -> Vec<(&'static str, String)> {
    let Rules {
        direct_domains,
        tunnel_domains,
        domain_names,
        deny_domains,
        fast_fail_regexps,
        tls_resign_domains,
        tls_passthrough_domains,
        no_ssl_bump_domains,
        always_resign_domains: _,
        rule_syntax: _,
    } = rules;
    let list = |list: &Option<Vec<String>>| list.as_deref().unwrap_or_default().join(",");
    let mut lines = vec![("direct-domains", list(direct_domains))];
    lines.extend(match dialect {
        Dialect::V4 => vec![
            ("tunnel-domains", list(domain_names)),
            ("fast-fail-regexps", list(fast_fail_regexps)),
            ("no-ssl-bump-domains", list(no_ssl_bump_domains)),
        ],
        Dialect::V5 => vec![
            ("tunnel-domains", list(tunnel_domains)),
            ("deny-domains", list(deny_domains)),
            ("tls-resign-domains", list(tls_resign_domains)),
            ("tls-passthrough-domains", list(tls_passthrough_domains)),
        ],
    });
    lines
}

/// By which way traffic goes, without credentials.
fn egress_lines(dialect: Dialect, egress: &EgressSettings) -> Vec<(&'static str, String)> {
    let EgressSettings {
        denied: _,
        deny: _,
        localhost,
        sites,
        rest,
        tunnel,
        exchanges,
        tls,
        rates: RateSettings { read, write },
        name_servers,
    } = egress;
    let own = |proxy: &Option<OwnProxy>| {
        proxy.as_ref().map_or_else(String::new, |proxy| proxy.way.to_string())
    };
    let (proxy, pac) = match sites {
        SiteWay::Direct => (String::new(), String::new()),
        SiteWay::Proxy(way) => (way.to_string(), String::new()),
        SiteWay::Detected(detected) => (detected.way.to_string(), String::new()),
        SiteWay::Pac(script) => (String::new(), shown_source(&script.source)),
    };
    let localhost = match localhost {
        LocalhostPolicy::Allow => "allow",
        LocalhostPolicy::Direct => "direct",
        LocalhostPolicy::Deny => "deny",
    };
    let own = match dialect {
        Dialect::V4 => ("proxy-tunnel", tunnel.is_some().to_string()),
        Dialect::V5 => ("proxy-sauce", own(rest)),
    };
    let mut lines = vec![
        ("proxy-localhost", localhost.to_owned()),
        ("proxy", proxy),
        ("pac", pac),
        own,
        // A data: URL may be long, and says nothing to people.
        (
            "cacert-file",
            tls.files.iter().map(|file| shown_source(file)).collect::<Vec<_>>().join(","),
        ),
        ("tls-insecure-domains", tls.unchecked_list.join(",")),
        ("http-tls-handshake-timeout", format!("{}s", tls.handshake.as_secs_f64())),
    ];
    let rate = |limit: &Option<NonZeroU64>| limit.map_or(0, NonZeroU64::get).to_string();
    if dialect == Dialect::V4 {
        lines.push(("scproxy-read-limit", rate(read)));
        lines.push(("scproxy-write-limit", rate(write)));
    }
    lines.extend(exchange_lines(dialect, exchanges));
    lines.extend(name_server_lines(dialect, name_servers.as_ref()));
    lines
}

/// Who is asked for names.
fn name_server_lines(
    dialect: Dialect,
    name_servers: Option<&dns::Settings>,
) -> Vec<(&'static str, String)> {
    let servers = |settings: &dns::Settings| {
        settings.servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    };
    let list = name_servers.map(servers).unwrap_or_default();
    let turns = name_servers.is_some_and(|settings| settings.order == ServerOrder::RoundRobin);
    let timeout = name_servers.map(|settings| go_duration(settings.timeout)).unwrap_or_default();
    match dialect {
        Dialect::V4 => vec![("dns", list)],
        Dialect::V5 => vec![
            ("dns-server", list),
            ("dns-round-robin", turns.to_string()),
            ("dns-timeout", timeout),
        ],
    }
}

/// What becomes of exchanges. Header rules may hold secrets, as credentials do.
fn exchange_lines(dialect: Dialect, exchanges: &ExchangeSettings) -> Vec<(&'static str, String)> {
    let ExchangeSettings { rules, dials, dial_timeout, extra_info } = exchanges;
    let secret = |is_empty: bool| if is_empty { String::new() } else { SECRET.to_owned() };
    let mut lines = vec![("auth", secret(rules.logins.is_empty()))];
    match dialect {
        Dialect::V4 => lines.push(("extra-info", extra_info.clone().unwrap_or_default())),
        Dialect::V5 => lines.extend([
            ("header", secret(rules.headers.is_empty())),
            ("http-dial-attempts", dials.attempts.to_string()),
            ("http-dial-backoff", go_duration(dials.backoff)),
            ("http-dial-timeout", go_duration(dial_timeout.unwrap_or(Duration::from_secs(25)))),
            ("http-idle-conn-timeout", go_duration(rules.keep.idle)),
            ("http-response-header-timeout", go_duration(rules.answer_timeout.unwrap_or_default())),
        ]),
    }
    lines
}

fn runtime_name(runtime: RuntimeKind) -> String {
    let named = runtime.to_possible_value();
    named.map_or_else(String::new, |value| value.get_name().to_owned())
}

/// With each line, whether it is version 4's.
fn monitoring_lines(monitoring: &Monitoring) -> [(bool, (&'static str, String)); 7] {
    let Monitoring {
        status_address,
        metrics_address,
        api_address,
        api_basic_auth,
        api_idle_timeout,
        pid_file,
        ready_file,
    } = monitoring;
    let address = |address: &Option<ListenAddress>| {
        address.as_ref().map(ToString::to_string).unwrap_or_default()
    };
    let secret = api_basic_auth.as_ref().map_or("", |_| SECRET).to_owned();
    let idle = api_idle_timeout.unwrap_or(Options::default().idle);
    [
        (true, ("status-address", address(status_address))),
        (true, ("metrics-address", address(metrics_address))),
        (true, ("pidfile", path(pid_file.as_ref()))),
        (true, ("readyfile", path(ready_file.as_ref()))),
        (false, ("api-address", address(api_address))),
        (false, ("api-basic-auth", secret)),
        (false, ("api-idle-timeout", go_duration(idle))),
    ]
}

fn path(path: Option<&PathBuf>) -> String {
    path.map(|path| path.display().to_string()).unwrap_or_default()
}

/// As the option takes it.
fn go_duration(duration: Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}
