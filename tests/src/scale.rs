//! How big the tests are. By default as fits a debug build at a desk; `.ci/run` says more.

use std::env;
use std::time::{Duration, SystemTime};

/// Size of the big file in MiB (`SC_TESTS_FILE_MIB`, default 64; the full check has 1024).
pub fn file_bytes() -> u64 {
    number("SC_TESTS_FILE_MIB", 64) * 1024 * 1024
}

/// How many streams stand idle at once (`SC_TESTS_IDLE_STREAMS`, default 1000; full: 5000).
pub fn idle_streams() -> usize {
    number("SC_TESTS_IDLE_STREAMS", 1000) as usize
}

/// How many connections come and go (`SC_TESTS_CONNECTIONS`, default 2000; full: 20000).
pub fn connections() -> usize {
    number("SC_TESTS_CONNECTIONS", 2000) as usize
}

/// Size of each big transfer while the transport is cut, in MiB (`SC_TESTS_CUT_MIB`, default 96;
/// full: 1024).
pub fn cut_bytes() -> u64 {
    number("SC_TESTS_CUT_MIB", 96) * 1024 * 1024
}

/// How often the transport is cut meanwhile (`SC_TESTS_CUTS`, default 12; full: 100).
pub fn cuts() -> usize {
    number("SC_TESTS_CUTS", 12) as usize
}

/// Size of each transfer over a line that loses packets, in MiB (`SC_TESTS_LOSSY_MIB`, default 2;
/// full: 16).
pub fn lossy_bytes() -> u64 {
    number("SC_TESTS_LOSSY_MIB", 2) * 1024 * 1024
}

/// How often the transport over such a line is cut (`SC_TESTS_LOSSY_CUTS`, default 3; full: 12).
pub fn lossy_cuts() -> usize {
    number("SC_TESTS_LOSSY_CUTS", 3) as usize
}

/// How long the outage under full load lasts (`SC_TESTS_OUTAGE_SECONDS`, default 10; full: 60).
pub fn outage() -> Duration {
    Duration::from_secs(number("SC_TESTS_OUTAGE_SECONDS", 10))
}

/// How long the soak runs (`SC_TESTS_SOAK_SECONDS`, default 1800).
pub fn soak() -> Duration {
    Duration::from_secs(number("SC_TESTS_SOAK_SECONDS", 1800))
}

/// How many tunnels one server carries, each with a client process (`SC_TESTS_TUNNELS`, default 30;
/// full: 200).
pub fn tunnels() -> usize {
    number("SC_TESTS_TUNNELS", 30) as usize
}

/// Where chance begins (`SC_TESTS_SEED`, default: the time, which is another one in each run).
pub fn seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    number("SC_TESTS_SEED", now.as_secs())
}

fn number(name: &str, default: u64) -> u64 {
    match env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text:?}")),
        Err(_) => default,
    }
}
