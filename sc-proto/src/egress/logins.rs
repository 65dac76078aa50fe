//! Credentials for sites and proxies, by host and port.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::way::{Credentials, InvalidCredentials, Proxy, user_info};
use crate::contract::{Host, Target};

/// The port that version 4 assumes.
const USUAL_PORT: u16 = 80;

/// Who signs in where, with Basic credentials (RFC 7617). The default is nobody nowhere.
#[derive(Clone, Debug, Default)]
pub struct Logins(BTreeMap<Place, Credentials>);

/// Where credentials hold; `None` is anywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    host: Option<Host>,
    port: Option<u16>,
}

/// One item: where, and who.
#[derive(Clone, Debug)]
pub struct Login {
    place: Place,
    credentials: Credentials,
}

/// An item cannot be used. No variant holds what was given: a password may be in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLogin {
    /// Not the form of the version.
    #[error("it has not the form that is meant here")]
    Form,
    /// The host is no host.
    #[error("a host name, an IP address or * is meant for the host")]
    Host,
    /// The port is no port.
    #[error("a number from 1 to 65535 or * is meant for the port")]
    Port,
    /// User and password cannot be used.
    #[error(transparent)]
    Credentials(#[from] InvalidCredentials),
    /// There is one for the same place already.
    #[error("there are credentials for the same host and port already")]
    Duplicate,
}

impl Login {
    /// For one site or proxy.
    #[must_use]
    pub fn at(target: Target, credentials: Credentials) -> Self {
        let place = Place { host: Some(target.host), port: Some(target.port) };
        Self { place, credentials }
    }

    /// Reads version 5's `user[:password]@host:port`; `*` is any host or any port. User and
    /// password may hold `%` escapes.
    ///
    /// # Errors
    ///
    /// [`InvalidLogin`] says what is wrong.
    pub fn parse_v5(text: &str) -> Result<Self, InvalidLogin> {
        let (info, place) = text.trim().rsplit_once('@').ok_or(InvalidLogin::Form)?;
        let (host, port) = place.rsplit_once(':').ok_or(InvalidLogin::Port)?;
        Ok(Self { place: Place::parse(host, port)?, credentials: user_info(info)? })
    }

    /// Reads version 4's `host[:port]:user:password`; port 80 is meant without one.
    ///
    /// # Errors
    ///
    /// [`InvalidLogin`] says what is wrong.
    pub fn parse_v4(text: &str) -> Result<Self, InvalidLogin> {
        let text = text.trim();
        // The colons within the brackets of an IPv6 address separate nothing.
        let end = text.find(']').map_or(0, |at| at + 1);
        let colon = text.get(end..).and_then(|rest| rest.find(':')).ok_or(InvalidLogin::Form)?;
        let (host, rest) = text.split_at(end + colon);
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        let is_port = |port: &str| port == "*" || port.bytes().all(|byte| byte.is_ascii_digit());
        let (place, info) = match rest.split_once(':') {
            Some((port, info)) if !port.is_empty() && is_port(port) && info.contains(':') => {
                (Place::parse(host, port)?, info)
            }
            Some(_) => (Place { host: Place::host(host)?, port: Some(USUAL_PORT) }, rest),
            None => return Err(InvalidLogin::Form),
        };
        Ok(Self { place, credentials: Credentials::parse(info)? })
    }
}

impl Place {
    fn host(text: &str) -> Result<Option<Host>, InvalidLogin> {
        match text {
            "*" | "" => Ok(None),
            _ => Host::parse(text).map(Some).map_err(|_| InvalidLogin::Host),
        }
    }

    fn parse(host: &str, port: &str) -> Result<Self, InvalidLogin> {
        let host = Self::host(host)?;
        let port = match port {
            "*" => None,
            _ => Some(port.parse().ok().filter(|port| *port != 0).ok_or(InvalidLogin::Port)?),
        };
        Ok(Self { host, port })
    }
}

impl Logins {
    /// Takes all items.
    ///
    /// # Errors
    ///
    /// [`InvalidLogin::Duplicate`] and the number of the second item for a place, from 1.
    pub fn new(items: impl IntoIterator<Item = Login>) -> Result<Self, (usize, InvalidLogin)> {
        let mut all = BTreeMap::new();
        for (number, login) in (1..).zip(items) {
            if all.insert(login.place, login.credentials).is_some() {
                return Err((number, InvalidLogin::Duplicate));
            }
        }
        Ok(Self(all))
    }

