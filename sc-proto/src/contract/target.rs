//! Where a stream leads.

use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

/// Longest host name taken, in bytes (RFC 1035, section 2.3.4, without the final dot).
pub(crate) const MAX_NAME: usize = 253;

/// A host: a name to be resolved in the office, or an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A lower-case name of letters, digits, `-`, `_` and `.`.
    Name(Box<str>),
    /// An address, written literally.
    Ip(IpAddr),
}

/// Host and port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// The host.
    pub host: Host,
    /// The TCP port, never 0.
    pub port: u16,
}

/// What the far end does with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StreamKind {
    /// Opaque bytes, as after HTTP's CONNECT.
    Connect,
    /// One plain HTTP/1.1 exchange.
    Http,
    /// One HTTP/1.1 exchange that the far end carries over TLS to the site.
    Https,
}

/// A text does not name a host and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTarget {
    /// No port where one is needed, or not a number from 1 to 65535.
    #[error("a port from 1 to 65535 is needed after the host")]
    Port,
    /// Not a host name or address.
    #[error("not a host name or IP address")]
    Host,
}

impl StreamKind {
    /// The port that its URLs mean when they name none.
    #[must_use]
    pub fn usual_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https | Self::Connect => 443,
        }
    }
}

impl Host {
    /// Reads a name, an IPv4 address or a bracketed IPv6 address. Names become lower case;
    /// one final dot is dropped.
    pub fn parse(text: &str) -> Result<Self, InvalidTarget> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(InvalidTarget::Host)?;
            let ip: Ipv6Addr = inner.parse().map_err(|_| InvalidTarget::Host)?;
            return Ok(Self::Ip(IpAddr::V6(ip)));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_digits_and_dots = name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if is_digits_and_dots {
            let ip: Ipv4Addr = name.parse().map_err(|_| InvalidTarget::Host)?;
            return Ok(Self::Ip(IpAddr::V4(ip)));
        }
        let is_label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if name.len() > MAX_NAME || !name.split('.').all(is_label) {
            return Err(InvalidTarget::Host);
        }
        Ok(Self::Name(name.to_ascii_lowercase().into_boxed_str()))
    }

    /// The name that a certificate of it is checked against: an IPv6 address has no brackets there.
    pub(crate) fn server_name(&self) -> String {
        match self {
            Self::Name(name) => String::from(&**name),
            Self::Ip(ip) => ip.to_string(),
        }
    }
}

impl Target {
    /// Reads `host:port`; without a port, `default_port` stands in if given.
    pub fn parse(text: &str, default_port: Option<u16>) -> Result<Self, InvalidTarget> {
        let (host, port) = match text.rfind(':') {
            // A colon inside the brackets of an IPv6 address is not the port's.
            Some(colon) if !text[colon..].contains(']') => {
                let port = &text[colon + 1..];
                let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
                let port = if digits { port.parse().ok() } else { None };
                (&text[..colon], port)
            }
            _ => (text, default_port),
        };
        match port {
            Some(port) if port != 0 => Ok(Self { host: Host::parse(host)?, port }),
            _ => Err(InvalidTarget::Port),
        }
    }
}

impl FromStr for Target {
    type Err = InvalidTarget;
    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        Self::parse(text, None)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn good_targets() {
        for (text, shown) in [
            ("Example.COM:80", "example.com:80"),
            ("example.com.:443", "example.com:443"),
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::1]:1", "[::1]:1"),
            ("a_b-c.d:65535", "a_b-c.d:65535"),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), shown);
        }
        assert_eq!(Target::parse("[::1]", Some(80)).unwrap().to_string(), "[::1]:80");
    }

    #[test]
    fn bad_targets() {
        for text in [
            "",
            ":80",
            "a",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a b:1",
            "a..b:1",
            "[::1:1",
            "::1:1",
            "[::1]x:1",
            "1.2.3:80",
            "1.2.3.4.5:80",
            "a/b:1",
            "user@host:1",
            "a\0b:1",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text:?}");
        }
    }
}
