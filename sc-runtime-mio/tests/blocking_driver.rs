//! `sc-proto/examples/blocking.rs`, a driver without mio, as the client of this runtime's server:
//! the same core behind two drivers.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod tunnel;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use sc_proto::Event;
use sc_runtime_mio::Options;

use tunnel::{SECRET, Server, TUNNEL, closed_port, connect, echo, exchange, pattern, side_by_side};

/// The example, which cargo builds along with the tests of this package.
fn program() -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    let target = deps.parent().unwrap().parent().unwrap();
    target.join("examples/blocking-driver")
}

/// Ends the process with the test.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_blocking_loop_drives_the_same_core() {
    let server = Server::start(1, 0, Options::default());
    let pin: String = server.pin.iter().map(|byte| format!("{byte:02x}")).collect();
    let child = Command::new(program())
        .args([TUNNEL.to_string(), SECRET.to_hex(), server.kgp.to_string(), pin])
        .stdout(Stdio::null())
        .spawn()
        .expect("run all tests of the package, or build its examples first");
    let guard = Guard(child);
    server.wait_up(0);
    let target = echo().to_string();
    let (status, stream) = connect(server.proxy, &target);
    assert_eq!(status, 200);
    let bytes = pattern(5, 4 * 1024 * 1024);
    assert!(exchange(&stream, &bytes) == bytes);
    side_by_side((1..=50).collect(), |number| {
        let (status, stream) = connect(server.proxy, &target);
        assert_eq!(status, 200);
        let bytes = pattern(number, 100_000);
        assert!(exchange(&stream, &bytes) == bytes, "connection {number}");
    });
    let (_held, closed) = closed_port();
    let (status, _) = connect(server.proxy, &closed.to_string());
    assert!((500..600).contains(&status), "{status}");
    drop(guard);
    let (_, event) = server.events.recv_timeout(tunnel::PATIENCE).unwrap();
    assert!(matches!(event, Event::TunnelInterrupted { .. }), "it may come back: {event:?}");
}
