//! The egress of the data plane, from the settings and from what this machine knows.

use std::path::{Path, PathBuf};

use sc_proto::contract::Host;
use sc_proto::egress::{Bypass, Egress, Localhost, LocalhostPolicy, Way, Ways};

use crate::cli::{Detected, EgressSettings, Origin, OwnProxy, SiteWay};

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
        ways: match &settings.sites {
            SiteWay::Direct => Ways::Direct,
            SiteWay::Proxy(way) => {
                Ways::Fixed { ways: [way.clone()].into(), bypass: Bypass::default() }
            }
            SiteWay::Detected(detected) => {
                Ways::Fixed { ways: [detected.way.clone()].into(), bypass: detected.bypass.clone() }
            }
        },
    }
}

/// What people are told at the start, a line each. Credentials are in none.
pub(super) fn about(settings: &EgressSettings) -> Vec<String> {
    let mut lines = Vec::new();
    match &settings.sites {
        SiteWay::Direct => {}
        SiteWay::Proxy(way) => lines.push(format!("Sites are reached by the proxy {way}")),
        SiteWay::Detected(Detected { variable, way, .. }) => lines.push(format!(
            "Sites are reached by the proxy {way}, which the variable {variable} names \
             (--no-autodetect turns this off)"
        )),
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

/// The proxy for one host of the client's own traffic. A proxy that was only detected is not asked
/// for this machine itself.
pub(super) fn own_proxy<'a>(proxy: &'a OwnProxy, host: &Host) -> Option<&'a Way> {
    let is_detected = matches!(proxy.origin, Origin::Detected);
    let is_local = is_detected && Localhost::default().policy_for(host).is_some();
    (!is_local && !proxy.bypass.matches(host)).then_some(&proxy.way)
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
