//! What the server's ingress decides about a request: refused, direct or through the tunnel.

use alloc::string::String;

use super::{HostRules, UrlRules};
use crate::contract::{Host, StreamKind, Target};

/// Where the requests of a tunnel go. What is refused is refused whatever else is said of it.
#[derive(Clone, Debug, Default)]
pub struct Routing {
    /// Hosts that are refused (version 5's `deny-domains`).
    pub denied_hosts: Option<HostRules>,
    /// URLs that are refused (version 4's `fast-fail-regexps`).
    pub denied_urls: Option<UrlRules>,
    /// Which hosts are reached how.
    pub ways: Ways,
    /// Whose TLS is re-signed.
    pub resigned: Resigned,
    /// Hosts whose TLS is re-signed whatever else is said: the client has something to add to
    /// their requests.
    pub always_resigned: Option<HostRules>,
    /// Whether answers may come from the server's cache, and go into it.
    pub caching: Caching,
}

/// Whose TLS is opened at the server and re-signed, of what goes through the tunnel.
#[derive(Clone, Debug, Default)]
pub enum Resigned {
    /// Nobody's: all passes through end to end.
    #[default]
    None,
    /// Every host's but these (`no-ssl-bump-domains`, `tls-passthrough-domains`).
    AllBut(Option<HostRules>),
    /// These hosts' (`tls-resign-domains`).
    Only(HostRules),
}

/// Why TLS is re-signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resign {
    /// A rule is for it, as far as that can be done.
    Wanted,
    /// The client needs it.
    Needed,
}

/// Whether the requests of a tunnel share answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Caching {
    /// As HTTP allows (RFC 9111).
    #[default]
    Shared,
    /// Every request goes to its site (`no-proxy-caching`).
    Off,
}

/// Which hosts are reached through the tunnel, and which from the server itself.
#[derive(Clone, Debug, Default)]
pub enum Ways {
    /// All through the tunnel.
    #[default]
    Tunnel,
    /// These directly (`direct-domains`), all others through the tunnel.
    DirectFor(HostRules),
    /// These through the tunnel (`tunnel-domains`), all others directly.
    TunnelFor(HostRules),
}

/// How a host is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Through the tunnel, from the office.
    Tunnel,
    /// From the server itself.
    Direct,
}

/// A rule refuses the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Denied;

impl Routing {
    /// Whether TLS with a host is re-signed.
    pub(crate) fn resigns(&self, host: &Host) -> Option<Resign> {
        if self.always_resigned.as_ref().is_some_and(|rules| rules.matches(host)) {
            return Some(Resign::Needed);
        }
        let wanted = match &self.resigned {
            Resigned::None => false,
            Resigned::AllBut(None) => true,
            Resigned::AllBut(Some(rules)) => !rules.matches(host),
            Resigned::Only(rules) => rules.matches(host),
        };
        wanted.then_some(Resign::Wanted)
    }

    /// Decides about a request. `head` is the head of an HTTP request, as the site would get it; of
    /// other streams no more than the target is known.
    pub(crate) fn judge(
        &self,
        target: &Target,
        kind: StreamKind,
        head: &[u8],
    ) -> Result<Way, Denied> {
        if self.denied_hosts.as_ref().is_some_and(|rules| rules.matches(&target.host)) {
            return Err(Denied);
        }
        if let Some(rules) = &self.denied_urls
            && rules.matches(&url_of(target, kind, path_of(head)))
        {
            return Err(Denied);
        }
        Ok(match &self.ways {
            Ways::Tunnel => Way::Tunnel,
            Ways::DirectFor(rules) if rules.matches(&target.host) => Way::Direct,
            Ways::DirectFor(_) => Way::Tunnel,
            Ways::TunnelFor(rules) if rules.matches(&target.host) => Way::Tunnel,
            Ways::TunnelFor(_) => Way::Direct,
        })
    }
}

/// The URL of a request as rules see it: without a port that is the scheme's own. CONNECT is
/// nearly always for HTTPS, and shows no path.
pub(crate) fn url_of(target: &Target, kind: StreamKind, path: &str) -> String {
    let (scheme, path) = match kind {
        StreamKind::Http => ("http", path),
        StreamKind::Https => ("https", path),
        StreamKind::Connect => ("https", "/"),
    };
    match target.port {
        port if port == kind.usual_port() => alloc::format!("{scheme}://{}{path}", target.host),
        port => alloc::format!("{scheme}://{}:{port}{path}", target.host),
    }
}

