//! A tunnel over four connections: the loss of some stops nothing, the loss of all no longer than
//! that of one.

use std::thread;
use std::time::{Duration, Instant};

use sc_tests::binary;
use sc_tests::deployment::{Server, Tunnel};
use sc_tests::link::{Cut, Dials};
use sc_tests::linked::{Linked, LinkedOptions};
use sc_tests::shared::Report;
use sc_tests::site::Site;
use sc_tests::traffic::{self, Idle};
use sc_tests::{figures, http, limits, scale, wait};

/// How many connections the tunnels here have.
const CONNECTIONS: usize = 4;
/// Small requests after a cut.
const REQUESTS: usize = 40;
/// The pause between those that are made side by side: all begin before the cut is noticed.
const PACE: Duration = Duration::from_millis(50);

/// A tunnel with all its connections up.
fn linked() -> Linked {
    let linked = Linked::start_with(LinkedOptions {
        client: &["--tunnel-connections", "4"],
        ..LinkedOptions::default()
    });
    wait_complete(&linked);
    linked
}

/// Waits until the server has said of each connection that it is up.
fn wait_complete(linked: &Linked) {
    wait_for_all(&linked.tunnel, CONNECTIONS);
}

fn wait_for_all(tunnel: &Tunnel, connections: usize) {
    let server = &tunnel.server.process;
    for number in 1..=connections {
        let up = format!("connection {number} of {connections}: up: client");
        wait::until(&up, || (server.count_lines(&up) > 0).then_some(()));
    }
}

fn resumed(linked: &Linked) -> usize {
    linked.tunnel.client.process.count_lines(" resumed after ")
}

/// Some requests, one after the other.
fn requests(linked: &Linked, site: &Site) -> Vec<Duration> {
    (0..REQUESTS).map(|_| traffic::small_request(linked.tunnel.proxy, site).took).collect()
}

#[test]
fn a_tunnel_has_two_connections_if_nobody_says_how_many() {
    let tunnel = Tunnel::start_on(Server::start(), binary::with_usual_connections);
    wait_for_all(&tunnel, 2);
    let site = Site::start();
    for _ in 0..REQUESTS {
        traffic::small_request(tunnel.proxy, &site);
    }
}

#[test]
fn without_one_connection_nothing_stops_and_nothing_is_lost() {
    let (linked, site) = (linked(), Site::start());
    let proxy = linked.tunnel.proxy;
    let mut idle = Idle::open(proxy, &site, 20);
    let calm = requests(&linked, &site);
    let mut during = Vec::new();
    let length = scale::cut_bytes() / 3;
    traffic::run(proxy, &site, length, REQUESTS, |progress| {
        for index in 0..CONNECTIONS {
            let mark = 2 * length / 6 * (index as u64 + 1);
            wait::until("the transfers", || (progress.both() >= mark).then_some(()));
            let how = if index % 2 == 0 { Cut::Reset } else { Cut::Close };
            assert_eq!(linked.link.cut_one(index, how), 1, "{}", linked.report());
            during.extend(requests(&linked, &site));
        }
    });
    idle.expect_all_alive();
    wait::until("all to be resumed", || (resumed(&linked) == CONNECTIONS).then_some(()));
    let lost = linked.tunnel.client.process.count_lines(" was lost (");
    assert_eq!(lost, 0, "{}", linked.report());
    let median = |all: &[Duration]| traffic::percentile(all.iter().copied(), 0.5);
    figures::tell(&format!(
        "one of {CONNECTIONS} connections cut: requests take {:.1?} at the median, {:.1?} before; \
         the longest {:.1?}",
        median(&during).unwrap_or_default(),
        median(&calm).unwrap_or_default(),
        during.iter().max().copied().unwrap_or_default(),
    ));
    limits::expect_within("a request while one is cut", limits::RECOVERY, &during);
}

