//! A server that greets, holds each connection open and says farewell: for thousands at once.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// What every connection gets at once.
pub const GREETING: &[u8] = b"hello\n";
/// What every connection gets before it is closed.
pub const FAREWELL: &[u8] = b"bye\n";

/// A running holder, one thread in all.
#[derive(Debug)]
pub struct Holder {
    address: SocketAddr,
    held: Arc<Mutex<Vec<TcpStream>>>,
    stopped: Arc<AtomicBool>,
}

impl Holder {
    /// Starts one on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// If no port can be had.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let held = Arc::new(Mutex::new(Vec::new()));
        let stopped = Arc::new(AtomicBool::new(false));
        let (keep, stop) = (Arc::clone(&held), Arc::clone(&stopped));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                // A peer that is gone already is simply not held.
                if stream.write_all(GREETING).is_ok() {
                    keep.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
                }
            }
        });
        Self { address, held, stopped }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it holds.
    pub fn held(&self) -> usize {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Says farewell on all connections and closes them. Returns how many there were.
    pub fn dismiss(&self) -> usize {
        let held = std::mem::take(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner));
        let count = held.len();
        for mut stream in held {
            // A peer that closed first needs no farewell.
            let _ = stream.write_all(FAREWELL);
        }
        count
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.address);
    }
}
