//! Where to listen, as options say it.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

/// `HOST:PORT`, `:PORT` for all addresses of this machine, or `unix:/PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListenAddress {
    /// A port of a name or an address.
    Tcp {
        /// Without brackets; empty for all addresses.
        host: String,
        /// 0: any free one.
        port: u16,
    },
    /// A socket in the file system.
    Unix(PathBuf),
}

/// A text is not a [`ListenAddress`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address to listen on: write HOST:PORT, :PORT or unix:/PATH")]
pub(crate) struct InvalidListenAddress(String);

impl ListenAddress {
    /// Reads an address.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidListenAddress> {
        let invalid = || InvalidListenAddress(text.to_owned());
        let text = text.trim();
        if let Some(path) = text.strip_prefix("unix:") {
            // As a URL, too: `unix:///tmp/x`.
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() { Err(invalid()) } else { Ok(Self::Unix(path.into())) };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
        let port = port.parse().map_err(|_| invalid())?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or_else(invalid)?,
            // More colons are an IPv6 address that lacks its brackets.
            None if host.contains(':') => return Err(invalid()),
            None => host,
        };
        if host.contains(|c: char| c.is_whitespace() || "/@?#".contains(c)) {
            return Err(invalid());
        }
        Ok(Self::Tcp { host: host.to_owned(), port })
    }

    /// Whether nobody beyond this machine reaches it.
    pub(crate) fn is_on_this_machine(&self) -> bool {
        match self {
            Self::Tcp { host, .. } => {
                let ip = host.parse::<IpAddr>();
                ip.map_or(host.eq_ignore_ascii_case("localhost"), |ip| ip.is_loopback())
            }
            Self::Unix(_) => true,
        }
    }

    /// The addresses behind a name, for [`Self::Tcp`]. Those of IPv6 stand for all of this
    /// machine's where no host is given, if it has any.
    pub(super) fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        match host {
            "" => Ok(vec![([0_u16; 8], port).into(), ([0_u8; 4], port).into()]),
            host => Ok((host, port).to_socket_addrs()?.collect()),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_all_forms() {
        for text in ["127.0.0.1:80", "localhost:0", ":8032", "[::1]:9", "unix:/tmp/sc.sock"] {
            assert_eq!(ListenAddress::parse(text).unwrap().to_string(), text);
        }
        let url = ListenAddress::parse("unix:///tmp/sc.sock").unwrap();
        assert_eq!(url, ListenAddress::Unix("/tmp/sc.sock".into()));
    }

    #[test]
    fn what_is_none() {
        for text in
            ["", "8032", "localhost", "::1:80", "a:b", "a:99999", "[::1:80", "unix:", "a b:1"]
        {
            assert!(ListenAddress::parse(text).is_err(), "{text:?}");
        }
    }
}
