//! The network between client and server: a relay that is cut at given places.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use crate::tiny;

/// Passes connections on to the server, and resets all of them when given numbers of bytes, both
/// directions together, have been carried.
pub(crate) struct Link {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    carried: AtomicU64,
    cuts: Mutex<Cuts>,
}

struct Cuts {
    /// Still to come, the first one last.
    places: Vec<u64>,
    open: Vec<Arc<TcpStream>>,
}

impl Link {
    /// A relay to `server` that is cut when so many bytes have been carried, in rising order.
    pub(crate) fn start(server: SocketAddr, mut places: Vec<u64>) -> Self {
        places.reverse();
        let cuts = Mutex::new(Cuts { places, open: Vec::new() });
        let state = Arc::new(State { carried: AtomicU64::new(0), cuts });
        let (listener, address) = tiny::listener();
        let link = Self { address, state: Arc::clone(&state) };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(server).unwrap();
                let ends = [Arc::new(client), Arc::new(server)];
                state.cuts.lock().unwrap().open.extend(ends.clone());
                for (from, to) in [(0, 1), (1, 0)] {
                    let (from, to) = (Arc::clone(&ends[from]), Arc::clone(&ends[to]));
                    let state = Arc::clone(&state);
                    thread::spawn(move || state.carry(&from, &to));
                }
            }
        });
        link
    }

    /// Where the client finds the server.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts that are still to come.
    pub(crate) fn cuts_left(&self) -> usize {
        self.state.cuts.lock().unwrap().places.len()
    }
}

impl State {
    fn carry(&self, mut from: &TcpStream, mut to: &TcpStream) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        loop {
            let n = from.read(&mut buffer)?;
            if n == 0 {
                return to.shutdown(std::net::Shutdown::Write);
            }
            to.write_all(&buffer[..n])?;
            let carried = self.carried.fetch_add(n as u64, Ordering::Relaxed) + n as u64;
            self.cut_if_due(carried);
        }
    }

    fn cut_if_due(&self, carried: u64) {
        let mut cuts = self.cuts.lock().unwrap();
        if cuts.places.last().is_some_and(|place| *place <= carried) {
            cuts.places.pop();
            for stream in cuts.open.drain(..) {
                // The last one to drop it resets it; its readers are woken.
                let socket = SockRef::from(&*stream);
                let _ = socket.set_linger(Some(Duration::ZERO));
                let _ = socket.shutdown(std::net::Shutdown::Read);
            }
        }
    }
}
