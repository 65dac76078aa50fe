//! How many connections may be open, in all and of one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::server::guesses::network;

/// The places there are.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    most_of_one_peer: usize,
    /// Never more entries than `most`.
    taken: Mutex<HashMap<IpAddr, usize>>,
    freed: Notify,
}

/// A place for one connection; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) places: Arc<Places>,
    peer: IpAddr,
}

impl Places {
    /// All free.
    pub(super) fn new(most: usize, most_of_one_peer: usize) -> Arc<Self> {
        Arc::new(Self { most, most_of_one_peer, taken: Mutex::default(), freed: Notify::new() })
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.counts().values().sum()
    }

    /// Takes one for a peer; `None` if there is none, or the peer has its share.
    pub(super) fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let peer = network(peer);
        let mut counts = self.counts();
        let all: usize = counts.values().sum();
        let of_peer = counts.get(&peer).copied().unwrap_or(0);
        if all >= self.most || of_peer >= self.most_of_one_peer {
            return None;
        }
        counts.insert(peer, of_peer + 1);
        Some(Place { places: Arc::clone(self), peer })
    }

    /// Waits until one is free.
    pub(super) async fn wait(&self) {
        self.wait_for(|taken| taken < self.most).await;
    }

    /// Waits until all are free.
    pub(super) async fn all_free(&self) {
        self.wait_for(|taken| taken == 0).await;
    }

    async fn wait_for(&self, is_so: impl Fn(usize) -> bool) {
        // A place that is freed after the look is kept for the next wait.
        while !is_so(self.taken()) {
            self.freed.notified().await;
        }
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.places.counts();
        match counts.get_mut(&self.peer) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                counts.remove(&self.peer);
            }
        }
        drop(counts);
        self.places.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_peer_does_not_get_all() {
        let places = Places::new(3, 2);
        let (a, b) = (ip("2001:db8::1"), ip("192.0.2.1"));
        let first = places.take(a).unwrap();
        let _second = places.take(ip("2001:db8::ffff:1")).unwrap();
        assert!(places.take(a).is_none(), "its share");
        let third = places.take(b).unwrap();
        assert!(places.take(ip("::ffff:192.0.2.1")).is_none(), "all are taken");
        drop(first);
        assert!(places.take(a).is_some());
        drop(third);
        assert_eq!(places.taken(), 1);
        assert_eq!(places.counts().len(), 1, "who left is forgotten");
    }

    #[tokio::test]
    async fn a_freed_place_ends_the_wait() {
        let places = Places::new(1, 1);
        let place = places.take(ip("192.0.2.1")).unwrap();
        let waiter = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.wait().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());
        drop(place);
        waiter.await.unwrap();
        places.all_free().await;
    }
}
