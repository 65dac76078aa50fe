//! Bytes that are different everywhere, made from a number, and what they must hash to.

use std::fmt::Write as _;
use std::io::{self, Read, Write};

use sha2::{Digest as _, Sha256};

/// A reader of `length` bytes that only depend on `seed` and their place.
#[derive(Clone, Debug)]
pub struct Payload {
    state: u64,
    /// How many bytes of `state` have been given out.
    used: usize,
    left: u64,
}

impl Payload {
    /// The bytes of `seed`, `length` of them.
    pub fn new(seed: u64, length: u64) -> Self {
        // Zero is the one state that xorshift never leaves.
        let state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Self { state, used: size_of::<u64>(), left: length }
    }

    /// Their SHA-256, in hex.
    pub fn sha256(&self) -> String {
        sha256_of(self.clone()).expect("reading a payload cannot fail").1
    }

    /// All of them.
    pub fn bytes(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes).expect("reading a payload cannot fail");
        bytes
    }
}

impl Read for Payload {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = (buffer.len() as u64).min(self.left) as usize;
        let mut rest = &mut buffer[..wanted];
        while !rest.is_empty() {
            if self.used == size_of::<u64>() {
                self.state ^= self.state << 13;
                self.state ^= self.state >> 7;
                self.state ^= self.state << 17;
                self.used = 0;
            }
            let bytes = &self.state.to_le_bytes()[self.used..];
            let count = bytes.len().min(rest.len());
            let (now, later) = rest.split_at_mut(count);
            now.copy_from_slice(&bytes[..count]);
            self.used += count;
            rest = later;
        }
        self.left -= wanted as u64;
        Ok(wanted)
    }
}

/// A writer that only hashes and counts.
#[derive(Clone, Debug, Default)]
pub struct Digest {
    hash: Sha256,
    length: u64,
}

impl Digest {
    /// How many bytes were written, and their SHA-256 in hex.
    pub fn finish(self) -> (u64, String) {
        let mut text = String::new();
        for byte in self.hash.finalize() {
            let _ = write!(text, "{byte:02x}");
        }
        (self.length, text)
    }
}

impl Write for Digest {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads to the end: how many bytes came, and their SHA-256 in hex.
///
/// # Errors
/// Those of the reader.
pub fn sha256_of(reader: impl Read) -> io::Result<(u64, String)> {
    let mut digest = Digest::default();
    send(reader, &mut digest)?;
    Ok(digest.finish())
}

/// Copies all of `reader` in big pieces.
///
/// # Errors
/// Those of both.
pub fn send(mut reader: impl Read, mut writer: impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return writer.flush(),
            Ok(count) => writer.write_all(&buffer[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
