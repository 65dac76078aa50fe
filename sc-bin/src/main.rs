//! `sc`: reach private web applications from browsers elsewhere, through one outbound TLS
//! connection.
//!
//! `cli` reads the command line, `client` serves a tunnel, `server` is the other end, `dev` both
//! at once for trying, `api` the REST API's types that client and server share, `calendar`
//! how both write times, `interrupt` how both are told to end, `monitor` how both show their state.

mod api;
mod calendar;
mod cli;
mod client;
mod dev;
mod interrupt;
mod monitor;
mod server;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
