//! The command line: what was asked for, with what settings, and how the process ends.

mod args;
#[cfg(feature = "client")]
mod conceal;
#[cfg(feature = "config")]
mod config_file;
#[cfg(all(feature = "client", not(feature = "config")))]
#[path = "no_config_file.rs"]
mod config_file;
#[cfg(feature = "client")]
mod connections;
#[cfg(feature = "client")]
pub(crate) mod data_url;
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
#[cfg(feature = "client")]
mod local_proxy;
#[cfg(feature = "client")]
mod log_http;
mod logging;
#[cfg(feature = "client")]
mod logs;
#[cfg(all(feature = "client", feature = "operations"))]
mod manage;
#[cfg(feature = "manual")]
mod manual;
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
mod sharing;
#[cfg(feature = "client")]
mod site_tls;
#[cfg(feature = "client")]
mod table;
#[cfg(feature = "client")]
mod values;
mod version;

#[cfg(feature = "client")]
use std::env;
#[cfg(feature = "client")]
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

#[cfg(all(feature = "client", feature = "server"))]
pub(crate) use args::DevArgs;
#[cfg(feature = "client")]
pub(crate) use conceal::{shown_arg_list, shown_args};
#[cfg(feature = "client")]
pub(crate) use egress::{EgressSettings, OwnProxy, PacSettings, SiteWay};
pub(crate) use endurance::Endurance;
#[cfg(feature = "server")]
pub(crate) use endurance::{KEEPALIVE, MAX_MISSED_ACKS, RECONNECT};
#[cfg(feature = "client")]
pub(crate) use exit::Exit;
#[cfg(feature = "client")]
pub(crate) use local_proxy::LocalProxy;
#[cfg(all(feature = "client", not(feature = "inspect")))]
pub(crate) use log_http::LogHttp;
#[cfg(feature = "inspect")]
pub(crate) use log_http::LogMode;
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
pub(crate) use sharing::Sharing;
#[cfg(feature = "client")]
pub(crate) use site_tls::SiteTlsSettings;
#[cfg(feature = "client")]
pub(crate) use version::VERSION;

use crate::logs as logs_of_process;
use args::{Cli, Command};
#[cfg(feature = "client")]
use environment::Environment;
#[cfg(feature = "client")]
use readiness::ReadinessError;
#[cfg(feature = "client")]
use table::{Given, Purpose};

/// Runs the command that the process was started with.
pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return not_understood(&error),
    };
    #[cfg(feature = "client")]
    let Some(command) = cli.command else { return tunnel(cli.tunnel.given).into() };
    #[cfg(not(feature = "client"))]
    let command = cli.command;
    match command {
        #[cfg(feature = "client")]
        Command::Run(args) => tunnel_or_file(args.given, args.purpose),
        #[cfg(feature = "client")]
        Command::Legacy(args) => tunnel_or_file(args.given, args.purpose),
        #[cfg(feature = "server")]
        Command::Server(args) => crate::server::run(*args),
        #[cfg(all(feature = "client", feature = "server"))]
        Command::Dev(args) => {
            // To standard output, which cannot fail to be had.
            let _ = logs_of_process::start(&logging::of_dev());
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
            with_settings(args.account.given(), |settings| crate::client::list(settings, format))
        }
        #[cfg(all(feature = "client", feature = "operations"))]
        Command::Stop(args) => {
            let (meant, jobs) = args.meant();
            let stop = |settings: &Settings| crate::client::stop(settings, &meant, jobs);
            with_settings(args.account.given(), stop)
        }
        #[cfg(all(feature = "client", feature = "operations"))]
        Command::Doctor(args) => {
            let shown = args.shown();
            with_settings(args.tunnel.given, |settings| doctor::run(settings, shown))
        }
        #[cfg(feature = "manual")]
        Command::Completion(args) => manual::completion(&args),
        #[cfg(feature = "manual")]
        Command::Man(args) => manual::man(&args),
        Command::Version => {
            version::print();
            ExitCode::SUCCESS
        }
    }
}

