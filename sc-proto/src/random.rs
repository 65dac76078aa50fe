//! Unpredictable bytes from the seed: SHA-256 over seed and counter.

use crate::tls::sha256;

/// A stream of bytes that tells nothing of what came before or comes after, as long as the seed
/// is a secret of at least 128 bits.
pub(crate) struct Random {
    seed: [u8; 32],
    counter: u64,
}

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0 }
    }

    /// Bytes that belong to the seed and are no secret: the rest of the stream is another.
    pub(super) fn mark<const N: usize>(&self) -> [u8; N] {
        Self { seed: self.seed, counter: u64::MAX }.bytes()
    }

    /// The next `N` bytes, at most 32.
    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        const { assert!(N <= 32) };
        let mut input = [0; 40];
        input[..32].copy_from_slice(&self.seed);
        input[32..].copy_from_slice(&self.counter.to_be_bytes());
        self.counter = self.counter.wrapping_add(1);
        let mut bytes = [0; N];
        bytes.copy_from_slice(&sha256(&input)[..N]);
        bytes
    }

    /// The next number.
    pub(crate) fn number(&mut self) -> u64 {
        u64::from_be_bytes(self.bytes())
    }
}

impl core::fmt::Debug for Random {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Random(****)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_repeats_with_the_seed_and_not_within() {
        let mut one = Random::new([1; 32]);
        let mut two = Random::new([1; 32]);
        let first: [u8; 32] = one.bytes();
        assert_eq!(first, two.bytes::<32>());
        assert_ne!(first, one.bytes::<32>());
        assert_ne!(Random::new([2; 32]).number(), Random::new([1; 32]).number());
    }
}
