//! The client for small machines (`docs/small.md`): its ceilings, each held against a measurement.
//!
//! The server is the usual one. What is measured is `sc` as built by
//! `cargo build --profile small -p sc-bin --no-default-features --features smol,client`.
#![cfg(target_os = "linux")]

use std::io::Read as _;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use sc_tests::cgroup::MemoryBound;
use sc_tests::deployment::{Server, Tunnel};
use sc_tests::http::Connection;
use sc_tests::site::Site;
use sc_tests::site::holder::{GREETING, Holder};
use sc_tests::traffic::{self, Progress};
use sc_tests::{binary, figures, usage, wait};

const MIB: u64 = 1024 * 1024;
/// The ceilings.
const MAX_FILE: u64 = 4 * MIB;
const MAX_IDLE: u64 = 6 * MIB;
const MAX_BUSY: u64 = 16 * MIB;
const STREAMS: usize = 500;
const THREADS: usize = 2;
/// All it gets in the last test, its file cache included.
const BOUND: u64 = 32 * MIB;
/// How long an idle client is watched.
const WATCH: Duration = Duration::from_secs(10);
/// A keepalive that does not come while it is watched.
const SELDOM: &[&str] = &["--keepalive", "3600"];
/// What each of the transfers under the bound moves.
const TRANSFER: u64 = 64 * MIB;

/// The tests measure, so they run one after the other.
static ALONE: Mutex<()> = Mutex::new(());

/// The small client on a server of its own, started by `command`.
fn tunnel(command: Command, options: &[&str]) -> Tunnel {
    let server = Server::start_as(binary::command(), options);
    Tunnel::start_on(server, |_| {
        let mut command = command;
        command.args(options);
        command
    })
}

fn small() -> Command {
    binary::command_of(binary::small_client())
}

#[test]
fn the_program_is_small_and_has_the_client_only() {
    let bytes = binary::small_client().metadata().expect("it is there").len();
    figures::tell(&format!("the small client is a file of {} KiB", bytes / 1024));
    assert!(bytes < MAX_FILE, "{bytes} bytes");
    let refused = small().arg("server").output().expect("it can be started");
    assert!(!refused.status.success());
    let refused = small().args(["--runtime", "mio"]).output().expect("it can be started");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("[possible values: smol]"), "{said}");
}

#[test]
fn an_idle_client_is_two_threads_that_sleep() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let tunnel = tunnel(small(), SELDOM);
    let pid = tunnel.client.process.pid();
    // REST calls of the start have threads of their own, for as long as they take.
    wait::until("the threads of the start to end", || {
        (usage::threads(pid) == THREADS).then_some(())
    });
    // The first request, so that what is made once is there.
    let holder = Holder::start();
    hold(&tunnel, &holder);
    let worker = || {
        let waits = usage::waits(pid);
        waits.into_iter().find(|(name, _)| name == "sc-worker-0").expect("a worker").1
    };
    let before = wait::until_steady("the client to rest", Duration::from_secs(1), worker);
    thread::sleep(WATCH);
    let (woken, waits) = (worker() - before, usage::waits(pid));
    let idle = usage::resident_bytes(pid);
    figures::tell(&format!(
        "idle: {} KiB resident; the worker woke {woken} times in {WATCH:?}; waits in all: {waits:?}",
        idle / 1024
    ));
    assert_eq!(woken, 0, "the worker wakes without a cause");
    assert!(idle < MAX_IDLE, "{idle} bytes");
}

/// A stream to the holder, proven by its greeting.
fn hold(tunnel: &Tunnel, holder: &Holder) -> Connection {
    let mut user =
        Connection::through(tunnel.proxy, &holder.address().to_string()).expect("a stream");
    let mut greeting = [0; GREETING.len()];
    user.read_exact(&mut greeting).expect("the greeting");
    assert_eq!(greeting, GREETING);
    user
}

#[test]
fn five_hundred_streams_cost_little() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (tunnel, holder, site) = (tunnel(small(), &[]), Holder::start(), Site::start());
    let pid = tunnel.client.process.pid();
    let held: Vec<_> = (0..STREAMS).map(|_| hold(&tunnel, &holder)).collect();
    let progress = Progress::default();
    traffic::download(tunnel.proxy, &site, 4 * MIB, &progress);
    let (now, peak) = (usage::resident_bytes(pid), usage::peak_resident_bytes(pid));
    figures::tell(&format!(
        "{STREAMS} streams: {} KiB resident, {} KiB at most; {} threads",
        now / 1024,
        peak / 1024,
        usage::threads(pid)
    ));
    assert!(now < MAX_BUSY, "{now} bytes");
    drop(held);
}

#[test]
#[cfg_attr(
    missing_memory_bound,
    ignore = "control groups cannot be made here: needs root, cgroup v1"
)]
fn it_lives_within_32_mib_under_load() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let bound = MemoryBound::new(BOUND);
    let (holder, site) = (Holder::start(), Site::start());
    let tunnel = tunnel(bound.command(binary::small_client()), &[]);
    let held: Vec<_> = (0..100).map(|_| hold(&tunnel, &holder)).collect();
    let progress = Progress::default();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| traffic::download(tunnel.proxy, &site, TRANSFER, &progress));
            scope.spawn(|| traffic::upload(tunnel.proxy, &site, TRANSFER, &progress));
        }
    });
    drop(hold(&tunnel, &holder));
    assert!(tunnel.client.process.is_running());
    let peak = usage::peak_resident_bytes(tunnel.client.process.pid());
    figures::tell(&format!(
        "{} MiB moved with {} streams open: {} KiB resident at most, {} KiB with file cache",
        progress.both() / MIB,
        held.len(),
        peak / 1024,
        bound.peak() / 1024
    ));
    drop((held, tunnel));
}
