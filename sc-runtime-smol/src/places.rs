//! How many sockets the process may have open, counted over all workers.

use std::sync::Arc;

use async_lock::{Semaphore, SemaphoreGuardArc};

/// The places there are. Who accepts waits for one, who dials is refused without one.
#[derive(Debug)]
pub(crate) struct Places {
    all: Arc<Semaphore>,
    /// Fewer than all: the last sixteenth is kept for dials.
    accepted: Arc<Semaphore>,
}

/// The right to one open socket; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _one: SemaphoreGuardArc,
    _accepted: Option<SemaphoreGuardArc>,
}

impl Places {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(max)),
            accepted: Arc::new(Semaphore::new((max - max / 16).max(1))),
        }
    }

    /// For a socket that is dialled.
    pub(crate) fn to_dial(&self) -> Option<Place> {
        Some(Place { _one: self.all.try_acquire_arc()?, _accepted: None })
    }

    /// For a socket that is accepted, if there is one.
    pub(crate) fn to_accept(&self) -> Option<Place> {
        let accepted = self.accepted.try_acquire_arc()?;
        Some(Place { _one: self.all.try_acquire_arc()?, _accepted: Some(accepted) })
    }

    /// For a socket that is accepted; waits until there is one.
    pub(crate) async fn wait_to_accept(&self) -> Place {
        let accepted = self.accepted.acquire_arc().await;
        Place { _one: self.all.acquire_arc().await, _accepted: Some(accepted) }
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::{block_on, poll_once};

    use super::*;

    #[test]
    fn accepting_stops_before_dialling() {
        let places = Places::new(32);
        let mut accepted: Vec<_> = std::iter::from_fn(|| places.to_accept()).collect();
        assert_eq!(accepted.len(), 30);
        let dialled: Vec<_> = std::iter::from_fn(|| places.to_dial()).collect();
        assert_eq!(dialled.len(), 2);
        drop(dialled);
        assert!(places.to_accept().is_none());
        accepted.truncate(29);
        assert!(places.to_accept().is_some());
    }

    #[test]
    fn who_accepts_waits_for_a_place() {
        let places = Places::new(1);
        let taken = places.to_dial();
        let mut waiting = Box::pin(places.wait_to_accept());
        assert!(block_on(poll_once(&mut waiting)).is_none());
        drop(taken);
        assert!(block_on(poll_once(&mut waiting)).is_some());
    }
}
