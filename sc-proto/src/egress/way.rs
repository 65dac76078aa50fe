//! One way to a site: straight, or by an upstream proxy.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::contract::{InvalidTarget, Target};

/// A way to a site.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Without a proxy.
    Direct,
    /// By an HTTP proxy: CONNECT (RFC 9110, section 9.3.6), or a request in absolute form.
    Http(Proxy),
    /// The same, within TLS with the proxy.
    Https(Proxy),
    /// By a SOCKS proxy of version 4A, which resolves the site's name. It takes the credentials' user
    /// only.
    Socks4(Proxy),
    /// By a SOCKS proxy of version 5 (RFC 1928), which resolves the site's name.
    Socks5(Proxy),
}

/// An upstream proxy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Proxy {
    /// Where it listens.
    pub address: Target,
    /// What it wants to know first.
    pub credentials: Option<Credentials>,
}

/// User and password for a proxy or a site. The `Debug` form shows neither.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Credentials {
    user: Box<str>,
    password: Box<str>,
}

/// A text does not name a proxy. No variant holds what was given: a password may be in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProxy {
    /// A scheme other than the known ones.
    #[error("the scheme must be http, https, socks4 or socks5")]
    Scheme,
    /// Not `host:port`.
    #[error(transparent)]
    Address(#[from] InvalidTarget),
    /// More than one `@`.
    #[error("an @ within user or password is written %40")]
    UserInfo,
    /// A path, a query or a fragment.
    #[error("nothing may follow the port")]
    Path,
    /// A password, or a zero byte in the user, for a proxy of SOCKS version 4.
    #[error("SOCKS 4 has no password, and its user no zero byte")]
    Socks4User,
    /// User and password cannot be used.
    #[error(transparent)]
    Credentials(#[from] InvalidCredentials),
}

/// User and password cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCredentials {
    /// No user, or a user or password longer than RFC 1929 allows.
    #[error("a user has 1 to 255 bytes, a password at most 255")]
    Length,
    /// A colon in the user (RFC 7617, section 2).
    #[error("a user must not contain a colon")]
    Colon,
    /// `%` without two hexadecimal digits, or what they stand for is not text.
    #[error("a % within user or password is written %25")]
    Escape,
}

impl Credentials {
    /// Takes both, as they are.
    ///
    /// # Errors
    ///
    /// [`InvalidCredentials`] says what cannot be sent.
    pub fn new(user: &str, password: &str) -> Result<Self, InvalidCredentials> {
        if user.is_empty() || user.len() > 255 || password.len() > 255 {
            return Err(InvalidCredentials::Length);
        }
        if user.contains(':') {
            return Err(InvalidCredentials::Colon);
        }
        Ok(Self { user: user.into(), password: password.into() })
    }

    /// Takes `user:password`, or a user without password.
    ///
    /// # Errors
    ///
    /// As [`Credentials::new`].
    pub fn parse(text: &str) -> Result<Self, InvalidCredentials> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        Self::new(user, password)
    }

    /// The user.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password, to be sent.
    pub fn expose(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(****)")
    }
}

impl Way {
    /// Reads `[http|https|socks4|socks5]://[user[:password]@]host:port`; `http` without a scheme,
    /// `socks` is `socks5`, `socks4a` is `socks4`, which takes no password. User and password may hold
    /// `%` escapes, as in URLs.
    ///
    /// # Errors
    ///
    /// [`InvalidProxy`] says what is wrong, without repeating any of it.
    pub fn parse(text: &str) -> Result<Self, InvalidProxy> {
        let (scheme, rest) = text.trim().split_once("://").unwrap_or(("http", text.trim()));
        let by: fn(Proxy) -> Self = match scheme.to_ascii_lowercase().as_str() {
            "http" => Self::Http,
            "https" => Self::Https,
            "socks4" | "socks4a" => Self::Socks4,
            "socks" | "socks5" | "socks5h" => Self::Socks5,
            _ => return Err(InvalidProxy::Scheme),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (credentials, address) = match rest.rsplit_once('@') {
            Some((info, _)) if info.contains('@') => return Err(InvalidProxy::UserInfo),
            Some((info, address)) => (Some(user_info(info)?), address),
            None => (None, rest),
        };
        if address.contains(['/', '?', '#']) {
            return Err(InvalidProxy::Path);
        }
        let way = by(Proxy { address: address.parse()?, credentials });
        match &way {
            Self::Socks4(Proxy { credentials: Some(credentials), .. })
                if !credentials.expose().is_empty() || credentials.user().contains('\0') =>
            {
                Err(InvalidProxy::Socks4User)
            }
            _ => Ok(way),
        }
    }

    /// The proxy, if it leads by one.
    pub fn proxy(&self) -> Option<&Proxy> {
        match self {
            Self::Direct => None,
            Self::Http(proxy) | Self::Https(proxy) | Self::Socks4(proxy) | Self::Socks5(proxy) => {
                Some(proxy)
            }
        }
    }

    /// The same, to be changed.
    pub fn proxy_mut(&mut self) -> Option<&mut Proxy> {
        match self {
            Self::Direct => None,
            Self::Http(proxy) | Self::Https(proxy) | Self::Socks4(proxy) | Self::Socks5(proxy) => {
                Some(proxy)
            }
        }
    }
}

/// Without credentials: this may be shown to anybody.
impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.write_str("direct"),
            Self::Http(proxy) => write!(f, "http://{}", proxy.address),
            Self::Https(proxy) => write!(f, "https://{}", proxy.address),
            Self::Socks4(proxy) => write!(f, "socks4://{}", proxy.address),
            Self::Socks5(proxy) => write!(f, "socks5://{}", proxy.address),
        }
    }
}

