//! Pairs of pipes, joined in memory.

mod handshake;
mod hostile;
mod traffic;

use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};
use std::string::String;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};

use super::config::{VERSIONS, Versions};
use super::*;

/// 2025-06-15, within the dates of the certificates below.
const NOW: u64 = 1_750_000_000;
const NAME: &str = "tunnel.example";

/// A certificate authority and a server it issued a certificate for.
struct Identity {
    root: Vec<u8>,
    chain: String,
    key: String,
}

impl Identity {
    fn new() -> Self {
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        // Authorities of the same name would be taken for the same.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        ca.distinguished_name.push(DnType::CommonName, std::format!("authority {number}"));
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (ca.not_before, ca.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2040, 1, 1));
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();

        let mut leaf = CertificateParams::new(vec![NAME.into(), "127.0.0.1".into()]).unwrap();
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        (leaf.not_before, leaf.not_after) = (date_time_ymd(2024, 1, 1), date_time_ymd(2030, 1, 1));
        let key = KeyPair::generate().unwrap();
        let leaf = leaf.signed_by(&key, &ca).unwrap();
        Self { root: ca.der().to_vec(), chain: leaf.pem() + &ca.pem(), key: key.serialize_pem() }
    }

    fn server(&self) -> TlsServer {
        TlsServer::from_pem(self.chain.as_bytes(), self.key.as_bytes()).unwrap()
    }

    fn server_with(&self, versions: Versions, alpn: &[&[u8]]) -> TlsServer {
        let alpn = alpn.iter().map(|name| name.to_vec()).collect();
        TlsServer::build(self.chain.as_bytes(), self.key.as_bytes(), versions, alpn).unwrap()
    }

    fn client(&self) -> TlsClient {
        TlsClient::new(Trust::Roots(vec![self.root.clone()])).unwrap()
    }

    fn client_with(&self, versions: Versions, alpn: &[&[u8]]) -> TlsClient {
        let alpn = alpn.iter().map(|name| name.to_vec()).collect();
        TlsClient::build(Trust::Roots(vec![self.root.clone()]), versions, alpn).unwrap()
    }
}

/// One identity for all cases: making keys is what takes time.
fn identity() -> &'static Identity {
    static IDENTITY: std::sync::OnceLock<Identity> = std::sync::OnceLock::new();
    IDENTITY.get_or_init(Identity::new)
}

/// A client, a server, and the wire between them.
struct Pair {
    client: TlsPipe,
    server: TlsPipe,
    pool: BufferPool,
}

/// How each end of a handshake ended: `Ok` once it is established.
type Ends = (Result<(), TlsError>, Result<(), TlsError>);

impl Pair {
    fn new(client: &TlsClient, server: &TlsServer) -> Self {
        Self::with(client, server, NAME, NOW)
    }

    fn with(client: &TlsClient, server: &TlsServer, name: &str, unix_time: u64) -> Self {
        let mut pool = BufferPool::default();
        Self {
            client: TlsPipe::client(client, name, unix_time, &mut pool).unwrap(),
            server: TlsPipe::server(server, unix_time).unwrap(),
            pool,
        }
    }

    fn established(client: &TlsClient, server: &TlsServer) -> Self {
        let mut pair = Self::new(client, server);
        assert_eq!(pair.settle(usize::MAX), (Ok(()), Ok(())));
        assert_eq!(pair.client.state(), TlsState::Established);
        assert_eq!(pair.server.state(), TlsState::Established);
        pair
    }

    /// Moves ciphertext both ways, at most `chunk` bytes a read, until none is left.
    fn settle(&mut self, chunk: usize) -> Ends {
        loop {
            let there = carry(&mut self.client, &mut self.server, chunk, &mut self.pool);
            let back = carry(&mut self.server, &mut self.client, chunk, &mut self.pool);
            if there + back == 0 {
                return (end_of(&self.client), end_of(&self.server));
            }
        }
    }

    /// Sends `data` from client to server and returns what arrived.
    fn upload(&mut self, data: &[u8], chunk: usize) -> Vec<u8> {
        through(&mut self.client, &mut self.server, data, chunk, &mut self.pool)
    }

    /// Sends `data` from server to client and returns what arrived.
    fn download(&mut self, data: &[u8], chunk: usize) -> Vec<u8> {
        through(&mut self.server, &mut self.client, data, chunk, &mut self.pool)
    }
}

fn end_of(pipe: &TlsPipe) -> Result<(), TlsError> {
    pipe.failure().cloned().map_or(Ok(()), Err)
}

/// Gives `bytes` to `pipe`, at most `chunk` a read, decrypting after each.
fn feed(pipe: &mut TlsPipe, mut bytes: &[u8], chunk: usize, pool: &mut BufferPool) {
    while !bytes.is_empty() {
        let space = pipe.read_space(pool);
        let n = space.len().min(bytes.len()).min(chunk);
        assert!(n > 0, "a pipe that is not blocked has room");
        space[..n].copy_from_slice(&bytes[..n]);
        pipe.filled(n, pool);
        bytes = &bytes[n..];
        let _ = pipe.decrypt(pool);
    }
}

/// Moves all ciphertext of `from` to `to`. Returns how much it was.
fn carry(from: &mut TlsPipe, to: &mut TlsPipe, chunk: usize, pool: &mut BufferPool) -> usize {
    let bytes = from.ciphertext().to_vec();
    from.sent(bytes.len(), pool);
    feed(to, &bytes, chunk, pool);
    bytes.len()
}

fn through(
    from: &mut TlsPipe,
    to: &mut TlsPipe,
    mut data: &[u8],
    chunk: usize,
    pool: &mut BufferPool,
) -> Vec<u8> {
    let mut arrived = Vec::new();
    loop {
        let taken = from.encrypt(data, pool);
        data = &data[taken..];
        let bytes = from.ciphertext().to_vec();
        if bytes.is_empty() {
            return arrived;
        }
        from.sent(bytes.len(), pool);
        for read in bytes.chunks(chunk.min(16 * 1024)) {
            feed(to, read, chunk, pool);
            arrived.extend_from_slice(to.plaintext());
            to.consume(usize::MAX, pool);
        }
    }
}

/// Bytes that differ everywhere, so that a swap or loss shows.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 + i / 251) as u8).collect()
}
