//! A web site of our own: it answers as its paths say and keeps what it received.
//!
//! One thread a connection: it is here to be obvious, not fast. What the paths do is said in
//! [`answers`].

pub mod answers;
pub mod events;
pub mod gate;
pub mod holder;
pub mod record;

use std::io::BufReader;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use events::Confirmations;
use gate::Gate;
pub use record::Received;
use record::{Record, Tap};

use crate::http::Head;
use crate::wait::PATIENCE;
use answers::After;

/// A running site. It stops accepting when dropped.
#[derive(Debug)]
pub struct Site {
    address: SocketAddr,
    inside: Arc<Inside>,
}

/// What the threads of a site share.
#[derive(Debug, Default)]
pub(crate) struct Inside {
    stopped: AtomicBool,
    /// Bytes of `/bytes/…` bodies that the kernel has taken.
    sent: AtomicU64,
    record: Record,
    confirmations: Confirmations,
    gate: Gate,
}

impl Site {
    /// Starts one on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// If no port can be had.
    pub fn start() -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST)
    }

    /// Starts one on a free port of another address.
    ///
    /// # Panics
    /// If no port can be had.
    pub fn start_at(address: Ipv4Addr) -> Self {
        let listener = TcpListener::bind((address, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let inside = Arc::new(Inside::default());
        let shared = Arc::clone(&inside);
        thread::spawn(move || accept(&listener, &shared));
        Self { address, inside }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path that begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All requests so far whose path begins with `prefix`, in the order they came.
    pub fn received(&self, prefix: &str) -> Vec<Received> {
        self.inside.record.requests(prefix)
    }

    /// How many connections it has accepted.
    pub fn connections(&self) -> u64 {
        self.inside.record.connections()
    }

    /// The first bytes (64 KiB at most) that each connection brought, in the order they opened.
    pub fn raw(&self) -> Vec<Vec<u8>> {
        self.inside.record.raw()
    }

    /// How many bytes of `/bytes/…` bodies it has handed to the kernel.
    pub fn sent(&self) -> u64 {
        self.inside.sent.load(Ordering::Relaxed)
    }

    /// Lets everything that waits at `/hold` go on, now and later.
    pub fn open_gate(&self) {
        self.inside.gate.open();
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.inside.stopped.store(true, Ordering::Relaxed);
        self.inside.gate.open();
        // Wakes the accepting thread. If that fails, the thread has ended already.
        let _ = TcpStream::connect(self.address);
    }
}

fn accept(listener: &TcpListener, inside: &Arc<Inside>) {
    for stream in listener.incoming() {
        if inside.stopped.load(Ordering::Relaxed) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let inside = Arc::clone(inside);
        // A failure here is the peer's: it closed or reset. The record shows what came.
        thread::spawn(move || serve(stream, &inside).ok());
    }
}

/// Answers one request after the other.
fn serve(stream: TcpStream, inside: &Inside) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE * 4))?;
    stream.set_write_timeout(Some(PATIENCE * 4))?;
    stream.set_nodelay(true)?;
    let connection = inside.record.open_connection();
    let tap = Tap::new(stream.try_clone()?, Arc::clone(&connection));
    let mut reader = BufReader::with_capacity(64 * 1024, tap);
    while let Some(head) = Head::read(&mut reader)? {
        match answers::answer(inside, &connection, &head, &mut reader, &stream)? {
            After::Keep if !head.lists("Connection", "close") => {}
            After::Keep | After::Close => break,
        }
    }
    Ok(())
}
