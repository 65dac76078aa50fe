//! Out of descriptors: a process of its own with a low limit, for the server or for the client.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use super::Verdict;
use crate::browser::{answer, ask, expect_echo, pattern, reach};
use crate::driver::Driver;
use crate::process::Holder;
use crate::site::{self, abort};

/// What the process may have open.
const FEW: u64 = 64;
/// More than it can serve at once.
const BROWSERS: usize = 100;

/// Browsers wait in the queue of the listener, and are served when others have gone.
pub(super) fn server_runs_out(driver: &Driver) -> Verdict {
    let (server, place) = Holder::server(driver, FEW);
    let _client = Holder::client(driver, 1024, &place);
    let echo = site::echo();
    let before = descriptors(server.pid());
    let waiting: Vec<_> = (0..BROWSERS).map(|_| ask(place.proxy, &echo.to_string())).collect();
    wait_until(|| descriptors(server.pid()) as u64 >= FEW - 1, "the server is full");
    assert_idle(server.pid());
    // The first ones are served and go, which makes room for the next.
    for stream in waiting {
        let answer = answer(stream);
        assert_eq!(answer.status, 200, "{}", answer.error);
        expect_echo(&answer.stream, b"served");
    }
    back_to_normal(&server, before, place.proxy, echo)
}

/// Dials fail with their cause, and succeed again when others have gone.
pub(super) fn client_runs_out(driver: &Driver) -> Verdict {
    let (_server, place) = Holder::server(driver, 1024);
    let client = Holder::client(driver, FEW, &place);
    let echo = site::echo();
    let before = descriptors(client.pid());
    let asked: Vec<_> = (0..BROWSERS).map(|_| ask(place.proxy, &echo.to_string())).collect();
    let answers: Vec<_> = asked.into_iter().map(answer).collect();
    let (served, failed): (Vec<_>, Vec<_>) = answers.into_iter().partition(|a| a.status == 200);
    assert!(!served.is_empty() && !failed.is_empty(), "{} of {BROWSERS} served", served.len());
    for answer in &failed {
        assert_eq!((answer.status, answer.error.as_str()), (503, "client-resources"));
    }
    assert_idle(client.pid());
    for answer in &served {
        expect_echo(&answer.stream, b"served");
    }
    drop(served);
    back_to_normal(&client, before, place.proxy, echo)
}

/// Connections that come, and end in every way: nothing is left of them.
pub(super) fn come_and_go(driver: &Driver) -> Verdict {
    const ROUNDS: u64 = 40;
    let (server, place) = Holder::server(driver, 1024);
    let client = Holder::client(driver, 1024, &place);
    let echo = site::echo();
    let before = [&server, &client].map(|process| descriptors(process.pid()));
    for round in 0..ROUNDS {
        thread::scope(|scope| {
            for number in 0..50 {
                scope.spawn(move || {
                    let stream = reach(place.proxy, echo);
                    match number % 5 {
                        0 => {} // It just goes away.
                        1 => abort(stream),
                        _ => expect_echo(&stream, &pattern(round * 50 + number, 5_000)),
                    }
                });
            }
        });
    }
    for (process, before) in [&server, &client].into_iter().zip(before) {
        wait_until(|| descriptors(process.pid()) <= before, "descriptors come back");
        assert_idle(process.pid());
    }
    Verdict::Passed
}

/// All descriptors come back, and the process serves and rests as before.
fn back_to_normal(process: &Holder, before: usize, proxy: SocketAddr, echo: SocketAddr) -> Verdict {
    wait_until(|| descriptors(process.pid()) <= before, "descriptors come back");
    expect_echo(&reach(proxy, echo), b"as before");
    assert_idle(process.pid());
    Verdict::Passed
}

/// What a process has open (proc(5)).
pub(super) fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Looks again until it is so. The time limit of the scenario ends it otherwise.
pub(super) fn wait_until(is_so: impl Fn() -> bool, what: &str) {
    eprintln!("waiting until {what}");
    while !is_so() {
        thread::sleep(Duration::from_millis(5));
    }
}

/// Asserts that a process does next to nothing for half a second.
fn assert_idle(pid: u32) {
    let before = cpu_ticks(pid);
    thread::sleep(Duration::from_millis(500));
    let used = cpu_ticks(pid) - before;
    assert!(used <= 10, "{used} ticks of 10 ms used in 500 ms");
}

/// Processor time a process has used, in clock ticks of 10 ms (proc(5), fields 14 and 15).
fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<_> = fields.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
