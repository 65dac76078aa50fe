//! One tunnel on several workers of server and client: all of them work, each session is resumed
//! where it lives.

use std::net::SocketAddr;

use sc_tests::exposition::Exposition;
use sc_tests::http::Connection;
use sc_tests::link::Cut;
use sc_tests::linked::{Linked, LinkedOptions};
use sc_tests::shared::Report;
use sc_tests::site::Site;
use sc_tests::traffic::{self, Idle};
use sc_tests::{ports, scale, wait};

/// Workers of the server, and connections of the tunnel.
const WORKERS: usize = 3;
/// Streams that rest.
const IDLE: usize = 30;

/// A tunnel with a session on each of the server's workers, and where its metrics are.
fn linked() -> (Linked, SocketAddr) {
    let metrics = SocketAddr::from(([127, 0, 0, 1], ports::one()));
    let linked = Linked::start_with(LinkedOptions {
        server: &["--workers", "3", "--metrics-address", &metrics.to_string()],
        client: &["--tunnel-connections", "3"],
    });
    wait::until("all sessions", || {
        (per_worker(metrics, "sessions") == [1.0; WORKERS]).then_some(())
    });
    (linked, metrics)
}

fn scrape(metrics: SocketAddr) -> Exposition {
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {metrics}\r\nConnection: close\r\n\r\n");
    let answer = Connection::open(metrics).and_then(|mut it| it.exchange(&request));
    let answer = answer.expect("the server's metrics");
    Exposition::parse(&answer.text()).unwrap_or_else(|error| panic!("{error}"))
}

/// A figure of each of the server's workers.
fn per_worker(metrics: SocketAddr, figure: &str) -> [f64; WORKERS] {
    let all = scrape(metrics);
    let name = format!("sc_server_worker_{figure}");
    std::array::from_fn(|worker| {
        let worker = worker.to_string();
        all.get(&name, &[("worker", &worker)]).unwrap_or_else(|| panic!("no {name} of {worker}"))
    })
}

#[test]
fn streams_are_shared_out_among_the_workers() {
    let (linked, metrics) = linked();
    let site = Site::start();
    let mut idle = Idle::open(linked.tunnel.proxy, &site, IDLE);
    let share = (IDLE / WORKERS) as f64;
    assert_eq!(per_worker(metrics, "streams"), [share; WORKERS]);
    assert_eq!(per_worker(metrics, "proxied_sockets"), [share; WORKERS]);
    let before = per_worker(metrics, "busy_seconds_total");
    for _ in 0..IDLE {
        traffic::small_request(linked.tunnel.proxy, &site);
    }
    let after = per_worker(metrics, "busy_seconds_total");
    for (before, after) in before.into_iter().zip(after) {
        assert!(after > before, "each has worked: {before} s, {after} s");
    }
    idle.expect_all_alive();
}

#[test]
fn each_session_is_resumed_on_its_worker_and_nothing_is_lost() {
    let (linked, metrics) = linked();
    let (proxy, site) = (linked.tunnel.proxy, Site::start());
    let mut idle = Idle::open(proxy, &site, IDLE);
    let length = scale::cut_bytes() / 3;
    traffic::run(proxy, &site, length, IDLE, |progress| {
        for index in 0..WORKERS {
            let mark = 2 * length / 5 * (index as u64 + 1);
            wait::until("the transfers", || (progress.both() >= mark).then_some(()));
            let how = if index % 2 == 0 { Cut::Reset } else { Cut::Close };
            assert_eq!(linked.link.cut_one(index, how), 1, "{}", linked.report());
            for _ in 0..IDLE {
                traffic::small_request(proxy, &site);
            }
        }
    });
    idle.expect_all_alive();
    let resumed = || linked.tunnel.client.process.count_lines(" resumed after ");
    wait::until("all to be resumed", || (resumed() == WORKERS).then_some(()));
    assert_eq!(scrape(metrics).get("sc_server_resumes_total", &[]), Some(WORKERS as f64));
    assert_eq!(per_worker(metrics, "sessions"), [1.0; WORKERS]);
    assert_eq!(linked.tunnel.client.process.count_lines(" was lost ("), 0, "{}", linked.report());
}

/// Its sessions end on all workers, and its figures are one tunnel's.
#[test]
fn people_see_one_tunnel() {
    use sc_tests::process::Signal;
    let (linked, metrics) = linked();
    let (server, user) = (&linked.tunnel.server, &linked.tunnel.user);
    let all = scrape(metrics);
    assert_eq!(all.get("sc_server_tunnels", &[("status", "running")]), Some(1.0));
    assert_eq!(all.get("sc_server_tunnel_link_state", &[("state", "connected")]), Some(1.0));
    assert_eq!(all.get("sc_server_sessions_total", &[]), Some(WORKERS as f64));
    let idle = Idle::open(linked.tunnel.proxy, &Site::start(), WORKERS);
    drop(idle);
    linked.tunnel.client.process.signal(Signal::Terminate);
    let record = || server.rest(user).tunnels();
    wait::until("the tunnel to be gone", || record().is_empty().then_some(()));
    assert_eq!(per_worker(metrics, "sessions"), [0.0; WORKERS], "{}", linked.report());
}
