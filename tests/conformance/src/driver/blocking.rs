//! `sc-proto/examples/blocking.rs`.

use std::sync::mpsc;
use std::thread;

use sc_proto::Core;

use super::{Driver, EVENTS, Order, Running, Workers, nothing_missing, only, report};

#[path = "../../../../sc-proto/examples/blocking.rs"]
#[allow(dead_code, reason = "its main is not used")]
mod example;

use example::sockets::threads::{self, Input};

pub(super) const DRIVER: Driver =
    Driver { name: "blocking", workers: Workers::One, start, missing: nothing_missing };

fn start(cores: Vec<Core>) -> Running {
    let core = only(cores);
    let (sender, events) = mpsc::sync_channel(EVENTS);
    let (inputs, inbox) = threads::inputs(|| {});
    let own = inputs.clone();
    let tell = move |event| report(&sender, event);
    thread::spawn(move || example::run(core, own, &inbox, tell));
    let order = move |_, order| {
        let input = match order {
            Order::Command(command) => Input::Command(command),
            Order::Listen(id, role, socket) => Input::Listen(id, role, socket),
        };
        inputs.send(input).expect("the driver runs");
    };
    Running { order: Box::new(order), events }
}
