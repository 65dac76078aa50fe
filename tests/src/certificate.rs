//! A certificate authority of the test's own.

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use tempfile::TempDir;

/// A CA and one server certificate for `localhost` and `127.0.0.1`, as PEM files in a folder
/// that goes away with it.
#[derive(Debug)]
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Makes both.
    ///
    /// # Panics
    /// If that fails, which it does not on a healthy machine.
    pub fn new() -> Self {
        Self::for_names(&["localhost", "127.0.0.1"])
    }

    /// Makes both, the server's for these names.
    ///
    /// # Panics
    /// If one of them cannot be in a certificate.
    pub fn for_names(names: &[&str]) -> Self {
        Self::made(names, |_| {})
    }

    /// As [`Self::new`]; the server's has expired long ago.
    ///
    /// # Panics
    /// As [`Self::new`].
    pub fn expired() -> Self {
        Self::made(&["localhost", "127.0.0.1"], |leaf| {
            (leaf.not_before, leaf.not_after) =
                (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        })
    }

    /// Makes both, the server's good in twenty years.
    ///
    /// # Panics
    /// As [`Self::new`].
    pub fn not_yet_valid() -> Self {
        Self::made(&["localhost"], |leaf| {
            (leaf.not_before, leaf.not_after) =
                (date_time_ymd(2046, 1, 1), date_time_ymd(2047, 1, 1));
        })
    }

    /// Makes a server's certificate that is signed by itself, and a CA that has nothing to do with it.
    ///
    /// # Panics
    /// As [`Self::new`].
    pub fn self_signed() -> Self {
        let made = Self::new();
        let key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(vec!["localhost".to_owned()]).expect("a valid name");
        let leaf = leaf.self_signed(&key).expect("a certificate");
        for (path, pem) in [(made.certificate(), leaf.pem()), (made.key(), key.serialize_pem())] {
            std::fs::write(path, pem).expect("a file in our own folder");
        }
        made
    }

    fn made(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut ca = CertificateParams::new(Vec::new()).expect("no names are valid names");
        // Without a name of its own it would have the leaf's, which would then look self-signed.
        ca.distinguished_name.push(DnType::CommonName, "CA of the sc tests");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_key = KeyPair::generate().expect("a key");
        let ca = CertifiedIssuer::self_signed(ca, ca_key).expect("a certificate");
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().expect("a key");
        let mut leaf = CertificateParams::new(names).expect("valid names");
        change(&mut leaf);
        let leaf = leaf.signed_by(&key, &ca).expect("a certificate");
        let made = Self { folder };
        for (path, pem) in [
            (made.ca(), ca.pem()),
            (made.certificate(), leaf.pem()),
            (made.key(), key.serialize_pem()),
        ] {
            std::fs::write(path, pem).expect("a file in our own folder");
        }
        made
    }

    /// The CA's certificate.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The server's certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("server.pem")
    }

    /// The server's private key.
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("server.key")
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}