/// The link forgets one connection, and nobody is told: what was on it waits until that is
/// noticed, all else goes on.
#[test]
fn one_connection_that_falls_silent_holds_up_what_it_carries_only() {
    let (linked, site) = (linked(), Site::start());
    let mut idle = Idle::open(linked.tunnel.proxy, &site, 20);
    assert_eq!(linked.link.cut_one(2, Cut::Forget), 1);
    let took = thread::scope(|scope| {
        let users: Vec<_> = (0..REQUESTS)
            .map(|_| {
                thread::sleep(PACE);
                scope.spawn(|| traffic::small_request(linked.tunnel.proxy, &site).took)
            })
            .collect();
        let took = users.into_iter().map(|user| user.join().expect("every one is answered"));
        took.collect::<Vec<_>>()
    });
    let slow = took.iter().filter(|took| **took > limits::RECOVERY.median).count();
    figures::tell(&format!("{REQUESTS} requests in a silence, {slow} of them held up"));
    assert!(slow <= REQUESTS / 8, "a connection that does not answer is avoided: {took:.2?}");
    wait::until("it to be resumed", || (resumed(&linked) == 1).then_some(()));
    idle.expect_all_alive();
}

fn interruptions(linked: &Linked) -> usize {
    linked.tunnel.client.process.count_lines(" interrupted (")
}

#[test]
fn all_of_them_come_back_at_once() {
    let (linked, site) = (linked(), Site::start());
    let mut idle = Idle::open(linked.tunnel.proxy, &site, 20);
    let mut recoveries = Vec::new();
    for _ in 0..5 {
        let before = resumed(&linked);
        assert_eq!(linked.link.cut(Cut::Reset), CONNECTIONS);
        recoveries.push(traffic::small_request(linked.tunnel.proxy, &site).took);
        wait::until("all to be resumed", || {
            (resumed(&linked) == before + CONNECTIONS).then_some(())
        });
    }
    limits::expect_within("recovery of all", limits::RECOVERY, &recoveries);
    idle.expect_all_alive();
}

#[test]
fn after_an_outage_of_all_the_first_that_is_back_serves() {
    let (linked, site) = (linked(), Site::start());
    let mut idle = Idle::open(linked.tunnel.proxy, &site, 20);
    linked.link.silence(Dials::Dropped);
    wait::until("the outage to be noticed", || (interruptions(&linked) == 4).then_some(()));
    let record = || linked.tunnel.server.rest(&linked.tunnel.user).tunnel_named("test");
    wait::until("the server to notice", || (record()?["is_ready"] == false).then_some(()));
    thread::scope(|scope| {
        let early = scope.spawn(|| traffic::small_request(linked.tunnel.proxy, &site));
        linked.link.come_back();
        let back = Instant::now();
        traffic::small_request(linked.tunnel.proxy, &site);
        limits::expect_within("recovery of all", limits::RECOVERY, &[back.elapsed()]);
        let _ = early.join().expect("a request of the outage is answered");
    });
    wait::until("all to be resumed", || (resumed(&linked) == 4).then_some(()));
    idle.expect_all_alive();
    assert_eq!(record().expect("a record")["is_ready"], true);
}

#[test]
fn a_killed_server_has_all_of_them_back() {
    let (mut linked, site) = (linked(), Site::start());
    linked.tunnel.server.process.kill();
    linked.tunnel.server.start_again(binary::command());
    let back = Instant::now();
    let is_answered = || {
        let answer = http::get(linked.tunnel.proxy, &site.url("/hello"));
        answer.is_ok_and(|answer| answer.status() == 200).then_some(())
    };
    wait::until("the tunnel", is_answered);
    let took = back.elapsed();
    wait_complete(&linked);
    figures::tell(&format!(
        "server kill -9: tunnel back after {took:.1?}, all {CONNECTIONS} connections after {:.1?}",
        back.elapsed()
    ));
    let restored = linked.tunnel.client.process.count_lines("Connection restored");
    assert_eq!(restored, 1, "{}", linked.report());
    requests(&linked, &site);
}

#[test]
fn a_client_that_is_stopped_takes_all_of_them_along() {
    use sc_tests::process::Signal;
    let (linked, site) = (linked(), Site::start());
    requests(&linked, &site);
    linked.tunnel.client.process.signal(Signal::Terminate);
    let status = linked.tunnel.client.process.wait_exit(wait::PATIENCE);
    assert!(status.success(), "{}", linked.report());
    let record = || linked.tunnel.server.rest(&linked.tunnel.user).tunnels();
    wait::until("the tunnel to be gone", || record().is_empty().then_some(()));
}
