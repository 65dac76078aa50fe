//! The address of a REST API, checked once.

use std::fmt;
use std::net::IpAddr;

use sc_proto::contract::Host;
#[cfg(feature = "operations")]
use sc_proto::contract::Target;
use ureq::http::Uri;

/// The base of the REST API, as `http(s)://HOST[:PORT]/rest/v1`, without a final slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RestUrl {
    base: String,
    transport: RestTransport,
    /// Others that lead to the same registry, if the servers are a fleet.
    others: Vec<Self>,
}

/// How a REST API is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RestTransport {
    /// HTTPS.
    Tls,
    /// Plain HTTP.
    Plain(Reach),
}

/// How far plain HTTP goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// This machine only.
    Loopback,
    /// A network: anyone on the path reads the access key.
    Network,
}

/// A text is not the URL of a REST API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidRestUrl {
    /// Not a URL.
    #[error("it is not a URL of the form http(s)://HOST:PORT/rest/v1")]
    Form,
    /// A scheme other than `http` and `https`.
    #[error("its scheme must be http or https")]
    Scheme,
    /// User or password inside.
    #[error("user and key go into their own options, not into the URL")]
    Credentials,
    /// A query.
    #[error("it must not have a query")]
    Query,
}

impl RestUrl {
    /// Reads a URL, or several with commas between. An empty path stands for `/rest/v1`.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidRestUrl> {
        let mut all = text.split(',').map(Self::parse_one);
        let mut first = all.next().ok_or(InvalidRestUrl::Form)??;
        first.others = all.collect::<Result<_, _>>()?;
        Ok(first)
    }

    /// This one, and the others in their order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.others)
    }

    fn parse_one(text: &str) -> Result<Self, InvalidRestUrl> {
        let uri: Uri = text.trim().parse().map_err(|_| InvalidRestUrl::Form)?;
        let scheme = uri.scheme_str().ok_or(InvalidRestUrl::Form)?;
        let authority = uri.authority().ok_or(InvalidRestUrl::Form)?;
        if authority.as_str().contains('@') {
            return Err(InvalidRestUrl::Credentials);
        }
        if authority.host().is_empty() {
            return Err(InvalidRestUrl::Form);
        }
        if uri.query().is_some() {
            return Err(InvalidRestUrl::Query);
        }
        let transport = match scheme {
            "https" => RestTransport::Tls,
            "http" if is_loopback(authority.host()) => RestTransport::Plain(Reach::Loopback),
            "http" => RestTransport::Plain(Reach::Network),
            _ => return Err(InvalidRestUrl::Scheme),
        };
        let path = match uri.path().trim_end_matches('/') {
            "" => "/rest/v1",
            path => path,
        };
        let base = format!("{scheme}://{authority}{path}");
        Ok(Self { base, transport, others: Vec::new() })
    }

    /// The URL of `path` under this base; `path` begins with a slash.
    pub(crate) fn join(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Whose it is. `None` if it is no name that is spelled as names are.
    pub(crate) fn host(&self) -> Option<Host> {
        let uri: Uri = self.base.parse().ok()?;
        Host::parse(uri.authority()?.host()).ok()
    }

    /// Its host and port.
    #[cfg(feature = "operations")]
    pub(crate) fn target(&self) -> Option<Target> {
        let uri: Uri = self.base.parse().ok()?;
        let usual = match self.transport {
            RestTransport::Tls => 443,
            RestTransport::Plain(_) => 80,
        };
        Some(Target { host: self.host()?, port: uri.port_u16().unwrap_or(usual) })
    }

    /// How it is reached.
    pub(crate) fn transport(&self) -> RestTransport {
        self.transport
    }
}

impl fmt::Display for RestUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)?;
        self.others.iter().try_for_each(|other| write!(f, ",{other}"))
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback(),
        Err(_) => bare.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_urls() {
        let (tls, loopback) = (RestTransport::Tls, RestTransport::Plain(Reach::Loopback));
        for (text, base, transport) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/rest/v1", loopback),
            ("http://[::1]:8080/", "http://[::1]:8080/rest/v1", loopback),
            ("http://LocalHost/rest/v1", "http://LocalHost/rest/v1", loopback),
            ("https://sc.example/rest/v1/", "https://sc.example/rest/v1", tls),
            ("https://sc.example/a/b", "https://sc.example/a/b", tls),
        ] {
            let url = RestUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), base);
            assert_eq!(url.transport(), transport, "{text}");
            assert_eq!(url.join("/x"), format!("{base}/x"));
        }
    }

    #[test]
    fn several_urls() {
        let urls = RestUrl::parse("http://127.0.0.1:1, https://b.example/rest/v1").unwrap();
        let all: Vec<_> = urls.all().map(|url| url.join("/x")).collect();
        assert_eq!(all, ["http://127.0.0.1:1/rest/v1/x", "https://b.example/rest/v1/x"]);
        assert_eq!(urls.to_string(), "http://127.0.0.1:1/rest/v1,https://b.example/rest/v1");
        assert_eq!(RestUrl::parse("http://a.test,"), Err(InvalidRestUrl::Form));
    }

    #[test]
    fn plain_http_over_a_network_is_seen() {
        let url = RestUrl::parse("http://sc.example:80/rest/v1").unwrap();
        assert_eq!(url.transport(), RestTransport::Plain(Reach::Network));
    }

    #[test]
    fn bad_urls() {
        for (text, why) in [
            ("", InvalidRestUrl::Form),
            ("sc.example", InvalidRestUrl::Form),
            ("/rest/v1", InvalidRestUrl::Form),
            ("https://", InvalidRestUrl::Form),
            ("ftp://sc.example/", InvalidRestUrl::Scheme),
            ("http://u:p@sc.example/", InvalidRestUrl::Credentials),
            ("http://sc.example/?a=b", InvalidRestUrl::Query),
        ] {
            assert_eq!(RestUrl::parse(text), Err(why), "{text:?}");
        }
    }
}
