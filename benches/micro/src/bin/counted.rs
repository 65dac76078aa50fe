//! Runs one path of the core, for `benches/micro/count` to count its instructions.
//!
//! Only what happens inside [`measured`] is counted: the scene is made before. None of the paths
//! encrypts, because the cryptography picks its code by what the CPU can do.

use std::hint::black_box;
use std::process::ExitCode;

use sc_micro::{SessionPair, frames, http};

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        // Small reads: with large ones, copying would be all that counts.
        Some("session") => session(1000, 256, 16),
        Some("request") => {
            measured(|| {
                for _ in 0..1000 {
                    black_box(http::front(black_box(http::BROWSER)));
                }
            });
        }
        Some("frames") => {
            let payload = [7; 64];
            let batch = frames::batch(&payload);
            let mut bytes = Vec::new();
            frames::bytes(&batch, &mut bytes);
            measured(|| {
                for _ in 0..100 {
                    frames::bytes(black_box(&batch), &mut bytes);
                    black_box(frames::decode(black_box(&bytes)));
                }
            });
        }
        _ => {
            eprintln!("usage: counted session|request|frames");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// So many bytes for each of so many streams, `rounds` times, through two sessions.
fn session(streams: usize, bytes: usize, rounds: usize) {
    let mut pair = SessionPair::new(streams).expect("two honest sessions");
    // Windows and buffers reach their size first.
    pair.pass(bytes).expect("two honest sessions");
    measured(|| {
        for _ in 0..rounds {
            let passed = pair.pass(black_box(bytes)).expect("two honest sessions");
            assert_eq!(passed, streams * bytes);
        }
    });
}

/// What is counted, found by its name.
#[inline(never)]
fn measured(mut path: impl FnMut()) {
    path();
    black_box(());
}
