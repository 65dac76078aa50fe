//! Two TLS pipes in memory, back to back.

use rcgen::{CertifiedKey, generate_simple_self_signed};
use sc_proto::tls::{BufferPool, TlsClient, TlsPipe, TlsServer, TlsState, Trust};

/// 2026, when the certificate is valid.
const UNIX_TIME: u64 = 1_780_000_000;

/// A client and a server that have agreed on keys.
#[derive(Debug)]
pub struct Pipes {
    client: TlsPipe,
    server: TlsPipe,
    pool: BufferPool,
}

impl Pipes {
    /// Connects them.
    ///
    /// # Panics
    /// If the handshake fails.
    pub fn new() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let server =
            TlsServer::from_pem(cert.pem().as_bytes(), signing_key.serialize_pem().as_bytes());
        let server = server.expect("a good certificate");
        let trust = Trust::Pin(server.leaf_sha256());
        let client = TlsClient::new(trust).expect("a good pin");
        let mut pool = BufferPool::default();
        let mut pipes = Self {
            client: TlsPipe::client(&client, "localhost", UNIX_TIME, &mut pool).expect("a client"),
            server: TlsPipe::server(&server, UNIX_TIME).expect("a server"),
            pool,
        };
        for _ in 0..4 {
            carry(&mut pipes.client, &mut pipes.server, &mut pipes.pool);
            carry(&mut pipes.server, &mut pipes.client, &mut pipes.pool);
        }
        assert_eq!(pipes.client.state(), TlsState::Established);
        assert_eq!(pipes.server.state(), TlsState::Established);
        pipes
    }

    /// Encrypts `plain` at one end and decrypts it at the other; says how many bytes came.
    pub fn pass(&mut self, mut plain: &[u8]) -> usize {
        let mut came = 0;
        while !plain.is_empty() {
            let n = self.client.encrypt(plain, &mut self.pool);
            plain = &plain[n..];
            came += carry(&mut self.client, &mut self.server, &mut self.pool);
        }
        came
    }
}

impl Default for Pipes {
    fn default() -> Self {
        Self::new()
    }
}

/// Carries all ciphertext over and consumes the plaintext; says how much of that there was.
fn carry(from: &mut TlsPipe, to: &mut TlsPipe, pool: &mut BufferPool) -> usize {
    let mut came = 0;
    while !from.ciphertext().is_empty() {
        let space = to.read_space(pool);
        let n = space.len().min(from.ciphertext().len());
        space[..n].copy_from_slice(&from.ciphertext()[..n]);
        to.filled(n, pool);
        from.sent(n, pool);
        let _progress = to.decrypt(pool).expect("honest peers");
        let plain = to.plaintext().len();
        to.consume(plain, pool);
        came += plain;
    }
    came
}