    /// The credentials for a site or proxy. The most specific ones count: its host and port, the
    /// port of any host, any port of the host, anything.
    #[must_use]
    pub fn find(&self, target: &Target) -> Option<&Credentials> {
        if self.0.is_empty() {
            return None;
        }
        let (host, port) = (|| Some(target.host.clone()), Some(target.port));
        [(host(), port), (None, port), (host(), None), (None, None)]
            .into_iter()
            .find_map(|(host, port)| self.0.get(&Place { host, port }))
    }

    /// The value of `Authorization` for a site.
    pub(crate) fn value_for(&self, target: &Target) -> Option<Vec<u8>> {
        let credentials = self.find(target)?;
        Some([b"Basic ", &*crate::upstream::basic(credentials)].concat())
    }

    /// Gives a proxy its credentials, unless it has some.
    pub fn sign_in(&self, proxy: &mut Proxy) {
        if proxy.credentials.is_none() {
            proxy.credentials = self.find(&proxy.address).cloned();
        }
    }

    /// Whether nobody signs in anywhere.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The hosts that are named, each once, but for port 80 alone: their TLS has to be opened for
    /// credentials to be put in. Credentials for any host name none.
    pub fn tls_hosts(&self) -> impl Iterator<Item = &Host> {
        let mut last = None;
        let places = self.0.keys().filter(|place| place.port != Some(USUAL_PORT));
        // Places of one host stand together.
        places.filter_map(|place| place.host.as_ref()).filter(move |host| {
            let is_new = last != Some(*host);
            last = Some(*host);
            is_new
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;

    fn user(logins: &Logins, target: &str) -> Option<alloc::string::String> {
        logins.find(&target.parse().unwrap()).map(|found| found.user().into())
    }

    #[test]
    fn the_most_specific_credentials_count() {
        let items = ["all:p@*:*", "host:p@a.test:*", "port:p@*:81", "exact:p@A.test:81"];
        let logins = Logins::new(items.map(|item| Login::parse_v5(item).unwrap())).unwrap();
        for (target, expected) in
            [("a.test:81", "exact"), ("b.test:81", "port"), ("a.test:80", "host"), ("b:1", "all")]
        {
            assert_eq!(user(&logins, target).as_deref(), Some(expected), "{target}");
        }
        assert_eq!(user(&Logins::default(), "a.test:81"), None);
    }

    #[test]
    fn version_4_has_the_other_order_and_port_80() {
        for (item, target, who, word) in [
            ("a.test:8080:anna:s:e", "a.test:8080", "anna", "s:e"),
            ("a.test:anna:secret", "a.test:80", "anna", "secret"),
            ("[::1]:81:anna:x", "[::1]:81", "anna", "x"),
            ("*:*:anna:x", "b.test:7", "anna", "x"),
            ("a.test:anna:", "a.test:80", "anna", ""),
        ] {
            let logins = Logins::new([Login::parse_v4(item).unwrap()]).unwrap();
            let found = logins.find(&target.parse().unwrap()).unwrap();
            assert_eq!((found.user(), found.expose()), (who, word), "{item}");
        }
    }

    #[test]
    fn hosts_whose_tls_is_to_be_opened_are_named_once() {
        let items = ["u@b.test:443", "v@a.test:80", "u@b.test:*", "u@*:443", "u@[::1]:8443"];
        let logins = Logins::new(items.map(|item| Login::parse_v5(item).unwrap())).unwrap();
        let hosts: Vec<_> = logins.tls_hosts().map(|host| alloc::format!("{host}")).collect();
        assert_eq!(hosts, ["b.test", "[::1]"]);
        assert!(!logins.is_empty() && Logins::default().is_empty());
    }

    #[test]
    fn what_is_no_login_is_refused_and_so_is_a_second_for_a_place() {
        for (item, why) in [
            ("a.test:80", InvalidLogin::Form),
            ("u:p@a.test", InvalidLogin::Port),
            ("u:p@a.test:0", InvalidLogin::Port),
            ("u:p@a b:1", InvalidLogin::Host),
            ("@a.test:1", InvalidLogin::Credentials(InvalidCredentials::Length)),
        ] {
            assert_eq!(Login::parse_v5(item).unwrap_err(), why, "{item}");
        }
        assert_eq!(Login::parse_v4("a.test:secret").unwrap_err(), InvalidLogin::Form);
        let twice = ["u:p@A.test:1", "v:p@a.test:1"].map(|item| Login::parse_v5(item).unwrap());
        assert_eq!(Logins::new(twice).unwrap_err(), (2, InvalidLogin::Duplicate));
    }
}
