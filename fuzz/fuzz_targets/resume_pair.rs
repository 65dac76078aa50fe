//! Sessions of KGP whose transports die, linger and are replaced.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sc_proto::fuzzing::resume_pair;

fuzz_target!(|input: &[u8]| resume_pair(input));
