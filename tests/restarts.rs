//! One end crashes or is restarted, and the tunnel comes back without anyone's help.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sc_tests::binary;
use sc_tests::deployment::{Client, CommandLine, Server, Tunnel, proxy_address};
use sc_tests::figures;
use sc_tests::http::{self, Connection};
use sc_tests::payload::Digest;
use sc_tests::process::Signal;
use sc_tests::shared::Report;
use sc_tests::site::Site;
use sc_tests::traffic;
use sc_tests::wait::{self, PATIENCE};

/// A transfer that cannot hide in buffers.
const LENGTH: u64 = 64 * 1024 * 1024;

/// From the server's return to the first answered request: the longest wait between two tries of
/// the client is 5 s, and what it tries must be done then.
const MAX_RETURN: Duration = Duration::from_secs(10);

/// The pause between two requests of a user who goes on all the time.
const PACE: Duration = Duration::from_millis(5);
/// How often a client is replaced, and how many requests are answered between.
const RESTARTS: usize = 5;
const REQUESTS: usize = 20;

/// A server that does not wait long for streams when it stops.
fn tunnel() -> Tunnel {
    let server = Server::start_as(binary::command(), &["--drain-timeout", "1"]);
    Tunnel::start_on(server, |command| command)
}

/// A download of which the head has come.
fn begun_download(tunnel: &Tunnel, site: &Site) -> Connection {
    let host = site.address();
    let mut user = Connection::through(tunnel.proxy, &host.to_string()).expect("a stream");
    user.send(format!("GET /bytes/{LENGTH} HTTP/1.1\r\nHost: {host}\r\n\r\n")).expect("a request");
    assert_eq!(user.read_head().expect("an answer").status(), 200);
    user
}

/// Reads to the end, which must come too early: nobody takes a part for the whole.
fn expect_lost(mut user: Connection) {
    let mut digest = Digest::default();
    let end = std::io::copy(&mut user, &mut digest);
    let (length, _) = digest.finish();
    assert!(length < LENGTH, "a stream that cannot have survived is whole: {end:?}");
}

fn is_answered(tunnel: &Tunnel, site: &Site) -> bool {
    http::get(tunnel.proxy, &site.url("/hello")).is_ok_and(|answer| answer.status() == 200)
}

#[test]
fn a_killed_server_that_starts_again_has_its_tunnel_back() {
    server_comes_back("kill -9", |tunnel| tunnel.server.process.kill());
}

#[test]
fn a_restarted_server_has_its_tunnel_back() {
    server_comes_back("SIGTERM", |tunnel| {
        tunnel.server.process.signal(Signal::Terminate);
        tunnel.server.process.wait_exit(PATIENCE);
    });
}

fn server_comes_back(how: &str, end: impl FnOnce(&Tunnel)) {
    let (mut tunnel, site) = (tunnel(), Site::start());
    let user = begun_download(&tunnel, &site);
    end(&tunnel);
    expect_lost(user);
    tunnel.server.start_again(binary::command());
    let back = Instant::now();
    let answered = wait::for_at_most(PATIENCE, || is_answered(&tunnel, &site).then(Instant::now));
    let Some(answered) = answered else { panic!("no tunnel again\n{}", tunnel.report()) };
    let took = answered - back;
    figures::tell(&format!("server {how}: tunnel back {took:.1?} after the server"));
    let record = tunnel.server.rest(&tunnel.user).tunnel_named("test").expect("a record");
    assert_eq!(record["id"], tunnel.id.as_str(), "the id is the same");
    assert_eq!(proxy_address(&record), tunnel.proxy, "the proxy port is the same");
    assert_eq!(record["is_ready"], true, "{record}");
    assert!(tunnel.client.process.is_running(), "{}", tunnel.report());
    assert!(took <= MAX_RETURN, "{took:?}\n{}", tunnel.report());
}

