//! The server's shared cache: what many browsers load crosses the tunnel once.

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use sc_tests::deployment::{Server, Tunnel};
use sc_tests::exposition::Exposition;
use sc_tests::figures::tell;
use sc_tests::http::{self, Connection};
use sc_tests::payload::Payload;
use sc_tests::site::Site;
use sc_tests::{binary, ports, usage};

/// Assets of a page, and browsers that load it at the same time.
const ASSETS: u64 = 200;
const BROWSERS: usize = 20;
/// The smallest of the assets, in bytes; each is a byte larger than the one before.
const SIZE: u64 = 20_000;

/// A tunnel whose server has these options, and where its metrics are.
fn start(server: &[&str], client: &[&str]) -> (Tunnel, SocketAddr) {
    let metrics = SocketAddr::from(([127, 0, 0, 1], ports::one()));
    let address = metrics.to_string();
    let options = [server, &["--metrics-address", &address]].concat();
    let server = Server::start_as(binary::command(), &options);
    let tunnel = Tunnel::start_on(server, |mut command| {
        command.args(client);
        command
    });
    (tunnel, metrics)
}

/// A figure of the tunnel.
fn figure(metrics: SocketAddr, tunnel: &Tunnel, name: &str) -> f64 {
    let mut connection = Connection::open(metrics).expect("the metrics listen");
    let request = "GET /metrics HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n";
    let answer = connection.exchange(request).expect("metrics");
    let all = Exposition::parse(&answer.text()).unwrap_or_else(|error| panic!("{error}"));
    let name = format!("sc_server_tunnel_{name}");
    all.get(&name, &[("id", tunnel.id.as_str())]).unwrap_or_else(|| panic!("no {name}"))
}

fn asset(index: u64) -> String {
    let framing = if index.is_multiple_of(2) { "length" } else { "chunked" };
    format!("/asset/{}/{framing}", SIZE + index)
}

/// Loads all assets, one after the other, by one connection.
fn load(proxy: SocketAddr, site: &Site) {
    let mut connection = Connection::open(proxy).expect("the proxy listens");
    for index in 0..ASSETS {
        let host = site.address();
        let path = asset(index);
        let request = format!("GET http://{host}{path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let answer = connection.exchange(&request).expect("an answer");
        let status = answer.head.field("Cache-Status").unwrap_or_default().to_owned();
        assert_eq!(answer.status(), 200, "{status}");
        let mut expected = Vec::new();
        Payload::new(SIZE + index, SIZE + index).read_to_end(&mut expected).expect("bytes");
        assert!(answer.body == expected, "asset {index}: {status}");
    }
}

#[test]
fn a_page_that_many_browsers_load_crosses_the_tunnel_once() {
    let site = Site::start();
    let (tunnel, metrics) = start(&[], &[]);
    let start = Barrier::new(BROWSERS);
    thread::scope(|scope| {
        for _ in 0..BROWSERS {
            scope.spawn(|| {
                start.wait();
                load(tunnel.proxy, &site);
            });
        }
    });
    assert_eq!(site.received("/asset/").len() as u64, ASSETS);
    let page: u64 = (0..ASSETS).map(|index| SIZE + index).sum();
    let crossed = figure(metrics, &tunnel, "received_bytes_total");
    let all = page * BROWSERS as u64;
    println!("{crossed} bytes crossed the tunnel for {all} that browsers got");
    assert!(crossed < 1.2 * page as f64, "{crossed} of {page}");
    assert_eq!(figure(metrics, &tunnel, "cache_saved_bytes_total") as u64, all - page);
    let requests = ASSETS * BROWSERS as u64;
    assert_eq!(figure(metrics, &tunnel, "cache_hits_total") as u64, requests - ASSETS);
    assert_eq!(figure(metrics, &tunnel, "cache_misses_total") as u64, ASSETS);
    assert_eq!(figure(metrics, &tunnel, "cache_answers") as u64, ASSETS);
    let held = figure(metrics, &tunnel, "cache_bytes");
    assert!(held < 1.2 * page as f64, "{held}");
}

#[test]
fn a_hit_costs_less_than_a_fetch() {
    let site = Site::start();
    let (tunnel, metrics) = start(&[], &[]);
    let rounds = 500;
    let cost = |request: &str| {
        let mut connection = Connection::open(tunnel.proxy).expect("the proxy listens");
        let ticks = || tunnel.pids().map(usage::cpu_ticks).iter().sum::<u64>();
        let before = (ticks(), Instant::now());
        for _ in 0..rounds {
            let answer = connection.exchange(request).expect("an answer");
            assert_eq!((answer.status(), answer.body.len() as u64), (200, SIZE));
        }
        let cpu = (ticks() - before.0) * 10_000 / rounds;
        (cpu, before.1.elapsed().as_micros() as u64 / rounds)
    };
    let host = site.address();
    let line = format!("GET http://{host}{} HTTP/1.1\r\nHost: {host}\r\n", asset(0));
    let fetch = cost(&format!("{line}Cache-Control: no-store\r\n\r\n"));
    let hit = cost(&format!("{line}\r\n"));
    let said = |(cpu, time)| format!("{time} us, {cpu} us of CPU at both ends");
    tell(&format!("{SIZE} bytes: a fetch takes {}, a hit {}", said(fetch), said(hit)));
    assert_eq!(figure(metrics, &tunnel, "cache_hits_total") as u64, rounds - 1);
    assert_eq!(figure(metrics, &tunnel, "cache_bypassed_total") as u64, rounds);
    assert_eq!(site.received("/asset/").len() as u64, rounds + 1);
}

/// What the site is asked of two requests for an asset.
fn asked_twice(tunnel: &Tunnel) -> usize {
    let site = Site::start();
    for _ in 0..2 {
        let answer = http::get(tunnel.proxy, &site.url(&asset(0))).expect("an answer");
        assert_eq!((answer.status(), answer.body.len() as u64), (200, SIZE));
    }
    site.received("/asset/").len()
}

#[test]
fn a_client_or_the_server_may_have_no_cache() {
    let (cached, _) = start(&[], &[]);
    assert_eq!(asked_twice(&cached), 1);
    let (refused, _) = start(&[], &["--no-proxy-caching"]);
    assert_eq!(asked_twice(&refused), 2);
    let record = refused.server.rest(&refused.user).tunnel_named("test").expect("it is listed");
    assert_eq!(record["no_proxy_caching"], true);
    let (off, _) = start(&["--cache-size", "0"], &[]);
    assert_eq!(asked_twice(&off), 2);
    let (small, _) = start(&["--cache-object-size", "10K"], &[]);
    assert_eq!(asked_twice(&small), 2);
}
