//! `sc`: stands in for the real command line, which lives on another branch.

use std::process::ExitCode;

use clap::Parser as _;

#[allow(
    dead_code,
    unused_imports,
    reason = "their other users live on another branch"
)]
mod api;
#[allow(
    dead_code,
    unused_imports,
    reason = "their other users live on another branch"
)]
mod server;

#[derive(clap::Parser)]
enum Cli {
    /// Run the server
    Server(server::ServerArgs),
}

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let Cli::Server(args) = Cli::parse();
    server::run(args)
}
