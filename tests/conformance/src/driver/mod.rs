//! The drivers. One is a name and a function that starts it: there is no trait to implement.
//!
//! To add one: write `fn start(cores: Vec<Core>) -> Running` in a file beside this one, and put it
//! into [`ALL`].

mod blocking;
#[cfg(target_os = "linux")]
mod io_uring;
mod mio;
mod smol;
mod tokio;

use std::net::TcpListener;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender};

use sc_proto::{Command, Core, Event, ListenerId, ListenerRole, WorkerId};

/// All drivers, in the order of the table's columns.
pub const ALL: &[Driver] = &[
    mio::DRIVER,
    smol::DRIVER,
    blocking::DRIVER,
    tokio::DRIVER,
    #[cfg(target_os = "linux")]
    io_uring::DRIVER,
];

/// A driver, and how it is started.
#[derive(Clone, Copy, Debug)]
pub struct Driver {
    /// What it is called in the table.
    pub name: &'static str,
    /// How many cores it runs at once.
    pub workers: Workers,
    /// Starts one worker per core; the id of a worker is the place of its core.
    pub start: fn(Vec<Core>) -> Running,
    /// Why it cannot run on this machine, if it cannot.
    pub missing: fn() -> Option<String>,
}

/// How many cores a driver runs at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// One: it never hands a transport over.
    One,
    /// Several.
    Many,
}

/// What a running driver is told.
#[derive(Debug)]
pub enum Order {
    /// A command for the core.
    Command(Command),
    /// Accept from this socket, which listens.
    Listen(ListenerId, ListenerRole, TcpListener),
}

/// A running driver. It may end when this is dropped, and has to when the process does.
pub struct Running {
    /// Tells a worker something; waits while the worker has too much before it.
    pub order: Box<dyn Fn(WorkerId, Order)>,
    /// What the cores tell.
    pub events: Receiver<(WorkerId, Event)>,
}

/// Room for events that nobody has taken yet.
const EVENTS: usize = 1024;

/// Nothing is missing to run it.
const fn nothing_missing() -> Option<String> {
    None
}

/// Passes an event on from the one worker of a driver, which ends when its core has stopped.
fn report(to: &SyncSender<(WorkerId, Event)>, event: Event) -> ControlFlow<()> {
    let stopped = event == Event::Stopped;
    let taken = to.send((WorkerId(0), event)).is_ok();
    if stopped || !taken { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// The one core of a driver that runs no more.
fn only(cores: Vec<Core>) -> Core {
    let [core] = <[Core; 1]>::try_from(cores).expect("this driver runs one core");
    core
}
