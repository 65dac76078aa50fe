//! `sc`: reach private web applications from browsers elsewhere, through one outbound TLS
//! connection.
//!
//! `cli` reads the command line, `client` serves a tunnel, `server` is the other end, `dev` both
//! at once for trying, `api` the REST API's types that client and server share, `calendar`
//! how both write times, `doctor` how both look for what is wrong, `interrupt` how both are told to end, `logs` what both write about themselves, `monitor` how both show their
//! state, `runtime` what drives the sessions of both. Cargo's features decide what is in: `client`,
//! `server` (`dev` needs both), and the runtimes `mio` and `smol`.

// The lints look at the whole program. A half of it leaves unused what only the other half needs.
#![cfg_attr(not(all(feature = "client", feature = "server")), allow(dead_code, unused_imports))]

mod api;
mod calendar;
mod cli;
#[cfg(feature = "client")]
mod client;
#[cfg(all(feature = "client", feature = "server"))]
mod dev;
#[cfg(feature = "operations")]
mod doctor;
mod interrupt;
mod logs;
mod monitor;
mod runtime;
#[cfg(feature = "server")]
mod server;

#[cfg(not(any(feature = "client", feature = "server")))]
compile_error!("sc needs something to do: build it with the feature `client` or `server`");

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
