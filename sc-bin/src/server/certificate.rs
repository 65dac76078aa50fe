//! The certificate of the tunnel listener: given, or made by the server itself.
//!
//! The server's own comes from its own CA, both kept in the data directory. Clients are told the
//! SHA-256 of the leaf in the REST answer and accept only that one, so the CA needs no place in
//! anybody's trust store; who likes can give `ca.pem` to a client all the same.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use sc_proto::tls::{TlsError, TlsServer};
use serde::{Deserialize, Serialize};

use super::data_dir::{self, DataDir, DataDirError};
use crate::api::CertificateSha256;

/// A certificate chain and its key, in PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertificateFiles {
    /// The chain, leaf first.
    pub(crate) certificate: PathBuf,
    /// The leaf's private key.
    pub(crate) key: PathBuf,
}

/// There is no certificate to use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] DataDirError),
    /// What the file holds cannot be used.
    #[error("cannot use the certificate {} with the key {}: {source}", files.certificate.display(), files.key.display())]
    Unusable {
        /// The files.
        files: CertificateFiles,
        /// Why.
        source: TlsError,
    },
    /// The server's own could not be made.
    #[error("cannot make a certificate for {names}: {source}")]
    Make {
        /// What it should cover.
        names: String,
        /// Why not.
        source: rcgen::Error,
    },
}

/// Who the tunnel listener is.
#[derive(Clone, Debug)]
pub(crate) struct TunnelCertificate {
    /// For the core.
    pub(crate) tls: TlsServer,
    /// What clients are told to accept; `None`: what their root certificates say.
    pub(crate) pin: Option<CertificateSha256>,
}

const CA: &str = "ca.pem";
const CA_KEY: &str = "ca-key.pem";
pub(super) const LEAF: &str = "tunnel.pem";
const LEAF_KEY: &str = "tunnel-key.pem";
const ISSUED: &str = "issued.json";

/// How long a CA is good.
const CA_LIFE: Duration = Duration::from_secs(20 * 365 * 86_400);
/// How long a leaf is good. 825 days is the most that widespread verifiers take from a private CA.
const LEAF_LIFE: Duration = Duration::from_secs(825 * 86_400);
/// At start, a leaf that has less than this left is replaced: so long may a server run.
const LEAF_RESERVE: Duration = Duration::from_secs(400 * 86_400);
/// Certificates begin so long before they are made, for clients whose clock is slow.
const BACKDATED: Duration = Duration::from_secs(86_400);

/// What was issued, so that nobody needs to parse it to know whether it is still right.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Issued {
    names: BTreeSet<String>,
    ca_not_after: u64,
    leaf_not_after: u64,
}

impl TunnelCertificate {
    /// Takes a given certificate. Clients then check it against their root certificates.
    pub(crate) fn given(files: &CertificateFiles) -> Result<Self, CertificateError> {
        Ok(Self { tls: read(files)?, pin: None })
    }

    /// Takes the server's own certificate; makes it if it is missing, does not cover `host`, or
    /// ends too soon. `now` is in Unix seconds.
    pub(crate) fn own(dir: &DataDir, host: &str, now: u64) -> Result<Self, CertificateError> {
        let names: BTreeSet<String> =
            ["localhost", "127.0.0.1", "::1", host].into_iter().map(str::to_owned).collect();
        let files = CertificateFiles {
            certificate: dir.certificate_file(LEAF),
            key: dir.certificate_file(LEAF_KEY),
        };
        let present = match is_still_right(dir, &names, now) {
            // Files that do not go together are of a start that was cut short.
            true => read(&files).ok(),
            false => None,
        };
        let tls = match present {
            Some(tls) => tls,
            None => {
                issue(dir, names, now)?;
                read(&files)?
            }
        };
        let pin = Some(CertificateSha256(tls.leaf_sha256()));
        Ok(Self { tls, pin })
    }
}

/// The certificate and key of two files.
pub(super) fn read(files: &CertificateFiles) -> Result<TlsServer, CertificateError> {
    let content = |what, path: &Path| std::fs::read(path).map_err(data_dir::doing(what, path));
    let chain = content("read the certificate", &files.certificate)?;
    let key = content("read the private key", &files.key)?;
    TlsServer::from_pem(&chain, &key)
        .map_err(|source| CertificateError::Unusable { files: files.clone(), source })
}

fn issued(dir: &DataDir) -> Option<Issued> {
    let json = std::fs::read(dir.certificate_file(ISSUED)).ok()?;
    serde_json::from_slice(&json).ok()
}

fn is_still_right(dir: &DataDir, names: &BTreeSet<String>, now: u64) -> bool {
    let are_there = [LEAF, LEAF_KEY].iter().all(|name| dir.certificate_file(name).is_file());
    let Some(issued) = issued(dir) else {
        return false;
    };
    are_there && issued.names == *names && issued.leaf_not_after > now + LEAF_RESERVE.as_secs()
}

