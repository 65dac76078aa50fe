//! Who may use a proxy port, and which tunnel that opens.
//!
//! A browser says who it is by HTTP Basic (RFC 7617): its password is the user's access key, its
//! user name `USER` or `USER+TUNNEL`. The core keeps what it was told for a moment and asks the
//! embedder otherwise, see [`Event::AccessWanted`](super::Event::AccessWanted).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use subtle::ConstantTimeEq as _;

use super::id::TunnelId;

/// Longest user name with the tunnel's, and longest key, in bytes.
const MAX_PART: usize = 1024;

/// Which proxy port a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// The one of this tunnel.
    Tunnel(TunnelId),
    /// One of this tunnel where nobody is asked.
    Open(TunnelId),
    /// The one of all tunnels: the credentials say which.
    Shared,
}

/// Whom a request says it is of.
#[derive(Clone, PartialEq, Eq)]
pub struct Visitor {
    /// As it was sent.
    user_id: Box<str>,
    user: Box<str>,
    tunnel: Option<Box<str>>,
    key: Box<str>,
}

/// Credentials cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the credentials are not USER or USER+TUNNEL and a key")]
pub struct InvalidVisitor;

impl Visitor {
    /// Reads what stands before and behind the colon of HTTP Basic.
    ///
    /// The first `+` ends the user's name, which holds none. In the tunnel's name `%` and two
    /// hexadecimal digits stand for a byte, as the colon cannot stand for itself.
    ///
    /// # Errors
    /// Without a user or key, with a control character, too long, or with a wrong `%`.
    pub fn new(user_id: &str, key: &str) -> Result<Self, InvalidVisitor> {
        let is_long = user_id.len() > MAX_PART || key.len() > MAX_PART;
        if is_long || key.is_empty() || user_id.chars().chain(key.chars()).any(char::is_control) {
            return Err(InvalidVisitor);
        }
        let (user, tunnel) = match user_id.split_once('+') {
            Some((user, tunnel)) => (user, decoded(tunnel)?),
            None => (user_id, String::new()),
        };
        if user.is_empty() {
            return Err(InvalidVisitor);
        }
        let tunnel = (!tunnel.is_empty()).then(|| tunnel.into_boxed_str());
        Ok(Self { user_id: user_id.into(), user: user.into(), tunnel, key: key.into() })
    }

    /// The user.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The tunnel's name, if it is named.
    #[must_use]
    pub fn tunnel(&self) -> Option<&str> {
        self.tunnel.as_deref()
    }

    /// User and tunnel as they were sent, in one.
    pub(crate) fn user_id(&self) -> &str {
        &self.user_id
    }

    /// The access key, to be verified.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.key
    }

    /// Whether the keys are the same; takes the same time for all keys of one length.
    pub(crate) fn has_key_of(&self, other: &Self) -> bool {
        bool::from(self.key.as_bytes().ct_eq(other.key.as_bytes()))
    }
}

/// Shows nothing of the key.
impl fmt::Debug for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, tunnel, .. } = self;
        write!(f, "Visitor({user:?}, {tunnel:?}, ****)")
    }
}

/// Reads `%XX`.
fn decoded(text: &str) -> Result<String, InvalidVisitor> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || {
            let digit = rest.next().and_then(|byte| char::from(byte).to_digit(16));
            digit.and_then(|digit| u8::try_from(digit).ok()).ok_or(InvalidVisitor)
        };
        bytes.push(digit()? << 4 | digit()?);
    }
    let text = String::from_utf8(bytes).map_err(|_| InvalidVisitor)?;
    if text.chars().any(char::is_control) { Err(InvalidVisitor) } else { Ok(text) }
}

/// What an embedder says of a visitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// The request goes by this tunnel.
    Granted(TunnelId),
    /// It does not.
    Refused(AccessRefused),
}

/// Why a visitor is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessRefused {
    /// No credentials, or wrong ones: 407, so that a person is asked.
    Credentials,
    /// Too many wrong ones.
    TooManyAttempts {
        /// When the next try counts.
        retry_after: Duration,
    },
    /// The credentials are right, and the tunnel is not there.
    NoSuchTunnel {
        /// The one that was named.
        wanted: Option<Box<str>>,
        /// The user's tunnels that are. At most [`MAX_NAMED`] are shown.
        running: Vec<TunnelName>,
    },
    /// The embedder cannot tell now.
    Unchecked,
}

/// Most tunnels that an error names.
pub const MAX_NAMED: usize = 20;

/// The name of a tunnel; `None`: it has none.
pub type TunnelName = Option<Box<str>>;

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn parts(user_id: &str) -> Option<(String, Option<String>)> {
        let visitor = Visitor::new(user_id, "key").ok()?;
        Some((visitor.user().into(), visitor.tunnel().map(String::from)))
    }

    #[test]
    fn a_user_may_name_a_tunnel() {
        for (user_id, user, tunnel) in [
            ("jane", "jane", None),
            ("jane+", "jane", None),
            ("jane@x.test+ci", "jane@x.test", Some("ci")),
            ("jane+a+b c/d", "jane", Some("a+b c/d")),
            ("jane+a%3Ab%2b%25%C3%a9é", "jane", Some("a:b+%éé")),
        ] {
            let expected = Some((user.into(), tunnel.map(String::from)));
            assert_eq!(parts(user_id), expected, "{user_id}");
        }
        for bad in ["", "+x", "j\0", "j+%", "j+%3", "j+%zz", "j+%+1", "j+%00", "j+%ff"] {
            assert_eq!(parts(bad), None, "{bad:?}");
        }
        assert!(Visitor::new("jane", "").is_err());
        assert!(Visitor::new(&"j".repeat(MAX_PART + 1), "k").is_err());
    }

    #[test]
    fn a_key_does_not_show() {
        let visitor = Visitor::new("jane+ci", "secret").unwrap();
        assert_eq!(format!("{visitor:?}"), "Visitor(\"jane\", Some(\"ci\"), ****)");
        assert!(visitor.has_key_of(&Visitor::new("bob", "secret").unwrap()));
        assert!(!visitor.has_key_of(&Visitor::new("jane+ci", "Secret").unwrap()));
    }
}
