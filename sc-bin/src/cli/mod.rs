//! The command line: what was asked for, with what settings, and how the process ends.

mod args;
mod conceal;
mod egress;
mod endurance;
mod environment;
mod exit;
mod logging;
mod open_files;
mod rest_url;
mod settings;

use std::process::ExitCode;

use clap::Parser as _;

pub(crate) use args::DevArgs;
pub(crate) use conceal::shown_args;
pub(crate) use egress::{Detected, EgressSettings, OwnProxy, PacSettings, SiteWay};
pub(crate) use endurance::{Endurance, KEEPALIVE, MAX_MISSED_ACKS, RECONNECT};
pub(crate) use exit::Exit;
pub(crate) use open_files::limit as open_files_limit;
pub(crate) use rest_url::{InvalidRestUrl, Reach, RestTransport, RestUrl};
pub(crate) use settings::{AccessKey, Dialect, Settings, SettingsError, TunnelName};

use args::{Cli, Command};
use environment::Environment;
use logging::Role;

/// Runs the command that the process was started with.
pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout, mistakes to stderr; if neither takes it, so be it.
            let _ = error.print();
            let exit = if error.use_stderr() { Exit::Failed } else { Exit::Orderly };
            return exit.into();
        }
    };
    let env = Environment::of_process();
    match cli.command {
        None => tunnel(Settings::of_v4(cli.tunnel, &env)).into(),
        Some(Command::Run(args)) => tunnel(Settings::of_v5(args, &env)).into(),
        Some(Command::Server(args)) => {
            logging::start(Role::Server);
            open_files::raise_limit();
            crate::server::run(args)
        }
        Some(Command::Dev(args)) => {
            logging::start(Role::Client);
            open_files::raise_limit();
            crate::dev::run(args).into()
        }
        Some(Command::Version) => {
            crate::client::print_version();
            Exit::Orderly.into()
        }
    }
}

fn tunnel(settings: Result<Settings, SettingsError>) -> Exit {
    match settings {
        Ok(settings) => {
            logging::start(Role::Client);
            conceal::conceal_secrets();
            open_files::raise_limit();
            crate::client::run(&settings)
        }
        Err(error) => crate::client::refuse(&error),
    }
}