#[test]
fn a_server_that_is_killed_again_and_again_has_its_tunnel_back() {
    let (mut tunnel, site) = (tunnel(), Site::start());
    for round in 0..3 {
        tunnel.server.process.kill();
        tunnel.server.start_again(binary::command());
        let what = format!("the tunnel after kill {round}");
        wait::until(&what, || is_answered(&tunnel, &site).then_some(()));
    }
    let records = tunnel.server.rest(&tunnel.user).tunnels();
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0]["id"], tunnel.id.as_str());
}

#[test]
fn a_killed_client_gives_way_to_the_next_of_its_name() {
    let (tunnel, site) = (tunnel(), Site::start());
    let user = begun_download(&tunnel, &site);
    let began = Instant::now();
    tunnel.client.process.kill();
    // Well within the grace: the session of the dead client still waits for it.
    let next = Client::start(CommandLine::Version4, &tunnel.server, &tunnel.user, "test");
    next.wait_ready(CommandLine::Version4);
    let record = tunnel.server.rest(&tunnel.user).tunnel_named("test").expect("a record");
    traffic::small_request(proxy_address(&record), &site);
    figures::tell(&format!("client kill -9: next one serves after {:.1?}", began.elapsed()));
    expect_lost(user);
    let records = tunnel.server.rest(&tunnel.user).tunnels();
    assert_eq!(records.len(), 1, "the dead client's tunnel is gone: {records:?}");
}

#[test]
fn a_rolling_restart_of_a_client_fails_no_request_that_is_tried_twice() {
    let (tunnel, site) = (tunnel(), Site::start());
    let (is_over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut proxies = vec![tunnel.proxy];
    let retried = thread::scope(|scope| {
        let user = scope.spawn(|| keep_asking(&tunnel, &site, &is_over, &answered));
        let over = Over(&is_over);
        let mut running: Option<Client> = None;
        for _ in 0..RESTARTS {
            let before = answered.load(Ordering::Relaxed);
            wait::until("requests between two restarts", || {
                (answered.load(Ordering::Relaxed) >= before + REQUESTS).then_some(())
            });
            let old = running.as_ref().unwrap_or(&tunnel.client);
            old.process.signal(Signal::Terminate);
            let next = Client::start(CommandLine::Version4, &tunnel.server, &tunnel.user, "test");
            next.wait_ready(CommandLine::Version4);
            old.process.wait_exit(PATIENCE);
            running = Some(next);
            let record = tunnel.server.rest(&tunnel.user).tunnel_named("test");
            proxies.push(proxy_address(&record.expect("a record")));
        }
        drop(over);
        user.join().expect("no request fails twice")
    });
    assert!(proxies.iter().all(|proxy| *proxy == tunnel.proxy), "the port moved: {proxies:?}");
    figures::tell(&format!(
        "{RESTARTS} rolling restarts: {} requests, {retried} tried twice",
        answered.load(Ordering::Relaxed)
    ));
}

/// Ends the asking, also after a panic.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Makes requests as a user does who looks up where the tunnel of a name is, and who tries once
/// more. Returns how many needed that.
fn keep_asking(
    tunnel: &Tunnel,
    site: &Site,
    is_over: &AtomicBool,
    answered: &AtomicUsize,
) -> usize {
    let rest = tunnel.server.rest(&tunnel.user);
    let ask = || {
        let proxy = wait::until("a ready tunnel of the name", || {
            let record = rest.tunnel_named("test")?;
            (record["is_ready"] == true).then(|| proxy_address(&record))
        });
        match http::get(proxy, &site.url("/hello")) {
            Ok(answer) if answer.status() == 200 => Ok(()),
            Ok(answer) => Err(format!("{} {}", answer.status(), answer.text())),
            Err(error) => Err(error.to_string()),
        }
    };
    let mut retried = 0;
    while !is_over.load(Ordering::Relaxed) {
        if let Err(first) = ask() {
            retried += 1;
            if let Err(second) = ask() {
                panic!("a request failed twice: {first}, then {second}");
            }
        }
        answered.fetch_add(1, Ordering::Relaxed);
        thread::sleep(PACE);
    }
    retried
}
