//! Re-signed TLS as a server has it: a leaf for a site, and bytes that are opened at one end and
//! signed anew towards the other.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::tls::Pipes;

/// An authority and the one key of its leaves.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    key: KeyPair,
    made: u64,
}

impl Authority {
    /// Makes one.
    ///
    /// # Panics
    /// If there is no randomness.
    pub fn new() -> Self {
        let mut ca = CertificateParams::new(Vec::new()).expect("no names are good names");
        ca.distinguished_name.push(DnType::CommonName, "authority");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = Issuer::new(ca, KeyPair::generate().expect("a key"));
        Self { issuer, key: KeyPair::generate().expect("a key"), made: 0 }
    }

    /// Signs a leaf for a name that it has signed none for, as the server does for a site whose
    /// first browser comes. Says how many bytes it has.
    ///
    /// # Panics
    /// If it cannot sign.
    pub fn sign(&mut self) -> usize {
        self.made += 1;
        let name = format!("app{}.office.test", self.made);
        let mut leaf = CertificateParams::new(vec![name.clone()]).expect("a good name");
        leaf.distinguished_name.push(DnType::CommonName, name);
        leaf.use_authority_key_identifier_extension = true;
        leaf.signed_by(&self.key, &self.issuer).expect("a certificate").der().len()
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

/// What a byte goes through between a site and a browser: the tunnel's TLS in any case, and when it
/// is re-signed that of the site before and that of the browser behind.
#[derive(Debug)]
pub struct Way {
    site: Pipes,
    tunnel: Pipes,
    browser: Pipes,
}

impl Way {
    /// Connects all of it.
    pub fn new() -> Self {
        Self { site: Pipes::new(), tunnel: Pipes::new(), browser: Pipes::new() }
    }

    /// TLS of the site is passed on as bytes: the site encrypts and the browser decrypts all the
    /// same, so that only what the tunnel does differs.
    pub fn pass_through(&mut self, plain: &[u8]) -> usize {
        self.site.pass(plain) + self.tunnel.pass(plain)
    }

    /// The client decrypts, the tunnel carries, the server encrypts for the browser.
    pub fn resign(&mut self, plain: &[u8]) -> usize {
        self.site.pass(plain) + self.tunnel.pass(plain) + self.browser.pass(plain)
    }
}

impl Default for Way {
    fn default() -> Self {
        Self::new()
    }
}
