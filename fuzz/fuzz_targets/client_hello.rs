//! The first bytes after a CONNECT: never a panic, and a verdict never changes with what follows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sc_proto::tls::{Glimpse, glimpse};

fuzz_target!(|input: &[u8]| {
    let whole = glimpse(input);
    for end in 0..input.len().min(600) {
        let part = glimpse(&input[..end]);
        assert!(part == Glimpse::More || part == whole, "{end}: {part:?}, {whole:?}");
    }
});
