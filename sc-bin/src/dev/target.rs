//! The user's own application, as `--target` names it.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use ureq::http::Uri;

/// A checked `--target`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TargetUrl {
    url: String,
    host: String,
    port: u16,
}

/// A text is not the URL of an application. It is not shown: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--target is not a URL of the form http(s)://HOST[:PORT]/PATH without user and password")]
pub(super) struct InvalidTargetUrl;

impl TargetUrl {
    /// Reads a URL. What a shell or a terminal could take for something else is refused: the URL
    /// is printed as part of commands to be pasted.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidTargetUrl> {
        let invalid = || InvalidTargetUrl;
        let harmless = |b: u8| b.is_ascii_graphic() && !b"'\"\\`$".contains(&b);
        if !text.bytes().all(harmless) {
            return Err(invalid());
        }
        let uri: Uri = text.parse().map_err(|_| invalid())?;
        let default = match uri.scheme_str() {
            Some("http") => 80,
            Some("https") => 443,
            _ => return Err(invalid()),
        };
        let authority = uri.authority().ok_or_else(invalid)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if authority.as_str().contains('@') || host.is_empty() {
            return Err(invalid());
        }
        let port = uri.port_u16().unwrap_or(default);
        // `http://host` and `http://host/` are the same; the second is what HTTP sends.
        let url = if uri.path() == "/" && uri.query().is_none() {
            format!("{}/", text.trim_end_matches('/'))
        } else {
            text.to_owned()
        };
        Ok(Self { url, host: host.to_owned(), port })
    }

    /// The URL.
    pub(super) fn as_str(&self) -> &str {
        &self.url
    }

    /// Whether something listens there now. Waits a second per address at most.
    pub(super) fn answers(&self) -> bool {
        let Ok(addresses) = (self.host.as_str(), self.port).to_socket_addrs() else {
            return false;
        };
        let wait = Duration::from_secs(1);
        addresses.take(4).any(|address| TcpStream::connect_timeout(&address, wait).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn good_targets() {
        for (text, url, port) in [
            ("http://localhost:3000", "http://localhost:3000/", 3000),
            ("https://app.test/", "https://app.test/", 443),
            ("http://[::1]:8080/a?b=c", "http://[::1]:8080/a?b=c", 8080),
            ("http://app.test/a", "http://app.test/a", 80),
        ] {
            let target = TargetUrl::parse(text).unwrap();
            assert_eq!((target.as_str(), target.port), (url, port));
        }
    }

    #[test]
    fn bad_targets() {
        for text in [
            "",
            "localhost:3000",
            "ftp://a/",
            "http://",
            "http://u:p@a/",
            "http://a/'; rm -rf x",
            "http://a/$(x)",
            "http://a/\u{1b}[2J",
        ] {
            assert!(TargetUrl::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_listens_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let target = TargetUrl::parse(&url).unwrap();
        assert!(target.answers());
        drop(listener);
        assert!(!target.answers());
    }
}
