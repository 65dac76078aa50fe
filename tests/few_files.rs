//! At the limit of open files: no crash, no spinning, and all is well when there is room again.

use std::time::Duration;

use sc_tests::binary;
use sc_tests::deployment::{Server, Tunnel};
use sc_tests::http::{self, Connection};
use sc_tests::site::Site;
use sc_tests::site::holder::{GREETING, Holder};
use sc_tests::{figures, usage, wait};

/// What server and client may open in these tests.
const LIMIT: u32 = 128;

/// More than that allows, on either side.
const ATTEMPTS: usize = 300;

/// CPU time in hundredths of a second that a process at its limit may use in [`WATCHED`].
const IDLE_TICKS: u64 = 10;

/// For how long it is watched.
const WATCHED: Duration = Duration::from_millis(500);

/// Fills the tunnel with streams that stand, watches the processes, and lets go.
fn fill_and_let_go(tunnel: &Tunnel, short: &str) {
    let (site, holder) = (Site::start(), Holder::start());
    let target = holder.address().to_string();
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
    let mut users: Vec<_> = (0..ATTEMPTS)
        .map(|_| {
            let mut user = Connection::open(tunnel.proxy).expect("the backlog takes it");
            user.send(&request).expect("the request goes out");
            user
        })
        .collect();
    let held = wait::until_steady("no more streams to come", WATCHED, || holder.held());
    let ticks = tunnel.pids().map(usage::cpu_ticks);
    // Nothing moves, so nothing may run. The wait is the measurement.
    wait::until_steady("the watched time", WATCHED, || holder.held());
    let used: Vec<_> = tunnel
        .pids()
        .iter()
        .zip(ticks)
        .map(|(pid, before)| usage::cpu_ticks(*pid) - before)
        .collect();
    let lines: usize = tunnel.pids().len()
        + tunnel.server.process.lines().len()
        + tunnel.client.process.lines().len();
    figures::tell(&format!(
        "{short} with {LIMIT} files: {held} of {ATTEMPTS} streams, {used:?} ticks of CPU in {WATCHED:?}"
    ));
    assert!(held > 20 && held < ATTEMPTS, "{held} streams");
    assert!(used.iter().all(|ticks| *ticks <= IDLE_TICKS), "it spins: {used:?} ticks");
    assert!(lines < 200, "the log is flooded: {lines} lines");
    let mut first = users.swap_remove(0);
    assert_eq!(first.read_head().expect("the first got through").status(), 200);
    let mut greeting = [0; GREETING.len()];
    std::io::Read::read_exact(&mut first, &mut greeting).expect("the first works");
    drop(users);
    holder.dismiss();
    let answer = wait::until("room for a new connection", || {
        let answer = http::get(tunnel.proxy, &site.url("/hello")).ok()?;
        (answer.status() == 200).then_some(answer)
    });
    assert_eq!(answer.text(), "hello from the site\n");
}

#[test]
fn a_server_with_few_files() {
    let server = Server::start_as(binary::command_with_open_files(LIMIT), &[]);
    let tunnel = Tunnel::start_on(server, |command| command);
    fill_and_let_go(&tunnel, "server");
}

#[test]
fn a_client_with_few_files() {
    let tunnel = Tunnel::start_on(Server::start(), |_| binary::command_with_open_files(LIMIT));
    fill_and_let_go(&tunnel, "client");
}
