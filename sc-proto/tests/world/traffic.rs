//! Bytes to send, and how to carry them from one end to the other.

use std::collections::VecDeque;

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

/// Bytes of one direction of one stream, and what of them has arrived.
pub(crate) struct Flow {
    pub(crate) from: End,
    pub(crate) to: End,
    bytes: VecDeque<u8>,
    sent: VecDeque<u8>,
}

impl Flow {
    pub(crate) fn new(from: End, to: End, n: usize, salt: usize) -> Self {
        let bytes = (0..n).map(|i| (i * 31 + salt + i / 251) as u8).collect();
        Self { from, to, bytes, sent: VecDeque::new() }
    }

    /// Sends some and checks what arrives, byte for byte.
    pub(crate) fn step(&mut self, world: &mut World) {
        let n = self.bytes.len().min(20_000);
        let part: Vec<u8> = self.bytes.drain(..n).collect();
        world.send(self.from, &part);
        self.sent.extend(part);
        self.receive(world);
    }

    pub(crate) fn receive(&mut self, world: &mut World) {
        for byte in world.take(self.to, usize::MAX) {
            assert_eq!(Some(byte), self.sent.pop_front(), "doubled, lost or out of order");
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.bytes.is_empty() && self.sent.is_empty()
    }
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
