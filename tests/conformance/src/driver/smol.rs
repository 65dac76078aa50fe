//! `sc-runtime-smol`.

use std::sync::mpsc;

use sc_proto::Core;
use sc_runtime_smol::{Options, Runtime};

use super::{Driver, EVENTS, Order, Running, Workers, nothing_missing};

pub(super) const DRIVER: Driver =
    Driver { name: "smol", workers: Workers::Many, start, missing: nothing_missing };

fn start(cores: Vec<Core>) -> Running {
    let (sender, events) = mpsc::sync_channel(EVENTS);
    // Scenarios run into the limits of the system, not of the runtime.
    let options = Options { max_sockets: Some(1_000_000), ..Options::default() };
    let runtime = Runtime::start(cores, options, sender).expect("the runtime starts");
    let order = move |worker, order| {
        let handle = runtime.handle();
        match order {
            Order::Command(command) => handle.command(worker, command),
            Order::Listen(id, role, socket) => handle.listen(worker, id, role, socket),
        }
        .expect("the worker runs");
    };
    Running { order: Box::new(order), events }
}
