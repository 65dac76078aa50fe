//! The command line: what was asked for, with what settings, and how the process ends.

mod args;
#[cfg(feature = "client")]
mod conceal;
#[cfg(feature = "client")]
mod connections;
#[cfg(all(feature = "client", feature = "operations"))]
mod doctor;
#[cfg(feature = "client")]
mod egress;
mod endurance;
#[cfg(feature = "client")]
mod environment;
#[cfg(feature = "client")]
mod exchanges;
#[cfg(feature = "client")]
mod exit;
#[cfg(feature = "client")]
mod go_duration;
mod logging;
#[cfg(all(feature = "client", feature = "operations"))]
mod manage;
#[cfg(feature = "client")]
mod monitoring;
#[cfg(feature = "client")]
mod name_servers;
mod open_files;
#[cfg(feature = "client")]
mod readiness;
#[cfg(feature = "client")]
mod rest_url;
#[cfg(feature = "client")]
mod settings;
#[cfg(feature = "client")]
mod site_tls;
mod version;

#[cfg(feature = "client")]
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

#[cfg(all(feature = "client", feature = "server"))]
pub(crate) use args::DevArgs;
#[cfg(feature = "client")]
pub(crate) use conceal::{shown_arg_list, shown_args};
#[cfg(all(feature = "client", feature = "server"))]
pub(crate) use connections::DEFAULT_CONNECTIONS;
#[cfg(feature = "client")]
pub(crate) use egress::{EgressSettings, OwnProxy, PacSettings, SiteWay};
pub(crate) use endurance::Endurance;
#[cfg(feature = "server")]
pub(crate) use endurance::{KEEPALIVE, MAX_MISSED_ACKS, RECONNECT};
#[cfg(feature = "client")]
pub(crate) use exchanges::ExchangeSettings;
#[cfg(feature = "client")]
pub(crate) use exit::Exit;
#[cfg(feature = "server")]
pub(crate) use logging::{LogFormat, LogLevel, ServerLog, of_server as server_log};
#[cfg(feature = "client")]
pub(crate) use logging::{Logging, OutputFormat};
#[cfg(all(feature = "client", feature = "operations"))]
pub(crate) use manage::{ListFormat, Meant, RunningJobs};
#[cfg(feature = "client")]
pub(crate) use monitoring::Monitoring;
#[cfg(any(feature = "client", feature = "operations"))]
pub(crate) use open_files::limit as open_files_limit;
#[cfg(feature = "operations")]
pub(crate) use open_files::{GOOD as GOOD_OPEN_FILES, shown_limit as shown_open_files};
pub(crate) use open_files::{raise_limit as raise_open_files, tell_limit as tell_open_files};
#[cfg(feature = "client")]
pub(crate) use readiness::{Oracle, Sign, Wait, Watched};
#[cfg(all(feature = "client", feature = "server"))]
pub(crate) use rest_url::InvalidRestUrl;
#[cfg(feature = "client")]
pub(crate) use rest_url::{Reach, RestTransport, RestUrl};
#[cfg(feature = "client")]
pub(crate) use settings::TunnelName;
#[cfg(feature = "client")]
pub(crate) use settings::{AccessKey, Dialect, Settings, SettingsError};
#[cfg(feature = "client")]
pub(crate) use site_tls::SiteTlsSettings;
#[cfg(feature = "client")]
pub(crate) use version::VERSION;

use crate::logs;
use args::{Cli, Command};
#[cfg(feature = "client")]
use environment::Environment;
#[cfg(feature = "client")]
use readiness::ReadinessError;

/// Runs the command that the process was started with.
pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout, mistakes to stderr; if neither takes it, so be it.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    #[cfg(all(feature = "client", feature = "operations"))]
    if cli.command.is_none() && cli.tunnel.doctor {
        let settings = Settings::of_v4(cli.tunnel, &Environment::of_process());
        return with_settings(settings, |settings| {
            doctor::run(settings, crate::doctor::Shown::Text)
        })
        .into();
    }
    #[cfg(feature = "client")]
    let Some(command) = cli.command else {
        return tunnel(Settings::of_v4(cli.tunnel, &Environment::of_process())).into();
    };
    #[cfg(not(feature = "client"))]
    let command = cli.command;
    match command {
        #[cfg(feature = "client")]
        Command::Run(args) => tunnel(Settings::of_v5(*args, &Environment::of_process())).into(),
        #[cfg(feature = "server")]
        Command::Server(args) => crate::server::run(*args),
        #[cfg(all(feature = "client", feature = "server"))]
        Command::Dev(args) => {
            let _ = logs::start(&logging::of_dev());
            open_files::raise_limit();
            crate::dev::run(args).into()
        }
        #[cfg(feature = "client")]
        Command::Ready(args) => {
            look(args.resolve(&Environment::of_process()), crate::client::ready).into()
        }
        #[cfg(feature = "client")]
        Command::Wait(args) => {
            look(args.resolve(&Environment::of_process()), crate::client::wait).into()
        }
        #[cfg(all(feature = "client", feature = "operations"))]
        Command::List(args) => {
            let format = args.format();
            let settings = args.account.resolve(&Environment::of_process());
            with_settings(settings, |settings| crate::client::list(settings, format)).into()
        }
        #[cfg(all(feature = "client", feature = "operations"))]
        Command::Stop(args) => {
            let (meant, jobs) = args.meant();
            let settings = args.account.resolve(&Environment::of_process());
            with_settings(settings, |settings| crate::client::stop(settings, &meant, jobs)).into()
        }
        #[cfg(all(feature = "client", feature = "operations"))]
        Command::Doctor(args) => {
            let shown = args.shown();
            let settings = Settings::of_v5(args.tunnel, &Environment::of_process());
            with_settings(settings, |settings| doctor::run(settings, shown)).into()
        }
        Command::Version => {
            version::print();
            ExitCode::SUCCESS
        }
    }
}

/// Looks at the tunnel of another process.
#[cfg(feature = "client")]
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

/// Does something else than a tunnel with the settings of one.
#[cfg(all(feature = "client", feature = "operations"))]
fn with_settings(
    settings: Result<Settings, SettingsError>,
    done: impl FnOnce(&Settings) -> Exit,
) -> Exit {
    conceal::conceal_secrets();
    match settings {
        Ok(settings) => done(&settings),
        Err(error) => crate::client::refuse(&error),
    }
}

/// The settings of this process's tunnel as they are now: from the same command line and
/// environment, and what its files say by now.
///
/// # Errors
///
/// What cannot be used any more.
#[cfg(feature = "client")]
pub(crate) fn settings_again() -> Result<Settings, String> {
    let cli = Cli::try_parse().map_err(|error| error.to_string())?;
    let environment = Environment::of_process();
    let settings = match cli.command {
        None => Settings::of_v4(cli.tunnel, &environment),
        Some(Command::Run(args)) => Settings::of_v5(*args, &environment),
        Some(_) => return Err("this command has no files to read again".to_owned()),
    };
    settings.map_err(|error| error.to_string())
}

#[cfg(feature = "client")]
fn tunnel(settings: Result<Settings, SettingsError>) -> Exit {
    match settings {
        Ok(settings) => {
            let started = logs::start(&settings.logging.log);
            conceal::conceal_secrets();
            open_files::raise_limit();
            let exit = crate::client::run(&settings, started);
            logs::flush();
            exit
        }
        Err(error) => crate::client::refuse(&error),
    }
}
