//! The command line: what was asked for, with what settings, and how the process ends.

mod args;
mod conceal;
mod environment;
mod exit;
mod rest_url;
mod settings;

use clap::Parser as _;

pub(crate) use args::DevArgs;
pub(crate) use conceal::shown_args;
pub(crate) use exit::Exit;
pub(crate) use rest_url::{Reach, RestTransport, RestUrl};
pub(crate) use settings::{AccessKey, Dialect, Settings, SettingsError, TunnelName};

use args::{Cli, Command};
use environment::Environment;

/// Runs the command that the process was started with.
pub(crate) fn run() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout, mistakes to stderr; if neither takes it, so be it.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Failed
            } else {
                Exit::Orderly
            };
        }
    };
    let env = Environment::of_process();
    match cli.command {
        None => tunnel(Settings::of_v4(cli.tunnel, &env)),
        Some(Command::Run(args)) => tunnel(Settings::of_v5(args, &env)),
        Some(Command::Dev(args)) => crate::dev::run(args),
        Some(Command::Version) => {
            crate::client::print_version();
            Exit::Orderly
        }
    }
}

fn tunnel(settings: Result<Settings, SettingsError>) -> Exit {
    match settings {
        Ok(settings) => {
            conceal::conceal_key();
            crate::client::run(&settings)
        }
        Err(error) => crate::client::refuse(&error),
    }
}
