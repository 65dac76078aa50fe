//! A line between two network namespaces that delays, loses and queues IP packets.
//!
//! Each namespace has a TUN interface; one thread passes the packets from one to the other. So the
//! kernel's own TCP meets real delay, real loss and a real bottleneck, with whatever congestion
//! control it is told to use, where a kernel has no netem.
//!
//! ```text
//!  TCP of one side ─ TUN ─▶ [ queue, drop-tail ] ─▶ line of so many Mbit/s ─▶ loss ─▶ delay ─ TUN ─▶
//! ```

mod direction;
mod relay;
mod tun;

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use relay::Relay;
use tun::Tun;

/// A running line. It ends when dropped.
#[derive(Debug)]
pub struct PacketLink {
    shared: Arc<Shared>,
    /// The thread ends when this end is closed.
    end: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

/// What the line is like, the same in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// How long every packet is on its way, in each direction.
    pub delay: Duration,
    /// Mbit/s in each direction.
    pub rate: u32,
    /// Bytes that may wait in front of the line; what comes then is dropped.
    pub queue: u64,
    /// On average one in so many packets is lost, each by a throw of its own. 0: none.
    pub one_in: u32,
    /// Where chance begins.
    pub seed: u64,
}

/// What became of the packets so far, in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packets {
    /// Came out at the other end.
    pub passed: u64,
    /// Were lost by chance.
    pub lost: u64,
    /// Did not fit into the queue.
    pub overflowed: u64,
    /// Were on the line or came while it was silent.
    pub silenced: u64,
}

#[derive(Debug, Default)]
struct Shared {
    is_silent: AtomicBool,
    passed: AtomicU64,
    lost: AtomicU64,
    overflowed: AtomicU64,
    silenced: AtomicU64,
}

impl PacketLink {
    /// Joins two network namespaces, named as `ip netns` does, by an interface called `interface`
    /// in each. They have no addresses yet and are down.
    ///
    /// # Panics
    /// If that is not possible: without root, for example.
    pub fn between(namespaces: [&str; 2], interface: &str, conditions: Conditions) -> Self {
        let ends = namespaces.map(|namespace| {
            let end = Tun::open(namespace, interface);
            end.unwrap_or_else(|error| panic!("no TUN interface in {namespace}: {error}"))
        });
        let (end, theirs) = UnixStream::pair().expect("a pair of sockets");
        let shared = Arc::new(Shared::default());
        let mut relay = Relay::new(ends, conditions, theirs, Arc::clone(&shared));
        let thread = thread::spawn(move || relay.run().expect("polling does not fail"));
        Self { shared, end: Some(end), thread: Some(thread) }
    }

    /// Nothing passes from now on, in either direction, and nobody is told.
    pub fn fall_silent(&self) {
        self.shared.is_silent.store(true, Ordering::Relaxed);
    }

    /// What comes passes again.
    pub fn come_back(&self) {
        self.shared.is_silent.store(false, Ordering::Relaxed);
    }

    /// What it has done so far.
    pub fn packets(&self) -> Packets {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Packets {
            passed: of(&self.shared.passed),
            lost: of(&self.shared.lost),
            overflowed: of(&self.shared.overflowed),
            silenced: of(&self.shared.silenced),
        }
    }
}

impl Drop for PacketLink {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // Its panic has been printed; a second one here would hide the test's.
            let _ = thread.join();
        }
    }
}
