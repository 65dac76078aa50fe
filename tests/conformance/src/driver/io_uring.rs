//! `sc-proto/examples/io_uring`.

use std::sync::mpsc;
use std::thread;

use sc_proto::Core;

use super::{Driver, EVENTS, Order, Running, Workers, only, report};

#[path = "../../../../sc-proto/examples/io_uring/driver.rs"]
mod example;

use example::{Flights, Input};

pub(super) const DRIVER: Driver =
    Driver { name: "io_uring", workers: Workers::One, start, missing };

/// Old kernels do not have it; containers and administrators often forbid it.
fn missing() -> Option<String> {
    Flights::new().err().map(|error| format!("this system gives no io_uring: {error}"))
}

fn start(cores: Vec<Core>) -> Running {
    let core = only(cores);
    let (sender, events) = mpsc::sync_channel(EVENTS);
    let flights = Flights::new().expect("it was there a moment ago");
    let (inputs, inbox) = example::inputs(&flights);
    let own = inputs.clone();
    let tell = move |event| report(&sender, event);
    thread::spawn(move || example::run(core, flights, own, &inbox, tell));
    let order = move |_, order| {
        let input = match order {
            Order::Command(command) => Input::Command(command),
            Order::Listen(id, role, socket) => Input::Listen(id, role, socket),
        };
        inputs.send(input).expect("the driver runs");
    };
    Running { order: Box::new(order), events }
}
