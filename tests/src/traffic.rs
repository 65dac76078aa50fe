//! What users do all the time while something happens to the tunnel: a big download, a big
//! upload, WebSockets that wait, small requests. Each checks what it gets to the last byte.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tungstenite::{Message, WebSocket};

use crate::http::{self, Connection};
use crate::payload::{self, Digest, Payload};
use crate::site::Site;
use crate::wait::PATIENCE;
use crate::websocket;

/// The pause between two small requests: a rate that leaves the machine's time to the tunnel.
const PACE: Duration = Duration::from_millis(5);

/// How much of a transfer has passed.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes of downloads that have arrived.
    pub down: AtomicU64,
    /// Bytes of uploads that have been sent.
    pub up: AtomicU64,
}

/// One small request: when it began, and how long its answer took.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// When the user dialled the proxy.
    pub began: Instant,
    /// Until the whole answer was there.
    pub took: Duration,
}

/// WebSockets through a tunnel that nothing is sent over.
#[derive(Debug)]
pub struct Idle(Vec<WebSocket<Connection>>);

impl Progress {
    /// Bytes in both directions.
    pub fn both(&self) -> u64 {
        self.down.load(Ordering::Relaxed) + self.up.load(Ordering::Relaxed)
    }
}

/// Downloads `length` bytes by way of `proxy` and compares their SHA-256.
///
/// # Panics
/// If they are not what the site sent.
pub fn download(proxy: SocketAddr, site: &Site, length: u64, progress: &Progress) {
    let host = site.address().to_string();
    let mut user = Connection::through(proxy, &host).expect("a stream");
    user.send(format!("GET /bytes/{length} HTTP/1.1\r\nHost: {host}\r\n\r\n")).expect("a request");
    let mut sink = Counted { inner: Digest::default(), counter: &progress.down };
    let answer = user.read_answer_into("GET", &mut sink).expect("the download");
    assert_eq!(answer.status(), 200);
    let expected = (length, Payload::new(length, length).sha256());
    assert_eq!(sink.inner.finish(), expected, "the download is another one");
}

/// Uploads `length` bytes by way of `proxy` and compares the SHA-256 that the site computed.
///
/// # Panics
/// If the site did not get what was sent.
pub fn upload(proxy: SocketAddr, site: &Site, length: u64, progress: &Progress) {
    let mut user = Connection::open(proxy).expect("the proxy takes connections");
    let (url, host) = (site.url("/digest"), site.address());
    let head = format!("PUT {url} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n");
    user.send(head).expect("a request");
    let mut source = Payload::new(length + 1, length);
    let sent = Counted { inner: &mut user, counter: &progress.up };
    payload::send(&mut source, sent).expect("the upload");
    // What is in buffers between here and the site still has to pass a line that may be bad.
    user.stream().set_read_timeout(Some(4 * PATIENCE)).expect("a socket takes a timeout");
    let answer = user.read_answer("PUT").expect("an answer to the upload");
    let expected = Payload::new(length + 1, length).sha256();
    assert_eq!(answer.text(), format!("{length} {expected}\n"), "the upload is another one");
}

/// Makes small requests, one after the other and each on a connection of its own, until `enough`.
///
/// # Panics
/// If one of them is not answered as it should be.
pub fn small_requests(
    proxy: SocketAddr,
    site: &Site,
    mut enough: impl FnMut(usize) -> bool,
) -> Vec<Sample> {
    let mut samples = Vec::new();
    while !enough(samples.len()) {
        samples.push(small_request(proxy, site));
        thread::sleep(PACE);
    }
    samples
}

/// One small request on a connection of its own.
///
/// # Panics
/// If it is not answered as it should be.
pub fn small_request(proxy: SocketAddr, site: &Site) -> Sample {
    let began = Instant::now();
    let answer = http::get(proxy, &site.url("/hello")).expect("a small request's answer");
    assert_eq!((answer.status(), answer.text().as_str()), (200, "hello from the site\n"));
    Sample { began, took: began.elapsed() }
}

/// A download and an upload of `length` bytes each, small requests beside them until both are done
/// and `requests` were made, and `beside` meanwhile. If the transfers are done before there were
/// so many requests, they begin anew.
///
/// # Panics
/// If any of it fails.
pub fn run(
    proxy: SocketAddr,
    site: &Site,
    length: u64,
    requests: usize,
    beside: impl FnOnce(&Progress),
) -> Vec<Sample> {
    let progress = Progress::default();
    let (is_beside_done, is_sampled) = (AtomicBool::new(false), AtomicBool::new(false));
    let is_over = || is_beside_done.load(Ordering::Relaxed) && is_sampled.load(Ordering::Relaxed);
    let samples = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let transfer = |transfer: fn(SocketAddr, &Site, u64, &Progress)| {
            let (progress, is_over) = (&progress, &is_over);
            move || {
                transfer(proxy, site, length, progress);
                while !is_over() {
                    transfer(proxy, site, length, &Progress::default());
                }
            }
        };
        let transfers = [scope.spawn(transfer(download)), scope.spawn(transfer(upload))];
        let (samples, is_sampled) = (&samples, &is_sampled);
        scope.spawn(move || {
            let sampled = Done(is_sampled);
            let is_done = |count: usize| {
                if count >= requests {
                    sampled.say();
                }
                transfers.iter().all(thread::ScopedJoinHandle::is_finished)
            };
            let taken = small_requests(proxy, site, is_done);
            *samples.lock().unwrap_or_else(PoisonError::into_inner) = taken;
        });
        let _done = Done(&is_beside_done);
        beside(&progress);
    });
    samples.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The value that a share of `samples` does not exceed: 0.99 for the 99th percentile.
pub fn percentile(samples: impl IntoIterator<Item = Duration>, share: f64) -> Option<Duration> {
    let mut sorted: Vec<_> = samples.into_iter().collect();
    sorted.sort_unstable();
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * share).round() as usize).copied()
}

impl Idle {
    /// Opens `count` of them, half by CONNECT and half by an upgrade through the proxy.
    ///
    /// # Panics
    /// If one of them cannot be opened.
    pub fn open(proxy: SocketAddr, site: &Site, count: usize) -> Self {
        let host = site.address().to_string();
        let open = |index| {
            if index % 2 == 0 {
                let user = Connection::through(proxy, &host).expect("a stream");
                websocket::upgrade(user, "/websocket", &host)
            } else {
                let user = Connection::open(proxy).expect("the proxy takes connections");
                websocket::upgrade(user, &site.url("/websocket"), &host)
            }
        };
        Self((0..count).map(open).collect())
    }

    /// Has each send back a message of its own: none was closed, none mixed up.
    ///
    /// # Panics
    /// If one of them does anything else.
    pub fn expect_all_alive(&mut self) {
        for (index, socket) in self.0.iter_mut().enumerate() {
            let message = Message::text(format!("still there, {index}?"));
            socket.send(message.clone()).expect("the message goes out");
            assert_eq!(socket.read().expect("an echo"), message);
        }
    }
}

/// Says that something is done, also when it ends by a panic: others wait for it.
struct Done<'a>(&'a AtomicBool);

impl Done<'_> {
    fn say(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.say();
    }
}

/// Counts what is written.
struct Counted<'a, W> {
    inner: W,
    counter: &'a AtomicU64,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.counter.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
