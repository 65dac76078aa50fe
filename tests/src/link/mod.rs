//! A network between `sc` client and `sc server` that does what the test says.
//!
//! A [`Link`] is a TCP relay in user space: the client dials it, it dials the server. It resets,
//! closes, falls silent, comes back, delays and stalls on command, and needs neither privileges
//! nor a kernel with netem. One thread owns all sockets (`relay.rs`), so that a reset is a reset
//! and nothing of a cut is left to chance: when a command returns, it has happened.

mod carrier;
mod pipe;
mod relay;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use mio::Waker;
use relay::Relay;

/// A running link. It ends, and resets what it carries, when dropped.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    counters: Arc<Counters>,
    orders: Sender<Order>,
    waker: Waker,
}

/// How the connections that the link carries now come to an end for both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// A TCP reset.
    Reset,
    /// An orderly close; what was on its way is lost all the same.
    Close,
    /// Not at all: they stay open and carry nothing any more, as when a router has forgotten them.
    /// New ones are served, so the old transport lingers beside the new.
    Forget,
}

/// What becomes of new connections while the link is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dials {
    /// Their SYNs are not answered: the network drops everything.
    Dropped,
    /// They are established and then carry nothing: a proxy on the way has lost its other side.
    Swallowed,
    /// They are refused: the machine is there, the program is not.
    Refused,
}

/// What the link does to what it carries.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weather {
    /// How long every byte is on its way, in each direction.
    pub delay: Duration,
    /// One in so many packets of [`PACKET`] bytes is held up, and all behind it: what TCP makes of
    /// a lost packet. 0: none.
    pub one_in: u32,
    /// For how long it is held up.
    pub stall: Duration,
    /// Where the choice of packets begins.
    pub seed: u64,
}

/// Bytes of a packet for [`Weather::one_in`]: an Ethernet frame's TCP payload.
pub const PACKET: u32 = 1448;

/// What the link has carried since it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Bytes from client to server.
    pub up: u64,
    /// Bytes from server to client.
    pub down: u64,
    /// Connections that were passed on to the server.
    pub connections: u64,
}

#[derive(Debug, Default)]
struct Counters {
    up: AtomicU64,
    down: AtomicU64,
    connections: AtomicU64,
}

/// What the relay's thread is told. Each is answered when it is done, with the number of
/// connections concerned.
#[derive(Debug)]
struct Order {
    what: What,
    done: Sender<usize>,
}

#[derive(Debug)]
enum What {
    Cut(Cut),
    CutOne(usize, Cut),
    Silence(Dials),
    ComeBack,
    SetWeather(Weather),
    End,
}

impl Link {
    /// Listens on `address` and passes every connection on to `target`.
    ///
    /// # Panics
    /// If `address` cannot be had.
    pub fn start(address: SocketAddr, target: SocketAddr) -> Self {
        let counters = Arc::new(Counters::default());
        let (orders, inbox) = mpsc::channel();
        let relay = Relay::new(address, target, Arc::clone(&counters), inbox);
        let mut relay = relay.unwrap_or_else(|error| panic!("no link on {address}: {error}"));
        let (address, waker) = (relay.address(), relay.waker());
        let waker = waker.expect("a new poll has no waker yet");
        thread::spawn(move || relay.run().expect("polling does not fail"));
        Self { address, counters, orders, waker }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts what it carries now; new connections are served. Returns how many were cut.
    pub fn cut(&self, how: Cut) -> usize {
        self.order(What::Cut(how))
    }

    /// Cuts one of the connections that it carries now, by its place in their order. Returns how many
    /// were cut: one, or none if there are not so many.
    pub fn cut_one(&self, index: usize, how: Cut) -> usize {
        self.order(What::CutOne(index, how))
    }

    /// Holds all sockets open and forwards nothing. Returns how many connections that are.
    pub fn silence(&self, dials: Dials) -> usize {
        self.order(What::Silence(dials))
    }

    /// Ends a silence: what was held up goes on its way. Returns how many connections are left.
    pub fn come_back(&self) -> usize {
        self.order(What::ComeBack)
    }

    /// Changes the weather for what comes from now on.
    pub fn set_weather(&self, weather: Weather) {
        self.order(What::SetWeather(weather));
    }

    /// What it has carried so far.
    pub fn carried(&self) -> Carried {
        Carried {
            up: self.counters.up.load(Ordering::Relaxed),
            down: self.counters.down.load(Ordering::Relaxed),
            connections: self.counters.connections.load(Ordering::Relaxed),
        }
    }

    fn order(&self, what: What) -> usize {
        let (done, answer) = mpsc::channel();
        self.orders.send(Order { what, done }).expect("the link's thread lives");
        self.waker.wake().expect("the link's thread can be woken");
        answer.recv().expect("the link's thread answers")
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let (done, _) = mpsc::channel();
        // If that fails, the thread has ended already.
        let _ = self.orders.send(Order { what: What::End, done });
        let _ = self.waker.wake();
    }
}
