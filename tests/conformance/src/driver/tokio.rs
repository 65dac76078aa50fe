//! `sc-proto/examples/tokio.rs`.

use std::sync::mpsc;
use std::thread;

use sc_proto::Core;
use tokio::runtime::{Builder, LocalOptions};

use super::{Driver, EVENTS, Order, Running, Workers, nothing_missing, only, report};

#[path = "../../../../sc-proto/examples/tokio.rs"]
#[allow(dead_code, reason = "its main is not used")]
mod example;

use example::sockets::tasks::Input;

pub(super) const DRIVER: Driver =
    Driver { name: "tokio", workers: Workers::One, start, missing: nothing_missing };

fn start(cores: Vec<Core>) -> Running {
    let core = only(cores);
    let (sender, events) = mpsc::sync_channel(EVENTS);
    let (inputs, inbox) = tokio::sync::mpsc::channel(64);
    let own = inputs.clone();
    let tell = move |event| report(&sender, event);
    thread::spawn(move || {
        let runtime =
            Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        runtime.expect("tokio starts").block_on(example::run(core, own, inbox, tell));
    });
    let order = move |_, order| {
        let input = match order {
            Order::Command(command) => Input::Command(command),
            Order::Listen(id, role, socket) => Input::Listen(id, role, socket),
        };
        assert!(inputs.blocking_send(input).is_ok(), "the driver runs");
    };
    Running { order: Box::new(order), events }
}
