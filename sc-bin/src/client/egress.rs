//! The egress of the data plane, from the settings and from what this machine knows.

use std::path::{Path, PathBuf};

use sc_proto::contract::Host;
use sc_proto::egress::{Bypass, Egress, Localhost, LocalhostPolicy, Way, WayChoice};

use crate::cli::{EgressSettings, OwnProxy, PacSettings, SiteWay};

/// Longest hosts file that is read, in bytes.
const HOSTS_LIMIT: u64 = 4 << 20;

/// The core's rules.
pub(super) fn rules(settings: &EgressSettings) -> Egress {
    let hosts = hosts_text(&hosts_file());
    Egress {
        deny: settings.deny.clone(),
        localhost: Localhost {
            policy: settings.localhost,
            names: loopback_names(&hosts).map(Into::into).collect(),
        },
        transports: match &settings.tunnel {
            None => WayChoice::Direct,
            Some(proxy) => {
                WayChoice::Fixed { ways: [proxy.way.clone()].into(), bypass: proxy.bypass.clone() }
            }
        },
        exchanges: settings.exchanges.clone(),
        dials: settings.dials,
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
    lines.push(about_localhost(settings).to_owned());
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

fn hosts_file() -> PathBuf {
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

/// Names on lines of a loopback address, as the core spells names.
fn loopback_names(hosts: &str) -> impl Iterator<Item = String> {
    hosts.lines().flat_map(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let address = words.next().and_then(|word| word.parse::<std::net::IpAddr>().ok());
        let is_loopback = address.is_some_and(|ip| ip.to_canonical().is_loopback());
        words.take_while(move |_| is_loopback).filter_map(|word| match Host::parse(word) {
            Ok(Host::Name(name)) => Some(name.into_string()),
            _ => None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_loopback_lines_are_found() {
        let hosts = "# comment 127.0.0.1 no\n127.0.0.1 localhost App.TEST # office\n\
                     10.0.0.1\tintranet.test\n::1 ip6-localhost app6.test\n127.0.1.1\n\n\
                     127.0.0.2 bad/name ok.test\nnot-an-address x.test\n";
        let names: Vec<_> = loopback_names(hosts).collect();
        assert_eq!(names, ["localhost", "app.test", "ip6-localhost", "app6.test", "ok.test"]);
    }

    #[test]
    fn no_hosts_file_is_no_names() {
        assert_eq!(hosts_text(Path::new("/no/such/file")), "");
    }
}
