//! The command line: what was asked for, with what settings, and how the process ends.

mod args;
#[cfg(feature = "client")]
mod conceal;
#[cfg(feature = "client")]
mod connections;
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
#[cfg(feature = "inspect")]
mod inspect;
#[cfg(all(feature = "client", not(feature = "inspect")))]
#[path = "no_inspect.rs"]
mod inspect;
#[cfg(feature = "inspect")]
mod log_http;
mod logging;
#[cfg(feature = "client")]
mod monitoring;
#[cfg(feature = "client")]
mod name_servers;
mod open_files;
#[cfg(feature = "client")]
mod rates;
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
#[cfg(feature = "client")]
pub(crate) use inspect::Inspect;
#[cfg(feature = "inspect")]
pub(crate) use log_http::LogMode;
#[cfg(feature = "client")]
pub(crate) use monitoring::Monitoring;
#[cfg(feature = "client")]
pub(crate) use open_files::limit as open_files_limit;
#[cfg(feature = "client")]
pub(crate) use rates::RateSettings;
#[cfg(feature = "client")]
pub(crate) use readiness::{Oracle, Sign, Wait, Watched};
#[cfg(feature = "client")]
pub(crate) use rest_url::{Reach, RestTransport, RestUrl};
#[cfg(feature = "client")]
pub(crate) use settings::{AccessKey, Dialect, Settings, SettingsError};
#[cfg(feature = "client")]
pub(crate) use site_tls::SiteTlsSettings;
#[cfg(feature = "client")]
pub(crate) use version::VERSION;
#[cfg(all(feature = "client", feature = "server"))]
pub(crate) use {rest_url::InvalidRestUrl, settings::TunnelName};

use args::{Cli, Command};
#[cfg(feature = "client")]
use environment::Environment;
use logging::Role;
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
        Command::Server(args) => {
            logging::start(Role::Server);
            open_files::raise_limit();
            crate::server::run(*args)
        }
        #[cfg(all(feature = "client", feature = "server"))]
        Command::Dev(args) => {
            logging::start(Role::Client);
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

#[cfg(feature = "client")]
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
