//! What a site received.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::http::Head;

/// How many bytes of each connection are kept as they came.
const MAX_RAW: usize = 64 * 1024;

/// One request, complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its head.
    pub head: Head,
    /// How long its decoded body was.
    pub body_length: u64,
    /// The SHA-256 of that body, in hex.
    pub body_sha256: String,
    /// The body's trailers.
    pub trailers: Vec<(String, String)>,
    /// Which connection it came by, from 0.
    pub connection: usize,
}

/// The first bytes of one connection.
#[derive(Debug)]
pub(crate) struct Raw {
    number: usize,
    bytes: Mutex<Vec<u8>>,
}

/// Everything a site received.
#[derive(Debug, Default)]
pub(crate) struct Record {
    requests: Mutex<Vec<Received>>,
    connections: Mutex<Vec<Arc<Raw>>>,
}

impl Record {
    /// Starts the record of a new connection.
    pub(crate) fn open_connection(&self) -> Arc<Raw> {
        let mut connections = lock(&self.connections);
        let raw = Arc::new(Raw { number: connections.len(), bytes: Mutex::new(Vec::new()) });
        connections.push(Arc::clone(&raw));
        raw
    }

    /// Adds a complete request.
    pub(crate) fn add(
        &self,
        connection: &Raw,
        head: &Head,
        body: (u64, String),
        trailers: Vec<(String, String)>,
    ) {
        let (body_length, body_sha256) = body;
        let connection = connection.number;
        let head = head.clone();
        lock(&self.requests).push(Received {
            head,
            body_length,
            body_sha256,
            trailers,
            connection,
        });
    }

    pub(crate) fn requests(&self, prefix: &str) -> Vec<Received> {
        let requests = lock(&self.requests);
        requests.iter().filter(|one| one.head.target().starts_with(prefix)).cloned().collect()
    }

    pub(crate) fn connections(&self) -> u64 {
        lock(&self.connections).len() as u64
    }

    pub(crate) fn raw(&self) -> Vec<Vec<u8>> {
        lock(&self.connections).iter().map(|raw| lock(&raw.bytes).clone()).collect()
    }
}

/// A reader that keeps the first bytes that pass.
#[derive(Debug)]
pub(crate) struct Tap<R> {
    inner: R,
    raw: Arc<Raw>,
}

impl<R> Tap<R> {
    pub(crate) fn new(inner: R, raw: Arc<Raw>) -> Self {
        Self { inner, raw }
    }
}

impl<R: Read> Read for Tap<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let mut bytes = lock(&self.raw.bytes);
        let kept = count.min(MAX_RAW - bytes.len());
        bytes.extend_from_slice(&buffer[..kept]);
        Ok(count)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
