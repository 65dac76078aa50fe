//! Looking at a server's certificates: a handshake that goes on whatever they are, and tells.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme, Stream,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a server showed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    /// Its certificates (DER), leaf first.
    pub(crate) chain: Vec<Vec<u8>>,
    /// Why the leaf would not be accepted, if it would not.
    pub(crate) refused: Option<String>,
    /// Version of TLS.
    pub(crate) version: Option<String>,
}

/// Looks at the certificates of what answers on `socket`, to be judged by `roots`.
///
/// # Errors
///
/// It does not speak TLS, or not in time.
pub(crate) fn look(
    socket: &mut TcpStream,
    host: &str,
    roots: &[CertificateDer<'static>],
    alpn: &[u8],
) -> io::Result<Shown> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.iter().cloned());
    // Without any authority there is no verifier.
    let judge = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider));
    let watcher = Arc::new(Watcher { judge: judge.build().ok(), provider, seen: Mutex::default() });
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&watcher.provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&watcher) as _)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let done = Stream::new(&mut connection, socket).flush();
    let mut shown = watcher.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if shown.chain.is_empty() {
        done?;
    }
    shown.version = connection.protocol_version().map(|version| format!("{version:?}"));
    Ok(shown)
}

/// Accepts any certificate, and remembers what it would have said.
#[derive(Debug)]
struct Watcher {
    judge: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    seen: Mutex<Shown>,
}

impl ServerCertVerifier for Watcher {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let refused = match &self.judge {
            Some(judge) => judge.verify_server_cert(leaf, others, name, ocsp, now).err(),
            None => Some(rustls::Error::General("no certificate authorities are known".to_owned())),
        };
        let chain = std::iter::once(leaf).chain(others).map(|der| der.to_vec()).collect();
        let refused = refused.map(|error| error.to_string());
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) =
            Shown { chain, refused, version: None };
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, leaf, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, leaf, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
