//! The CA of re-signed TLS, and the leaves that it signs.
//!
//! Browsers under test have to trust this CA; `GET /rest/v1/ca.pem` gives it. It signs nothing
//! else: the certificate of the tunnel listener has a CA of its own.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber, date_time_ymd,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use sc_proto::contract::Host;
use sc_proto::tls::{Leaf, LeafKey, Leaves, TlsError};

use super::certificate::CertificateFiles;
use super::data_dir::{self, DataDir, DataDirError};
use super::random::{self, NoRandomness};

/// Files in the data directory.
const CA: &str = "resign-ca.pem";
const CA_KEY: &str = "resign-ca-key.pem";
/// How long the server's own CA is good.
const CA_LIFE: Duration = Duration::from_secs(20 * 365 * 86_400);
/// A leaf is good for so long before and after it is made, for browsers whose clock is wrong.
const LEAF_BEFORE: Duration = Duration::from_secs(2 * 86_400);
const LEAF_AFTER: Duration = Duration::from_secs(7 * 86_400);
/// A leaf older than this is made anew.
const LEAF_AGE: Duration = Duration::from_secs(86_400);
/// Most leaves that are kept.
const MAX_LEAVES: usize = 1024;
/// Longest common name that verifiers take (RFC 5280, appendix A.1).
const MAX_COMMON_NAME: usize = 64;

/// There is no CA for re-signed TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResignError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] DataDirError),
    /// What the files hold cannot be used.
    #[error("cannot re-sign TLS with the CA {}: {why}", certificate.display())]
    Unusable {
        /// The certificate's file.
        certificate: std::path::PathBuf,
        /// What is wrong.
        why: String,
    },
    /// It could not be made.
    #[error("cannot make a CA for re-signed TLS: {0}")]
    Make(#[from] rcgen::Error),
    /// The key of leaves cannot be used.
    #[error("cannot use the key of re-signed TLS: {0}")]
    Key(#[from] TlsError),
    /// No random numbers.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

/// The CA with the leaves that it has signed. Shared by all workers.
#[derive(Debug)]
pub(crate) struct ResignCa {
    /// The certificate, for browsers to trust.
    pem: String,
    /// What follows the leaf in a chain.
    chain: Vec<Vec<u8>>,
    issuer: Issuer<'static, KeyPair>,
    /// One key for all leaves: a key is dearer than a signature.
    key: KeyPair,
    leaf_key: LeafKey,
    leaves: Mutex<HashMap<Host, (Leaf, u64)>>,
}

impl ResignCa {
    /// Takes the given files, or the server's own CA; makes that if it is missing. `now` is in
    /// Unix seconds.
    pub(crate) fn open(
        given: Option<&CertificateFiles>,
        dir: &DataDir,
        now: u64,
    ) -> Result<Self, ResignError> {
        match given {
            Some(files) => Self::read(&files.certificate, &files.key),
            None => {
                let (certificate, key) = (dir.certificate_file(CA), dir.certificate_file(CA_KEY));
                if !certificate.is_file() || !key.is_file() {
                    make(&certificate, &key, now)?;
                }
                Self::read(&certificate, &key)
            }
        }
    }

    fn read(certificate: &Path, key: &Path) -> Result<Self, ResignError> {
        let content =
            |what, path: &Path| std::fs::read_to_string(path).map_err(data_dir::doing(what, path));
        let pem = content("read the certificate", certificate)?;
        let key_pem = content("read the private key", key)?;
        let unusable = |why: String| ResignError::Unusable { certificate: certificate.into(), why };
        let chain: Vec<Vec<u8>> = CertificateDer::pem_slice_iter(pem.as_bytes())
            .map(|der| der.map(|der| der.to_vec()))
            .collect::<Result<_, _>>()
            .map_err(|_| unusable("it is not a PEM file".to_owned()))?;
        let Some(ca) = chain.first() else {
            return Err(unusable("there is no certificate in it".to_owned()));
        };
        // What rcgen says of a key may not hold any of it; so this says nothing more.
        let ca_key = KeyPair::from_pem(&key_pem)
            .map_err(|_| unusable("its key cannot be used".to_owned()))?;
        let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(ca.clone()), ca_key)
            .map_err(|error| unusable(error.to_string()))?;
        let key = KeyPair::generate()?;
        let leaf_key = LeafKey::from_pkcs8(key.serialize_der())?;
        let leaves = Mutex::default();
        let this = Self { pem, chain, issuer, key, leaf_key, leaves };
        // A CA that cannot sign is told at the start, not to the first browser.
        this.sign(&Host::Name("localhost".into()), 0)?;
        Ok(this)
    }

    /// The certificate as PEM.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    fn sign(&self, host: &Host, now: u64) -> Result<Leaf, ResignError> {
        let name = host.to_string();
        let common_name = if name.len() <= MAX_COMMON_NAME { &name } else { "re-signed by sc" };
        let mut params = params(
            now.saturating_sub(LEAF_BEFORE.as_secs()),
            now + LEAF_AFTER.as_secs(),
            common_name,
        );
        params.subject_alt_names = vec![match host {
            Host::Name(name) => SanType::DnsName(name.to_string().try_into()?),
            Host::Ip(ip) => SanType::IpAddress(*ip),
        }];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        // rcgen would take it from the key, which is the same for all.
        let mut serial = random::bytes::<16>()?;
        serial[0] = serial[0] & 0x7f | 0x40;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        let leaf = params.signed_by(&self.key, &self.issuer)?;
        let mut chain = vec![leaf.der().to_vec()];
        chain.extend(self.chain.iter().cloned());
        Ok(Leaf::new(chain, &self.leaf_key))
    }
}

