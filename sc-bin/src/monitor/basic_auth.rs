//! HTTP Basic (RFC 7617), for one user.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;

/// The one user name and password that may ask. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BasicAuth(String);

/// A text is not `USER[:PASSWORD]`. It is not repeated here: it may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be USER:PASSWORD or USER, without control characters")]
pub(crate) struct InvalidBasicAuth;

/// Whether a request may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Granted,
    Denied,
}

impl BasicAuth {
    /// Takes `USER[:PASSWORD]`.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidBasicAuth> {
        let user = text.split(':').next().unwrap_or_default();
        if user.is_empty() || text.contains(|c: char| c.is_control()) {
            return Err(InvalidBasicAuth);
        }
        let pair = if text.contains(':') { text.to_owned() } else { format!("{text}:") };
        Ok(Self(pair))
    }

    /// Judges the value of an `Authorization` field.
    pub(super) fn judge(&self, authorization: Option<&[u8]>) -> Access {
        let given = authorization.and_then(credentials).unwrap_or_default();
        match bool::from(given.ct_eq(self.0.as_bytes())) {
            true => Access::Granted,
            false => Access::Denied,
        }
    }

    /// The value of an `Authorization` field that is let in.
    pub(crate) fn authorization(&self) -> String {
        format!("Basic {}", STANDARD.encode(&self.0))
    }
}

/// The credentials in `Basic BASE64`.
fn credentials(field: &[u8]) -> Option<Vec<u8>> {
    let (scheme, encoded) = std::str::from_utf8(field).ok()?.trim().split_once(' ')?;
    let is_basic = scheme.eq_ignore_ascii_case("basic");
    is_basic.then(|| STANDARD.decode(encoded.trim()).ok()).flatten()
}

impl fmt::Debug for BasicAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BasicAuth(****)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_pair_is_let_in() {
        let auth = BasicAuth::parse("anna:a:b").unwrap();
        let good = auth.authorization();
        assert_eq!(auth.judge(Some(good.as_bytes())), Access::Granted);
        assert_eq!(auth.judge(Some(good.replace("Basic", "bAsIc ").as_bytes())), Access::Granted);
        for bad in ["", "Basic", "Basic !", "Basic YW5uYTph", "Bearer YW5uYTphOmI="] {
            assert_eq!(auth.judge(Some(bad.as_bytes())), Access::Denied, "{bad}");
        }
        assert_eq!(auth.judge(None), Access::Denied);
        let bare = BasicAuth::parse("anna").unwrap();
        assert_eq!(bare, BasicAuth::parse("anna:").unwrap());
        for wrong in ["", ":x", "a\nb:c"] {
            assert_eq!(BasicAuth::parse(wrong), Err(InvalidBasicAuth), "{wrong:?}");
        }
        assert!(!format!("{auth:?}").contains("anna"));
    }
}
