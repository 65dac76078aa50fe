//! Starting and stopping the runtime, without any tunnel.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::net::TcpListener;
use std::sync::mpsc;

use sc_proto::contract::{Stop, TunnelId};
use sc_proto::{Command, Config, Core, ListenerId, ListenerRole, WorkerId};
use sc_runtime_mio::{Options, Runtime, Stopped};

fn cores(count: u16) -> Vec<Core> {
    (0..count).map(|id| Core::new(Config::default(), WorkerId(id), [id as u8; 32])).collect()
}

fn start(workers: u16) -> Runtime {
    let (sender, _) = mpsc::sync_channel(1);
    Runtime::start(cores(workers), Options::default(), sender).unwrap()
}

#[test]
fn a_runtime_without_cores_is_refused() {
    let (sender, _) = mpsc::sync_channel(1);
    assert!(Runtime::start(Vec::new(), Options::default(), sender).is_err());
}

#[test]
fn workers_end_when_told_and_their_handles_say_so() {
    let runtime = start(3);
    let handle = runtime.handle();
    assert_eq!(handle.workers(), 3);
    for id in 0..3 {
        assert_eq!(handle.command(WorkerId(id), Command::Stop(Stop::Drain)), Ok(()));
    }
    assert_eq!(handle.command(WorkerId(3), Command::Stop(Stop::Now)), Err(Stopped));
    runtime.stop();
    assert_eq!(handle.command(WorkerId(0), Command::Stop(Stop::Now)), Err(Stopped));
}

#[test]
fn a_stop_closes_the_listeners() {
    let runtime = start(1);
    let handle = runtime.handle();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let role = ListenerRole::Ingress(TunnelId([0; 16]));
    handle.listen(WorkerId(0), ListenerId(0), role, socket).unwrap();
    handle.unlisten(WorkerId(0), ListenerId(7)).unwrap();
    runtime.stop();
    // The port is free again.
    TcpListener::bind(address).unwrap();
}

/// Far more orders than the channel holds: the sender waits, nothing is lost or stuck.
#[test]
fn a_flood_of_orders_passes() {
    let runtime = start(2);
    let handle = runtime.handle();
    for number in 0..10_000 {
        let worker = WorkerId(number % 2);
        let tunnel = TunnelId([number as u8; 16]);
        handle.command(worker, Command::RemoveTunnel(tunnel)).unwrap();
    }
    runtime.stop();
}
