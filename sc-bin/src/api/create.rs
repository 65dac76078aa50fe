//! Making a tunnel: `POST /{user}/tunnels`.

use sc_proto::contract::TunnelSecret;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::hex::{self, CertificateSha256};
use super::metadata::Metadata;
use super::rules::Rules;
use super::tunnel::Tunnel;

/// The request, in the form of version 4 and of version 5 clients.
///
/// Fields that the server does nothing with yet, but which change what the user gets, are read
/// all the same: the answer warns about them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct CreateTunnel {
    /// The name; none or an empty one for the user's unnamed tunnel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tunnel_identifier: Option<String>,
    /// `kgp` (version 4) or `h2c` (version 5). The answer says what it will be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) protocol: Option<String>,
    /// Join or found a pool of tunnels of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tunnel_pool: Option<bool>,
    /// Share it (version 4). With whom depends on the owner's role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shared_tunnel: Option<bool>,
    /// Share it (version 5): `all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shared: Option<String>,
    /// Answers are not to be cached for this tunnel (version 4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) no_proxy_caching: Option<bool>,
    /// What version 4 clients ask the server to run. Kept and shown, nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) vm_version: Option<String>,
    /// Where its requests go.
    #[serde(flatten)]
    pub(crate) rules: Rules,
    /// JSON inside a string (version 4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) extra_info: Option<String>,
    /// About the client.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "object_or_null")]
    pub(crate) metadata: Option<Metadata>,
}

/// No array: one would be read as the fields in their order.
fn object_or_null<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Metadata>, D::Error> {
    let fields = Option::<Map<String, Value>>::deserialize(deserializer)?;
    let read = |fields| serde_json::from_value(Value::Object(fields));
    fields.map(read).transpose().map_err(D::Error::custom)
}

/// The answer: the tunnel, and what only its creator is told, once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CreateAnswer {
    /// The tunnel.
    #[serde(flatten)]
    pub(crate) tunnel: Tunnel,
    /// What to show to the user.
    #[serde(default)]
    pub(crate) messages: Messages,
    /// Extension: how to connect.
    pub(crate) kgp: KgpAccess,
}

/// Extension: what a client needs to connect to its tunnel's server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KgpAccess {
    /// Proof of the right to serve the tunnel.
    #[serde(with = "hex::tunnel_secret")]
    pub(crate) secret: TunnelSecret,
    /// The one certificate to accept. `None`: check the certificate against root certificates.
    pub(crate) certificate_sha256: Option<CertificateSha256>,
}

/// Texts for the user, by weight.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Messages {
    /// The client prints them and stops.
    pub(crate) fatal: Vec<String>,
    /// The client prints them and goes on.
    pub(crate) warning: Vec<String>,
    /// The client prints them.
    pub(crate) info: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_and_unknown_fields_are_read() {
        let v4 = r#"{"tunnel_identifier": null, "protocol": "kgp", "shared_tunnel": false,
            "domain_names": ["sauce-connect.proxy"], "direct_domains": null, "ssh_port": 443,
            "use_kgp": true, "squid_config": null, "extra_info": "{}", "vm_version": "",
            "metadata": {"release": "4.9", "host_memory": 1, "later": [1]}}"#;
        let v4: CreateTunnel = serde_json::from_str(v4).unwrap();
        assert_eq!(v4.tunnel_identifier, None);
        assert_eq!(v4.metadata.unwrap().release.as_deref(), Some("4.9"));
        let v5 = r#"{"tunnel_identifier": "ci-42", "protocol": "h2c", "shared": "",
            "tunnel_pool": true, "deny_domains": ["a"], "metadata": {"extra": {"runner": "ci"}}}"#;
        let v5: CreateTunnel = serde_json::from_str(v5).unwrap();
        assert_eq!(v5.tunnel_identifier.as_deref(), Some("ci-42"));
        assert_eq!(v5.tunnel_pool, Some(true));
        assert_eq!(v5.rules.deny_domains, Some(vec!["a".to_owned()]));
    }

    #[test]
    fn a_secret_does_not_show() {
        let access = KgpAccess { secret: TunnelSecret::new([0xab; 32]), certificate_sha256: None };
        assert!(!format!("{access:?}").contains("abab"));
        let json = serde_json::to_value(&access).unwrap();
        assert_eq!(json["secret"], "ab".repeat(32));
        assert!(json["certificate_sha256"].is_null());
    }
}
