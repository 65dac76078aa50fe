//! Ends that are not simple: running transfers, a second signal, a crash, a frozen client.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use sc_tests::binary;
use sc_tests::deployment::{Server, Tunnel};
use sc_tests::http::{self, Connection};
use sc_tests::payload::{Digest, Payload};
use sc_tests::process::{Process, Signal};
use sc_tests::site::Site;
use sc_tests::wait::{self, PATIENCE};

/// Exit code of a client that a second signal ended.
const FORCED: i32 = 5;

/// A transfer big enough that it cannot hide in buffers.
const LENGTH: u64 = 32 * 1024 * 1024;

/// A download of which the head has come, and the rest waits for its reader.
fn begun_download(tunnel: &Tunnel, site: &Site) -> Connection {
    let mut user = Connection::open(tunnel.proxy).unwrap();
    let (url, host) = (site.url(&format!("/bytes/{LENGTH}")), site.address());
    user.send(format!("GET {url} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).unwrap();
    assert_eq!(user.read_head().unwrap().status(), 200);
    user
}

/// Reads the rest and checks it.
fn finish(mut user: Connection) {
    let mut digest = Digest::default();
    std::io::copy(&mut user, &mut digest).unwrap();
    assert_eq!(digest.finish(), (LENGTH, Payload::new(LENGTH, LENGTH).sha256()));
}

#[test]
fn a_running_transfer_outlives_the_clients_end() {
    let (tunnel, site) = (Tunnel::start(), Site::start());
    let user = begun_download(&tunnel, &site);
    tunnel.client.process.signal(Signal::Terminate);
    // The tunnel takes nobody new from here on.
    wait::until("new connections to be refused", || {
        let answer = http::get(tunnel.proxy, &site.url("/hello"));
        answer.map_or(true, |answer| answer.status() == 503).then_some(())
    });
    finish(user);
    let exit = tunnel.client.process.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(0), "{}", tunnel.client.process.report());
}

#[test]
fn a_running_transfer_outlives_the_servers_end() {
    let (tunnel, site) = (Tunnel::start(), Site::start());
    let user = begun_download(&tunnel, &site);
    tunnel.server.process.signal(Signal::Terminate);
    wait::until("the proxy port to close", || {
        TcpStream::connect(tunnel.proxy).is_err().then_some(())
    });
    finish(user);
    let exit = tunnel.server.process.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(0), "{}", tunnel.server.process.report());
    // Its client waits for it to come back, until it is told to end.
    tunnel.client.process.signal(Signal::Terminate);
    let exit = tunnel.client.process.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(0), "{}", tunnel.client.process.report());
}

#[test]
fn a_second_signal_ends_a_client_at_once() {
    let (tunnel, site) = (Tunnel::start(), Site::start());
    let _user = begun_download(&tunnel, &site);
    let client = &tunnel.client.process;
    client.signal(Signal::Interrupt);
    client.wait_for_text("A second signal");
    client.signal(Signal::Interrupt);
    let begin = Instant::now();
    let exit = client.wait_exit(PATIENCE);
    assert_eq!(exit.code(), Some(FORCED), "{}", client.report());
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
}

#[test]
fn a_second_signal_ends_a_server_at_once() {
    let (tunnel, site) = (Tunnel::start(), Site::start());
    let _user = begun_download(&tunnel, &site);
    let server: &Process = &tunnel.server.process;
    server.signal(Signal::Interrupt);
    wait::until("the proxy port to close", || {
        TcpStream::connect(tunnel.proxy).is_err().then_some(())
    });
    server.signal(Signal::Interrupt);
    let begin = Instant::now();
    server.wait_exit(PATIENCE);
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
}

#[test]
fn a_client_that_crashes_leaves_an_answer() {
    // Its streams wait for it, but not for long.
    let server = Server::start_as(binary::command(), &["--reconnect", "2"]);
    let (tunnel, site) = (Tunnel::start_on(server, |command| command), Site::start());
    let rest = tunnel.server.rest(&tunnel.user);
    let mut user = begun_download(&tunnel, &site);
    tunnel.client.process.kill();
    // What ran ends, and not as if it were whole.
    let mut digest = Digest::default();
    let _ = std::io::copy(&mut user, &mut digest);
    assert!(digest.finish().0 < LENGTH);
    wait::until("the record to say so", || {
        (rest.get(&format!("/tunnels/{}", tunnel.id))["is_ready"] == false).then_some(())
    });
    // Whoever comes now is told at once, or finds the port closed.
    let begin = Instant::now();
    if let Ok(answer) = http::get(tunnel.proxy, &site.url("/hello")) {
        assert!(matches!(answer.status(), 502..=504), "{}", answer.text());
    }
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[test]
fn a_client_that_freezes_for_a_moment_goes_on() {
    let (tunnel, site) = (Tunnel::start(), Site::start());
    let user = begun_download(&tunnel, &site);
    tunnel.client.process.signal(Signal::Stop);
    let sent =
        wait::until_steady("the site to be held back", Duration::from_millis(300), || site.sent());
    assert!(sent < LENGTH);
    tunnel.client.process.signal(Signal::Continue);
    finish(user);
}
