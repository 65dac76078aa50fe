//! The command line: what was asked for, with what settings, and how the process ends.

mod args;
mod conceal;
mod endurance;
mod environment;
mod exit;
mod go_duration;
mod logging;
mod monitoring;
mod open_files;
mod readiness;
mod rest_url;
mod settings;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

pub(crate) use args::DevArgs;
pub(crate) use conceal::{shown_arg_list, shown_args};
pub(crate) use endurance::{Endurance, KEEPALIVE, MAX_MISSED_ACKS, RECONNECT};
pub(crate) use exit::Exit;
pub(crate) use monitoring::Monitoring;
pub(crate) use open_files::limit as open_files_limit;
pub(crate) use readiness::{Oracle, Sign, Wait, Watched};
pub(crate) use rest_url::{InvalidRestUrl, Reach, RestTransport, RestUrl};
pub(crate) use settings::{AccessKey, Dialect, Settings, SettingsError, TunnelName};

use args::{Cli, Command};
use environment::Environment;
use logging::Role;
use readiness::ReadinessError;

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
        Some(Command::Ready(args)) => look(args.resolve(&env), crate::client::ready).into(),
        Some(Command::Wait(args)) => look(args.resolve(&env), crate::client::wait).into(),
        Some(Command::Version) => {
            crate::client::print_version();
            Exit::Orderly.into()
        }
    }
}

/// Looks at the tunnel of another process.
fn look<T>(what: Result<T, ReadinessError>, look: fn(&T) -> Exit) -> Exit {
    conceal::conceal_secrets();
    match what {
        Ok(what) => look(&what),
        Err(error) => {
            let _ = writeln!(io::stderr(), "Error: {error}");
            Exit::Failed
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
