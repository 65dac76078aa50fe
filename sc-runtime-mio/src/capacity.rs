//! How many sockets the process may have open, counted over all workers.
//!
//! One worker carries a whole tunnel, so a share per worker would refuse its streams while the
//! others' shares lie idle. An atomic counter, touched when a socket opens and closes, is the
//! only thing the workers share on their way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The count and its limits.
#[derive(Debug)]
pub(crate) struct Capacity {
    open: AtomicUsize,
    max: usize,
}

/// The right to one open socket; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    capacity: Arc<Capacity>,
}

impl Capacity {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { open: AtomicUsize::new(0), max })
    }

    /// For a socket that is dialled.
    pub(crate) fn to_dial(self: &Arc<Self>) -> Option<Permit> {
        self.take(self.max)
    }

    /// For a socket that is accepted: the last sixteenth is kept for dials.
    pub(crate) fn to_accept(self: &Arc<Self>) -> Option<Permit> {
        self.take((self.max - self.max / 16).max(1))
    }

    /// Whether accepting, once stopped for want of room, may begin again. The gap to the limit of
    /// [`Capacity::to_accept`] keeps it from flapping.
    pub(crate) fn has_room_again(&self) -> bool {
        self.open.load(Ordering::Relaxed) <= self.max - (self.max / 8).max(1)
    }

    fn take(self: &Arc<Self>, limit: usize) -> Option<Permit> {
        // Only the number matters, it orders no other memory: relaxed.
        if self.open.fetch_add(1, Ordering::Relaxed) < limit {
            Some(Permit { capacity: Arc::clone(self) })
        } else {
            self.open.fetch_sub(1, Ordering::Relaxed);
            None
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.capacity.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepting_stops_before_dialling_and_resumes_lower() {
        let capacity = Capacity::new(32);
        let mut accepted: Vec<_> = std::iter::from_fn(|| capacity.to_accept()).collect();
        assert_eq!(accepted.len(), 30);
        let dialled: Vec<_> = std::iter::from_fn(|| capacity.to_dial()).collect();
        assert_eq!(dialled.len(), 2);
        drop(dialled);
        assert!(!capacity.has_room_again());
        accepted.truncate(28);
        assert!(capacity.has_room_again());
    }

    #[test]
    fn one_socket_is_enough_to_work() {
        let capacity = Capacity::new(1);
        let permit = capacity.to_accept();
        assert!(permit.is_some());
        assert!(capacity.to_accept().is_none());
        assert!(!capacity.has_room_again());
        drop(permit);
        assert!(capacity.has_room_again());
    }
}
