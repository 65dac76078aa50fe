//! Ids and secrets as JSON strings of hexadecimal digits.

use std::fmt;
use std::str::FromStr;

use sc_proto::contract::{ParseHexError, TunnelSecret};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// SHA-256 of a certificate's DER form: what a client pins. 64 lower-case hex digits in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CertificateSha256(pub(crate) [u8; 32]);

impl fmt::Display for CertificateSha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for CertificateSha256 {
    type Err = ParseHexError;
    fn from_str(text: &str) -> Result<Self, ParseHexError> {
        // A secret and a hash are both 32 bytes in hex; one parser is enough.
        Ok(Self(*text.parse::<TunnelSecret>()?.expose()))
    }
}

impl Serialize for CertificateSha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CertificateSha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// For `#[serde(with)]` on a [`TunnelId`](sc_proto::contract::TunnelId).
pub(super) mod tunnel_id {
    use sc_proto::contract::TunnelId;
    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        id: &TunnelId,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<TunnelId, D::Error> {
        super::from_text(deserializer)
    }
}

/// For `#[serde(with)]` on a [`TunnelSecret`].
pub(super) mod tunnel_secret {
    use sc_proto::contract::TunnelSecret;
    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        secret: &TunnelSecret,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&secret.to_hex())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<TunnelSecret, D::Error> {
        super::from_text(deserializer)
    }
}

/// Reads a string and parses it. The error never shows the string: it may be a secret.
fn from_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = ParseHexError>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_round_trips_and_wrong_ones_are_refused() {
        let pin = CertificateSha256([0x5a; 32]);
        let json = serde_json::to_string(&pin).unwrap();
        assert_eq!(json, format!("\"{}\"", "5a".repeat(32)));
        assert_eq!(serde_json::from_str::<CertificateSha256>(&json).unwrap(), pin);
        assert!(serde_json::from_str::<CertificateSha256>("\"5a\"").is_err());
    }
}
