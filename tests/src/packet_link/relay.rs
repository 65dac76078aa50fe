//! The thread of a line.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::direction::{Direction, Fate};
use super::tun::Tun;
use super::{Conditions, Shared};

/// How many packets are taken from one end before those that are due are delivered.
const BATCH: usize = 64;

#[derive(Debug)]
pub(super) struct Relay {
    ends: [Tun; 2],
    /// What comes from the end of the same index and goes to the other.
    directions: [Direction; 2],
    /// Hung up when the thread is to end.
    owner: UnixStream,
    shared: Arc<Shared>,
}

impl Relay {
    pub(super) fn new(
        ends: [Tun; 2],
        conditions: Conditions,
        owner: UnixStream,
        shared: Arc<Shared>,
    ) -> Self {
        let now = Instant::now();
        let directions = [0, 1].map(|index| {
            Direction::new(conditions, conditions.seed.wrapping_mul(2).wrapping_add(index), now)
        });
        Self { ends, directions, owner, shared }
    }

    /// Runs until its owner hangs up.
    ///
    /// # Errors
    /// Those of polling and of the interfaces.
    pub(super) fn run(&mut self) -> io::Result<()> {
        loop {
            let [one, other] = &self.ends;
            let mut awaited = [
                PollFd::new(&self.owner, PollFlags::IN),
                PollFd::new(one, PollFlags::IN),
                PollFd::new(other, PollFlags::IN),
            ];
            match poll(&mut awaited, self.timeout().as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let [owner, one, other] = awaited.map(|one| !one.revents().is_empty());
            if owner {
                return Ok(());
            }
            for (from, is_ready) in [one, other].into_iter().enumerate() {
                if is_ready {
                    self.receive(from)?;
                }
                self.deliver(from);
            }
        }
    }

    /// Until the next packet is due.
    fn timeout(&self) -> Option<Timespec> {
        let due = self.directions.iter().filter_map(Direction::due).min()?;
        due.saturating_duration_since(Instant::now()).try_into().ok()
    }

    fn receive(&mut self, from: usize) -> io::Result<()> {
        for _ in 0..BATCH {
            let Some(packet) = self.ends[from].receive()? else { break };
            if self.is_silent() {
                count(&self.shared.silenced);
                continue;
            }
            match self.directions[from].arrive(packet, Instant::now()) {
                Fate::Sent => {}
                Fate::Lost => count(&self.shared.lost),
                Fate::Overflowed => count(&self.shared.overflowed),
            }
        }
        Ok(())
    }

    fn deliver(&mut self, from: usize) {
        let now = Instant::now();
        while let Some(packet) = self.directions[from].leave(now) {
            if self.is_silent() {
                count(&self.shared.silenced);
            } else {
                self.ends[1 - from].send(&packet);
                count(&self.shared.passed);
            }
        }
    }

    fn is_silent(&self) -> bool {
        self.shared.is_silent.load(Ordering::Relaxed)
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
