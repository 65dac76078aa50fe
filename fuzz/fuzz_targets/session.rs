//! Sessions of KGP: sequences of operations on a pair, and a peer that sends anything.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sc_proto::fuzzing::{hostile, pair};

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else {
        return;
    };
    match first & 1 {
        0 => pair(rest),
        _ => hostile(rest),
    }
});