/// Makes a leaf, and a CA if the present one is missing or ends before that leaf would.
fn issue(dir: &DataDir, names: BTreeSet<String>, now: u64) -> Result<(), CertificateError> {
    let leaf_not_after = now + LEAF_LIFE.as_secs();
    let ca_key_file = dir.certificate_file(CA_KEY);
    let present =
        issued(dir).filter(|issued| issued.ca_not_after >= leaf_not_after).and_then(|issued| {
            let pem = std::fs::read_to_string(&ca_key_file).ok()?;
            Some((KeyPair::from_pem(&pem).ok()?, issued.ca_not_after))
        });
    let made = || {
        let (ca_key, ca_not_after, ca_pem) = match present {
            Some((key, not_after)) => (key, not_after, None),
            None => {
                let key = KeyPair::generate()?;
                let not_after = now + CA_LIFE.as_secs();
                let pem = ca_params(now, not_after).self_signed(&key)?.pem();
                (key, not_after, Some(pem))
            }
        };
        let ca_key_pem = ca_key.serialize_pem();
        let issuer = Issuer::new(ca_params(now, ca_not_after), ca_key);
        let leaf_key = KeyPair::generate()?;
        let leaf = leaf_params(&names, now, leaf_not_after)?.signed_by(&leaf_key, &issuer)?;
        Ok((ca_not_after, ca_pem, ca_key_pem, leaf.pem(), leaf_key.serialize_pem()))
    };
    let (ca_not_after, ca_pem, ca_key_pem, leaf_pem, leaf_key_pem) =
        made().map_err(|source| CertificateError::Make {
            names: names.iter().cloned().collect::<Vec<_>>().join(", "),
            source,
        })?;

    let write =
        |name, content: &[u8]| data_dir::write_private_file(&dir.certificate_file(name), content);
    if let Some(ca_pem) = ca_pem {
        write(CA_KEY, ca_key_pem.as_bytes())?;
        write(CA, ca_pem.as_bytes())?;
    }
    write(LEAF_KEY, leaf_key_pem.as_bytes())?;
    write(LEAF, leaf_pem.as_bytes())?;
    let issued = Issued { names, ca_not_after, leaf_not_after };
    // Last: a start that was cut short is made good by the next one.
    write(ISSUED, serde_json::json!(issued).to_string().as_bytes())?;
    log::info!("made a certificate for the tunnel listener in {}", dir.path().display());
    Ok(())
}

fn ca_params(now: u64, not_after: u64) -> CertificateParams {
    let mut params = params_valid(now, not_after, "sc server's own CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn leaf_params(
    names: &BTreeSet<String>,
    now: u64,
    not_after: u64,
) -> Result<CertificateParams, rcgen::Error> {
    let names: Vec<String> = names.iter().cloned().collect();
    let mut params = params_valid(now, not_after, "sc server");
    params.subject_alt_names = CertificateParams::new(names)?.subject_alt_names;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn params_valid(now: u64, not_after: u64, name: &str) -> CertificateParams {
    let mut distinguished_name = DistinguishedName::new();
    distinguished_name.push(DnType::CommonName, name);
    let at = |unix: u64| date_time_ymd(1970, 1, 1) + Duration::from_secs(unix);
    let mut params = CertificateParams::default();
    params.not_before = at(now.saturating_sub(BACKDATED.as_secs()));
    params.not_after = at(not_after);
    params.distinguished_name = distinguished_name;
    params
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;
    const DAY: u64 = 86_400;

    fn pin(dir: &DataDir, host: &str, now: u64) -> CertificateSha256 {
        TunnelCertificate::own(dir, host, now).unwrap().pin.unwrap()
    }

    #[test]
    fn it_is_kept_as_long_as_it_is_right() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = DataDir::open(temporary.path()).unwrap();
        let ca = || std::fs::read(dir.certificate_file(CA)).unwrap();
        let first = pin(&dir, "sc.example", NOW);
        let first_ca = ca();
        assert_eq!(pin(&dir, "sc.example", NOW + 100 * DAY), first, "kept");
        let renewed = pin(&dir, "sc.example", NOW + 600 * DAY);
        assert_ne!(renewed, first, "renewed before its end");
        let renamed = pin(&dir, "other.example", NOW + 601 * DAY);
        assert_ne!(renamed, renewed, "made again for another name");
        assert_eq!(ca(), first_ca, "the CA stays");
        pin(&dir, "other.example", NOW + 19 * 365 * DAY);
        assert_ne!(ca(), first_ca, "until it would end before the leaf");
    }

    #[test]
    fn a_broken_data_dir_heals() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = DataDir::open(temporary.path()).unwrap();
        pin(&dir, "127.0.0.1", NOW);
        for name in [ISSUED, LEAF, LEAF_KEY] {
            std::fs::remove_file(dir.certificate_file(name)).unwrap();
            pin(&dir, "127.0.0.1", NOW);
        }
        let other = std::fs::read(dir.certificate_file(CA_KEY)).unwrap();
        std::fs::write(dir.certificate_file(LEAF_KEY), other).unwrap();
        pin(&dir, "127.0.0.1", NOW);
        std::fs::write(dir.certificate_file(ISSUED), b"{").unwrap();
        pin(&dir, "127.0.0.1", NOW);
    }

    #[test]
    fn an_unusable_name_is_an_error() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = DataDir::open(temporary.path()).unwrap();
        let made = TunnelCertificate::own(&dir, "näme", NOW);
        assert!(matches!(made, Err(CertificateError::Make { .. })), "{made:?}");
    }
}
