//! Ports that nothing listens on.

use std::net::TcpListener;
use std::process;
use std::sync::Mutex;

/// The blocks are below the ports that the kernel gives out by itself (from 32768 on Linux), so
/// that no connection of ours takes one between the look and the use.
const FIRST: u16 = 20_000;
const END: u16 = 32_000;

static NEXT: Mutex<Option<u16>> = Mutex::new(None);

/// `count` neighbouring free ports on 127.0.0.1, as first and last. Never the same twice in one
/// process, and starting elsewhere in each process.
///
/// # Panics
/// If there is no such block.
pub fn block(count: u16) -> (u16, u16) {
    let mut next = NEXT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let span = u32::from(END - FIRST);
    let start = FIRST + (process::id().wrapping_mul(97) % span) as u16;
    let mut first = next.unwrap_or(start);
    for _ in 0..span {
        if first + count > END {
            first = FIRST;
        }
        let block = first..first + count;
        first += count;
        // All are held at once, so that the look at one does not disturb the next.
        let held: Result<Vec<_>, _> =
            block.clone().map(|port| TcpListener::bind(("127.0.0.1", port))).collect();
        if held.is_ok() {
            *next = Some(first);
            return (block.start, block.end - 1);
        }
    }
    panic!("no {count} neighbouring free ports between {FIRST} and {END}");
}

/// A free port, for a program that cannot be told to choose one.
///
/// # Panics
/// If there is none.
pub fn one() -> u16 {
    block(1).0
}