/// Tells what is wrong with the command line, or what was asked for by `--help` or `--version`.
fn not_understood(error: &clap::Error) -> ExitCode {
    #[cfg(feature = "client")]
    {
        let dialect = table::dialect_of(env::args_os().nth(1).as_deref());
        if let Some(text) = dialect.and_then(|dialect| table::misunderstood(error, dialect)) {
            let _ = writeln!(io::stderr(), "Error: {text}");
            return ExitCode::FAILURE;
        }
    }
    // Help and version go to stdout, mistakes to stderr; if neither takes it, so be it.
    let _ = error.print();
    if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What to tell who calls `sc` for the first time.
#[cfg(feature = "client")]
fn first_steps(missing: &SettingsError) -> String {
    let dev = match cfg!(feature = "server") {
        true => "  sc dev                 try the whole system on this machine, with a demo site\n",
        false => "",
    };
    let file = match cfg!(feature = "config") {
        true => "  sc run config-file     a configuration file with every option\n",
        false => "",
    };
    format!(
        "{VERSION}: reach private web applications from browsers elsewhere.\n\n\
         To start a tunnel, say who you are and where your server is:\n\
         \x20 sc run -u NAME -k KEY --rest-url http(s)://HOST:PORT/rest/v1 -i TUNNEL\n\
         or set SAUCE_USERNAME, SAUCE_ACCESS_KEY, SAUCE_REST_URL and SAUCE_TUNNEL_NAME, and call \
         `sc` alone.\n\
         Now: {missing}.\n\n\
         {dev}\
         \x20 sc help                all commands, and the options of version 4\n\
         \x20 sc run --help          the options of version 5\n\
         {file}"
    )
}

/// A tunnel, or a configuration file about one.
#[cfg(feature = "client")]
fn tunnel_or_file(given: Given, purpose: Purpose) -> ExitCode {
    match purpose {
        Purpose::Start => tunnel(given).into(),
        #[cfg(feature = "config")]
        Purpose::Template => {
            let template = config_file::template(given.dialect);
            let printed = io::stdout().write_all(template.as_bytes());
            if printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        #[cfg(feature = "config")]
        Purpose::Convert(place) => {
            // What cannot be concealed is no reason not to write.
            let _ = conceal::conceal_secrets();
            let env = Environment::of_process();
            let Err(error) = config_file::write_converted(given, &env, &place) else {
                return ExitCode::SUCCESS;
            };
            let _ = writeln!(io::stderr(), "Error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Looks at the tunnel of another process.
#[cfg(feature = "client")]
fn look<T>(what: Result<T, ReadinessError>, look: fn(&T) -> Exit) -> Exit {
    // What cannot be concealed is no reason not to look.
    let _ = conceal::conceal_secrets();
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
fn with_settings(given: Given, done: impl FnOnce(&Settings) -> Exit) -> ExitCode {
    // What cannot be concealed is no reason not to do it.
    let _ = conceal::conceal_secrets();
    let exit = match Settings::of(given, &Environment::of_process()) {
        Ok(settings) => done(&settings),
        Err(error) => crate::client::refuse(&error),
    };
    exit.into()
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
    let given = match cli.command {
        None => cli.tunnel.given,
        Some(Command::Run(args)) => args.given,
        Some(Command::Legacy(args)) => args.given,
        Some(_) => return Err("this command has no files to read again".to_owned()),
    };
    Settings::of(given, &Environment::of_process()).map_err(|error| error.to_string())
}

#[cfg(feature = "client")]
fn tunnel(given: Given) -> Exit {
    // First, since standard input can be read once only.
    let visible = conceal::conceal_secrets();
    let (is_bare, dialect) = (given.values.is_empty(), given.dialect);
    match Settings::of(given, &Environment::of_process()) {
        Ok(mut settings) => {
            settings.notes.extend(visible);
            #[cfg(feature = "operations")]
            if settings.logs.doctor {
                return doctor::run(&settings, crate::doctor::Shown::Text);
            }
            let started = logs_of_process::start(&settings.logging.log);
            open_files::raise_limit();
            #[cfg(feature = "pool")]
            let exit = match settings.sharing.pool_size {
                Some(size) => crate::client::run_of_pool(settings, size, started),
                None => crate::client::run(&settings, started),
            };
            #[cfg(not(feature = "pool"))]
            let exit = crate::client::run(&settings, started);
            logs_of_process::flush();
            exit
        }
        // `sc` alone is how people meet it for the first time.
        Err(error) if is_bare && error.is_incomplete() && dialect == Dialect::V4 => {
            let _ = write!(io::stderr(), "{}", first_steps(&error));
            Exit::Failed
        }
        Err(error) => crate::client::refuse(&error),
    }
}