/// Reads `user[:password]` with `%` escapes.
pub(super) fn user_info(info: &str) -> Result<Credentials, InvalidCredentials> {
    let (user, password) = info.split_once(':').unwrap_or((info, ""));
    Credentials::new(&unescape(user)?, &unescape(password)?)
}

/// Takes `%` escapes away (RFC 3986, section 2.1).
fn unescape(text: &str) -> Result<String, InvalidCredentials> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit =
            || bytes.next().and_then(|digit| char::from(digit).to_digit(16)).map(|d| d as u8);
        match (digit(), digit()) {
            (Some(high), Some(low)) => out.push(high << 4 | low),
            _ => return Err(InvalidCredentials::Escape),
        }
    }
    String::from_utf8(out).map_err(|_| InvalidCredentials::Escape)
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn proxies_are_read() {
        for (text, shown) in [
            ("proxy.test:3128", "http://proxy.test:3128"),
            ("http://Proxy.test:3128/", "http://proxy.test:3128"),
            ("HTTP://10.0.0.1:1", "http://10.0.0.1:1"),
            ("socks5://[::1]:1080", "socks5://[::1]:1080"),
            ("socks://p:1080", "socks5://p:1080"),
            ("socks4://anna@p:1080", "socks4://p:1080"),
            ("SOCKS4A://p:1080", "socks4://p:1080"),
        ] {
            assert_eq!(Way::parse(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn credentials_are_read_and_never_shown() {
        let way = Way::parse("http://anna:s%40cr%3Aet:x@proxy.test:1").unwrap();
        let credentials = way.proxy().unwrap().credentials.clone().unwrap();
        assert_eq!((credentials.user(), credentials.expose()), ("anna", "s@cr:et:x"));
        let shown = format!("{way} {way:?}");
        assert!(!shown.contains("anna") && !shown.contains("s@cr"), "{shown}");
        let alone = Way::parse("anna@proxy.test:1").unwrap();
        assert_eq!(alone.proxy().unwrap().credentials.as_ref().unwrap().expose(), "");
    }

    #[test]
    fn what_is_no_proxy_is_refused() {
        use InvalidCredentials::{Escape, Length};
        for (text, why) in [
            ("ftp://p:1", InvalidProxy::Scheme),
            ("p", InvalidProxy::Address(InvalidTarget::Port)),
            ("p:0", InvalidProxy::Address(InvalidTarget::Port)),
            ("a b:1", InvalidProxy::Address(InvalidTarget::Host)),
            ("a@b@c:1", InvalidProxy::UserInfo),
            ("http://p:1/path", InvalidProxy::Path),
            ("http://p:1?x", InvalidProxy::Path),
            ("@p:1", InvalidProxy::Credentials(Length)),
            ("a%4@p:1", InvalidProxy::Credentials(Escape)),
            ("a%ff@p:1", InvalidProxy::Credentials(Escape)),
            ("socks4://a:b@p:1", InvalidProxy::Socks4User),
            ("socks4://a%00b@p:1", InvalidProxy::Socks4User),
        ] {
            assert_eq!(Way::parse(text), Err(why), "{text}");
        }
        assert_eq!(Credentials::new("a:b", ""), Err(InvalidCredentials::Colon));
        assert_eq!(Credentials::new("a", &"p".repeat(256)), Err(Length));
    }
}
