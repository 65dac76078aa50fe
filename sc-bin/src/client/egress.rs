//! The egress of the data plane, from the settings and from what this machine knows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sc_proto::contract::Host;
use sc_proto::dns::Hosts;
use sc_proto::egress::{
    Bypass, Egress, Localhost, LocalhostPolicy, Rate, Rates, Watch, Way, WayChoice,
};
use sc_proto::tls::KeyLog;

use super::site_trust::OfficeTrust;
use crate::cli::{EgressSettings, LocalProxy, OwnProxy, PacSettings, SiteWay};

/// Longest hosts file that is read, in bytes.
const HOSTS_LIMIT: u64 = 4 << 20;

/// The core's rules. `limits`: of bytes a second. `keys`: where the keys of TLS with sites and proxies go.
pub(super) fn rules(
    settings: &EgressSettings,
    limits: &LocalProxy,
    keys: Option<Arc<dyn KeyLog>>,
) -> Egress {
    let hosts = Hosts::parse(&hosts_text(&hosts_file()));
    Egress {
        trust: Some(Arc::new(OfficeTrust::new(&settings.tls, keys))),
        deny: settings.deny.clone(),
        localhost: Localhost {
            policy: settings.localhost,
            names: hosts.loopback_names().map(Into::into).collect(),
        },
        transports: match &settings.tunnel {
            None => WayChoice::Direct,
            Some(proxy) => {
                WayChoice::Fixed { ways: [proxy.way.clone()].into(), bypass: proxy.bypass.clone() }
            }
        },
        rates: Rates {
            read: limits.read_limit.map(Rate::new).map(Arc::new),
            write: limits.write_limit.map(Rate::new).map(Arc::new),
        },
        watch: Watch::default(),
        exchanges: settings.exchanges.rules.clone(),
        dials: settings.exchanges.dials,
        ways: match &settings.sites {
            SiteWay::Direct => WayChoice::Direct,
            SiteWay::Proxy(way) => {
                WayChoice::Fixed { ways: [way.clone()].into(), bypass: Bypass::default() }
            }
            SiteWay::Pac(_) => WayChoice::Asked,
            SiteWay::Detected(detected) => WayChoice::Fixed {
                ways: [detected.way.clone()].into(),
                bypass: detected.bypass.clone(),
            },
        },
    }
}

/// What people are told at the start, a line each. Credentials are in none.
pub(super) fn about(settings: &EgressSettings) -> Vec<String> {
    let mut lines = Vec::new();
    match &settings.sites {
        SiteWay::Direct | SiteWay::Pac(_) => {}
        SiteWay::Proxy(way) => lines.push(format!("Sites are reached by the proxy {way}")),
        SiteWay::Detected(detected) => lines.push(format!(
            "Sites are reached by the proxy {}, which the variable {} names (--no-autodetect turns \
             this off)",
            detected.way, detected.variable
        )),
    }
    if let SiteWay::Pac(PacSettings { source, .. }) = &settings.sites {
        lines.push(format!("Sites are reached as the PAC script {} says", shown_source(source)));
    }
    let own = match (&settings.rest, &settings.tunnel) {
        (None, None) => None,
        (Some(proxy), None) => Some(("The REST API is reached", proxy)),
        (Some(proxy), Some(_)) => Some(("The REST API and the tunnel's server are reached", proxy)),
        (None, Some(proxy)) => Some(("The tunnel's server is reached", proxy)),
    };
    lines.extend(own.map(|(what, proxy)| format!("{what} by the proxy {}", proxy.way)));
    if let Some(names) = &settings.name_servers {
        let servers: Vec<_> = names.servers.iter().map(ToString::to_string).collect();
        lines.push(format!("Names of sites are asked of the name servers {}", servers.join(", ")));
    }
    lines.push(about_localhost(settings).to_owned());
    if !settings.tls.unchecked_list.is_empty() {
        lines.push(format!(
            "Warning: certificates are NOT checked for {} (--tls-insecure-domains): whoever stands \
             between this machine and those hosts can read and change all",
            settings.tls.unchecked_list.join(", ")
        ));
    }
    lines
}

/// A script's source for people: without user and password, and not the script itself.
pub(super) fn shown_source(source: &str) -> String {
    match source.split_once("://") {
        _ if source.starts_with("data:") => "in a data: URL".to_owned(),
        _ if source == "-" => "of standard input".to_owned(),
        Some((scheme, rest)) => {
            let host = rest.split('/').next().unwrap_or_default();
            let at = host.rfind('@').map_or(0, |at| at + 1);
            format!("{scheme}://{}", &rest[at..])
        }
        None => source.to_owned(),
    }
}

fn about_localhost(settings: &EgressSettings) -> &'static str {
    match (settings.localhost, &settings.sites) {
        (LocalhostPolicy::Direct, _) => {
            "localhost: tests reach this machine's own ports, without a proxy (--proxy-localhost \
             direct; `deny` refuses)"
        }
        (LocalhostPolicy::Allow, SiteWay::Direct) => {
            "localhost: tests reach this machine's own ports (--proxy-localhost allow; `deny` refuses)"
        }
        (LocalhostPolicy::Allow, _) => "localhost: by the proxy (--proxy-localhost allow)",
        (LocalhostPolicy::Deny, _) => "localhost: refused (--proxy-localhost deny)",
    }
}

/// The proxy for one host of the client's own traffic.
pub(super) fn own_proxy<'a>(proxy: &'a OwnProxy, host: &Host) -> Option<&'a Way> {
    (!proxy.bypass.matches(host)).then_some(&proxy.way)
}

/// Where this machine keeps names of its own.
pub(super) fn hosts_file() -> PathBuf {
    match std::env::var_os("SystemRoot") {
        Some(root) if cfg!(windows) => Path::new(&root).join(r"System32\drivers\etc\hosts"),
        _ => PathBuf::from("/etc/hosts"),
    }
}

/// The file's text; empty if it cannot be read, as where there is none.
fn hosts_text(path: &Path) -> String {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let read =
        std::fs::File::open(path).and_then(|file| file.take(HOSTS_LIMIT).read_to_end(&mut bytes));
    if let Err(error) = read {
        log::debug!("no names from {}: {error}", path.display());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_hosts_file_is_no_names() {
        assert_eq!(hosts_text(Path::new("/no/such/file")), "");
    }
}