/// The path and query of a head whose request line is in origin form.
fn path_of(head: &[u8]) -> &str {
    let mut parts = head.split(|byte| *byte == b' ');
    parts.nth(1).and_then(|path| core::str::from_utf8(path).ok()).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;

    fn hosts(rule: &str) -> HostRules {
        HostRules::expressions([rule]).unwrap()
    }

    #[allow(clippy::unwrap_in_result, reason = "a test may fail loudly")]
    fn judge(routing: &Routing, target: &str, head: Option<&str>) -> Result<Way, Denied> {
        let kind = if head.is_some() { StreamKind::Http } else { StreamKind::Connect };
        routing.judge(&target.parse().unwrap(), kind, head.unwrap_or_default().as_bytes())
    }

    #[test]
    fn everything_goes_through_the_tunnel_unless_said_otherwise() {
        assert_eq!(judge(&Routing::default(), "a.test:80", None), Ok(Way::Tunnel));
        let direct = Routing { ways: Ways::DirectFor(hosts("^a")), ..Routing::default() };
        assert_eq!(judge(&direct, "a.test:80", None), Ok(Way::Direct));
        assert_eq!(judge(&direct, "b.test:80", None), Ok(Way::Tunnel));
        let tunnel = Routing { ways: Ways::TunnelFor(hosts("^a")), ..Routing::default() };
        assert_eq!(judge(&tunnel, "a.test:80", None), Ok(Way::Tunnel));
        assert_eq!(judge(&tunnel, "b.test:80", None), Ok(Way::Direct));
    }

    #[test]
    fn tls_is_resigned_as_the_rules_say() {
        let resigns = |resigned, always: Option<&str>, name: &str| {
            let always_resigned = always.map(hosts);
            let routing = Routing { resigned, always_resigned, ..Routing::default() };
            routing.resigns(&Host::parse(name).unwrap())
        };
        assert_eq!(resigns(Resigned::None, None, "a"), None);
        assert_eq!(resigns(Resigned::None, Some("^a$"), "a"), Some(Resign::Needed));
        assert_eq!(resigns(Resigned::AllBut(None), None, "a"), Some(Resign::Wanted));
        assert_eq!(resigns(Resigned::AllBut(Some(hosts("^a$"))), None, "a"), None);
        assert_eq!(
            resigns(Resigned::AllBut(Some(hosts("^a$"))), Some("a"), "a"),
            Some(Resign::Needed)
        );
        assert_eq!(resigns(Resigned::Only(hosts("^a$")), None, "b"), None);
        assert_eq!(resigns(Resigned::Only(hosts("^a$")), None, "a"), Some(Resign::Wanted));
    }

    #[test]
    fn what_is_denied_goes_nowhere() {
        let routing = Routing {
            denied_hosts: Some(hosts("^a")),
            ways: Ways::DirectFor(hosts("all")),
            ..Routing::default()
        };
        assert_eq!(judge(&routing, "a.test:80", None), Err(Denied));
        assert_eq!(judge(&routing, "b.test:80", None), Ok(Way::Direct));
    }

    #[test]
    fn a_url_is_judged_as_far_as_it_is_known() {
        let denies = |rule: &str, target: &str, head: Option<&str>| {
            let denied_urls = Some(UrlRules::new([rule]).unwrap());
            judge(&Routing { denied_urls, ..Routing::default() }, target, head) == Err(Denied)
        };
        let head = Some("GET /ads/1?x=2 HTTP/1.1\r\nHost: a.test\r\n\r\n");
        assert!(denies(r"^http://a\.test/ads/1\?x=2$", "a.test:80", head));
        assert!(denies(r"^http://a\.test:8080/ads/", "a.test:8080", head));
        assert!(!denies("/ads/", "a.test:443", None));
        assert!(denies(r"^https://a\.test/$", "a.test:443", None));
        assert!(denies(r"^https://\[::1\]:8443/$", "[::1]:8443", None));
    }
}
