//! Access keys: what a user proves to be the user with.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use super::random::{self, NoRandomness};

/// A new access key, to be shown once. 128 random bits in the usual shape of a UUID.
///
/// Its `Debug` form shows nothing of it; [`AccessKey::expose`] does.
pub(crate) struct AccessKey(String);

impl AccessKey {
    /// Makes one from the system's random numbers.
    pub(crate) fn generate() -> Result<Self, NoRandomness> {
        let bytes: [u8; 16] = random::bytes()?;
        let mut text = String::with_capacity(36);
        for (index, byte) in bytes.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            text.push_str(&format!("{byte:02x}"));
        }
        Ok(Self(text))
    }

    /// The key.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey(****)")
    }
}

/// What is stored of a key.
///
/// One round of SHA-256 without salt is right here, and a slow password hash is not: keys are
/// made by [`AccessKey::generate`] only and have 128 random bits, so that neither a dictionary nor
/// 2^100 guesses help whoever has the hashes, while every REST call has to compute one.
pub(crate) fn sha256_of_key(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// Whether `presented` is the key whose hash is `stored`. Takes the same time for a wrong key,
/// and for a user who does not exist (`None`).
pub(crate) fn verify(presented: &str, stored: Option<&[u8; 32]>) -> Choice {
    let is_known = Choice::from(u8::from(stored.is_some()));
    let stored = stored.copied().unwrap_or_default();
    sha256_of_key(presented).ct_eq(&stored) & is_known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_their_shape_and_differ() {
        let (a, b) = (AccessKey::generate().unwrap(), AccessKey::generate().unwrap());
        assert_ne!(a.expose(), b.expose());
        let parts: Vec<_> = a.expose().split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(format!("{a:?}"), "AccessKey(****)");
    }

    #[test]
    fn only_the_right_key_is_right() {
        let stored = sha256_of_key("secret");
        assert!(bool::from(verify("secret", Some(&stored))));
        assert!(!bool::from(verify("Secret", Some(&stored))));
        assert!(!bool::from(verify("secret", None)));
        // Nobody's key hashes to the stand-in for a missing user, but it would not help either.
        assert!(!bool::from(verify("", None)));
    }
}
