//! The other end of the transport: honest TLS with anything inside.

use std::sync::OnceLock;

use sc_proto::SocketId;
use sc_proto::tls::{BufferPool, TlsClient, TlsPipe, TlsServer, TlsState, Trust};

const UNIX_TIME: u64 = 1_800_000_000;

pub(crate) struct Peer {
    /// The core's socket.
    pub(crate) id: SocketId,
    /// Whether its first frame has gone.
    pub(crate) greeted: bool,
    pipe: TlsPipe,
    pool: BufferPool,
}

impl Peer {
    pub(crate) fn client(id: SocketId) -> Self {
        let mut pool = BufferPool::default();
        let pipe = TlsPipe::client(&client(), "localhost", UNIX_TIME, &mut pool).unwrap();
        Self { id, greeted: false, pipe, pool }
    }

    pub(crate) fn server(id: SocketId) -> Self {
        let pipe = TlsPipe::server(tls(), UNIX_TIME).unwrap();
        Self { id, greeted: false, pipe, pool: BufferPool::default() }
    }

    pub(crate) fn is_established(&self) -> bool {
        self.pipe.state() == TlsState::Established
    }

    /// Encrypts as much as fits.
    pub(crate) fn say(&mut self, plain: &[u8]) {
        let _ = self.pipe.encrypt(plain, &mut self.pool);
    }

    pub(crate) fn take_output(&mut self) -> Vec<u8> {
        let bytes = self.pipe.ciphertext().to_vec();
        self.pipe.sent(bytes.len(), &mut self.pool);
        bytes
    }

    /// Takes ciphertext in and forgets what it says.
    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        let Self { pipe, pool, .. } = self;
        for part in bytes.chunks(10_000) {
            let space = pipe.read_space(pool);
            let n = part.len().min(space.len());
            space[..n].copy_from_slice(&part[..n]);
            pipe.filled(n, pool);
            while pipe.decrypt(pool).is_ok() {
                let n = pipe.plaintext().len();
                if n == 0 {
                    break;
                }
                pipe.consume(n, pool);
            }
        }
    }
}

pub(crate) fn tls() -> &'static TlsServer {
    static TLS: OnceLock<TlsServer> = OnceLock::new();
    TLS.get_or_init(|| {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned()];
        let chain = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        TlsServer::from_pem(chain.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap()
    })
}

pub(crate) fn client() -> TlsClient {
    TlsClient::new(Trust::Pin(tls().leaf_sha256())).unwrap()
}