impl Leaves for ResignCa {
    fn leaf(&self, host: &Host, unix_time: u64) -> Option<Leaf> {
        let is_fresh = |made: u64| unix_time.abs_diff(made) < LEAF_AGE.as_secs();
        let kept = || self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((leaf, _)) = kept().get(host).filter(|(_, made)| is_fresh(*made)) {
            return Some(leaf.clone());
        }
        let leaf = match self.sign(host, unix_time) {
            Ok(leaf) => leaf,
            Err(error) => {
                log::error!("no certificate for {host}: {error}");
                return None;
            }
        };
        let mut kept = kept();
        if kept.len() >= MAX_LEAVES {
            kept.retain(|_, (_, made)| is_fresh(*made));
        }
        if kept.len() >= MAX_LEAVES
            && let Some(oldest) = kept.iter().min_by_key(|(_, (_, made))| *made)
        {
            let oldest = oldest.0.clone();
            kept.remove(&oldest);
        }
        kept.insert(host.clone(), (leaf.clone(), unix_time));
        Some(leaf)
    }
}

fn make(certificate: &Path, key_file: &Path, now: u64) -> Result<(), ResignError> {
    let key = KeyPair::generate()?;
    let [a, b, c, d] = random::bytes()?;
    // Browsers that have met another server's CA of the same name would take it for this one.
    let name = format!("sc server re-signing CA {a:02x}{b:02x}{c:02x}{d:02x}");
    let mut params =
        params(now.saturating_sub(LEAF_BEFORE.as_secs()), now + CA_LIFE.as_secs(), &name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let pem = params.self_signed(&key)?.pem();
    data_dir::write_private_file(key_file, key.serialize_pem().as_bytes())?;
    data_dir::write_private_file(certificate, pem.as_bytes())?;
    log::info!("made a CA for re-signed TLS: {}", certificate.display());
    Ok(())
}

fn params(from: u64, to: u64, common_name: &str) -> CertificateParams {
    let at = |unix: u64| date_time_ymd(1970, 1, 1) + Duration::from_secs(unix);
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name.push(DnType::OrganizationName, "sc");
    params.distinguished_name = name;
    params.not_before = at(from);
    params.not_after = at(to);
    params
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn ca(dir: &Path) -> ResignCa {
        ResignCa::open(None, &DataDir::open(dir).unwrap(), NOW).unwrap()
    }

    #[test]
    fn the_ca_is_made_once_and_its_key_is_private() {
        let temporary = tempfile::tempdir().unwrap();
        let first = ca(temporary.path()).pem().to_owned();
        assert_eq!(ca(temporary.path()).pem(), first);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(temporary.path().join(CA_KEY)).unwrap().permissions();
            assert_eq!(mode.mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn leaves_are_kept_within_a_bound_and_made_anew_when_old() {
        let temporary = tempfile::tempdir().unwrap();
        let ca = ca(temporary.path());
        let count = || ca.leaves.lock().unwrap().len();
        for i in 0..MAX_LEAVES as u64 + 5 {
            let host = Host::parse(&format!("h{i}.test")).unwrap();
            assert!(ca.leaf(&host, NOW + i).is_some());
        }
        assert_eq!(count(), MAX_LEAVES);
        let host = Host::parse("h9.test").unwrap();
        let made = || ca.leaves.lock().unwrap()[&host].1;
        assert_eq!(made(), NOW + 9);
        let _ = ca.leaf(&host, NOW + 100);
        assert_eq!(made(), NOW + 9);
        let _ = ca.leaf(&host, NOW + 9 + LEAF_AGE.as_secs());
        assert_eq!(made(), NOW + 9 + LEAF_AGE.as_secs());
    }

    #[test]
    fn any_host_gets_a_leaf() {
        let temporary = tempfile::tempdir().unwrap();
        let ca = ca(temporary.path());
        let long = format!("{}.{}.test", "a".repeat(60), "b".repeat(60));
        for host in ["192.0.2.1", "[2001:db8::1]", "under_score.test", &long] {
            assert!(ca.leaf(&Host::parse(host).unwrap(), NOW).is_some(), "{host}");
        }
    }

    #[test]
    fn a_ca_that_cannot_be_used_is_told() {
        let temporary = tempfile::tempdir().unwrap();
        drop(ca(temporary.path()));
        std::fs::write(temporary.path().join(CA), "nothing").unwrap();
        let dir = DataDir::open(temporary.path()).unwrap();
        let error = ResignCa::open(None, &dir, NOW).unwrap_err();
        assert!(matches!(error, ResignError::Unusable { .. }), "{error}");
    }
}
