//! Bytes to send, and how to carry them from one end to the other.

use sc_proto::ListenerId;

use super::{End, World};

pub(crate) fn pattern(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i * 31 % 251) as u8).collect()
}

/// Opens a CONNECT stream; gives the browser's and the site's end.
pub(crate) fn connect(world: &mut World, proxy: ListenerId) -> (End, End) {
    let browser = world.browse(0, proxy).unwrap();
    world.send(browser, b"CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n");
    world.run();
    let (target, site) = world.sites.pop_front().unwrap();
    assert_eq!(target, "app.test:443");
    assert_eq!(world.take_all(browser), "HTTP/1.1 200 Connection Established\r\n\r\n");
    (browser, site)
}

/// Moves `bytes` from one end to the other, reading a little at a time.
pub(crate) fn transfer(world: &mut World, from: End, to: End, bytes: &[u8]) {
    let mut got = Vec::new();
    for part in bytes.chunks(100_000) {
        world.send(from, part);
        world.run();
        got.extend(world.take(to, 70_000));
    }
    while got.len() < bytes.len() {
        world.run();
        let more = world.take(to, 70_000);
        assert!(!more.is_empty(), "stalled after {} of {}", got.len(), bytes.len());
        got.extend(more);
    }
    assert!(got == bytes, "the bytes differ");
}

impl World {
    pub(crate) fn take_all(&mut self, end: End) -> String {
        String::from_utf8_lossy(&self.take(end, usize::MAX)).into_owned()
    }

    /// The test drops all bytes that have arrived; says how many.
    pub(crate) fn discard(&mut self, end: End) -> usize {
        let n = self.halves[end].arrived.len();
        self.halves[end].arrived.clear();
        self.wake(Self::other(end));
        n
    }

    /// Bytes that the test sent and nobody has read yet.
    pub(crate) fn waiting_at(&self, end: End) -> usize {
        self.halves[Self::other(end)].arrived.len()
    }
}
