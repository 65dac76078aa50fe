//! What the workers tell about themselves, asked from another thread.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod tunnel;

use std::time::Duration;

use sc_proto::WorkerId;
use sc_runtime_mio::NoReport;
use tunnel::{PATIENCE, connect, echo, exchange, pattern, tunnel};

#[test]
fn a_worker_tells_what_it_has_done() {
    let (server, client) = tunnel(2, 1);
    let (status, stream) = connect(server.proxy, &echo().to_string());
    assert_eq!(status, 200);
    let bytes = pattern(1, 300_000);
    assert_eq!(exchange(&stream, &bytes), bytes);
    let worker = client.runtime.handle().statistics(WorkerId(0), PATIENCE).unwrap();
    assert_eq!(worker.core.counters.proxied.written, 300_000);
    assert_eq!(worker.core.counters.proxied.read, 300_000);
    assert_eq!(worker.sessions.len(), 1);
    assert!(worker.work.turns > 0 && worker.work.busy > Duration::ZERO);

    // Worker 0 let the client in, worker 1 has it.
    let handle = server.runtime.handle();
    let door = handle.statistics(WorkerId(0), PATIENCE).unwrap().core;
    assert_eq!((door.sessions, door.transports), (0, 0));
    let sockets = door.counters.transports.sockets;
    assert_eq!((sockets.connected, sockets.closed), (1, 1));
    assert_eq!(handle.statistics(WorkerId(1), PATIENCE).unwrap().core.sessions, 1);
}

#[test]
fn nobody_is_waited_for_in_vain() {
    let (_server, client) = tunnel(1, 0);
    let handle = client.runtime.handle();
    assert_eq!(handle.statistics(WorkerId(1), PATIENCE).unwrap_err(), NoReport::Stopped);
    client.runtime.stop();
    assert_eq!(handle.statistics(WorkerId(0), PATIENCE).unwrap_err(), NoReport::Stopped);
}
