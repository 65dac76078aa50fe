//! The command `sc server`, from its arguments to its exit code.

use std::io::{self, Write as _};
use std::process::ExitCode;

#[cfg(feature = "operations")]
use super::args::DoctorArgs;
use super::args::{ServerArgs, ServerCommand};
use super::conceal;
#[cfg(feature = "operations")]
use super::doctor::doctor;
use super::running::{Running, StartError, start};
use super::settings::SettingsError;
use super::user_command::{self, Action, Output, UserCommandError};
use crate::cli;
use crate::interrupt::Interrupts;
use crate::logs::{self, LogError};
use crate::monitor::{Notice, ServiceManager};

/// `sc server` ends with a failure.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    User(#[from] UserCommandError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("cannot watch for signals: {0}")]
    Signals(io::Error),
    #[error("cannot print: {0}")]
    Print(io::Error),
}

/// Runs `sc server` or one of its commands. Exit code 0 after an orderly end, 1 after a failure,
/// which is printed to standard error.
pub(crate) fn run(args: ServerArgs) -> ExitCode {
    conceal::conceal_database();
    let done = match args.command.clone() {
        #[cfg(feature = "operations")]
        Some(ServerCommand::Doctor(args)) => match examine(*args) {
            Ok(code) => return ExitCode::from(code),
            Err(error) => Err(error),
        },
        Some(command) => {
            // To standard error, which cannot fail to be had.
            let _ = logs::start(&cli::server_log(cli::ServerLog::default()));
            let (action, place) = match command {
                #[cfg(feature = "operations")]
                ServerCommand::Doctor(_) => return ExitCode::FAILURE,
                ServerCommand::User { action, place } => (Action::User(action), place),
                ServerCommand::Fleet { action, place } => (Action::Fleet(action), place),
                ServerCommand::Team { action, place } => (Action::Team(action), place),
                ServerCommand::Organisation { action, place } => {
                    (Action::Organisation(action), place)
                }
            };
            let mut out = Output { answer: &mut io::stdout().lock(), notes: &mut io::stderr() };
            user_command::run(action, place, &mut out).map_err(RunError::from)
        }
        None => serve(args),
    };
    logs::flush();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "sc server: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `sc server doctor`.
#[cfg(feature = "operations")]
fn examine(args: DoctorArgs) -> Result<u8, RunError> {
    let (options, shown) = args.options()?;
    Ok(doctor(&options.settings()?, shown))
}

/// Serves until SIGINT or SIGTERM, then stops in order; a second signal cuts that short.
fn serve(args: ServerArgs) -> Result<(), RunError> {
    let options = args.options()?;
    logs::start(&options.log())?;
    cli::raise_open_files();
    cli::tell_open_files();
    let settings = options.settings()?;
    // Before the start, so that a signal during it is not lost.
    let mut interrupts = Interrupts::take().map_err(RunError::Signals)?;
    let (data_dir, proxies) = (
        settings.data_dir.clone(),
        format!("{} ports {}", settings.proxy_host, settings.proxy_ports),
    );
    let tunnel_host = settings.tunnel_host.clone();
    let running = start(settings)?;
    let announced = announce(&running, &tunnel_host, &proxies, &data_dir.display().to_string());
    announced.map_err(RunError::Print)?;
    let manager = ServiceManager::of_process();
    manager.tell(Notice::Ready);
    running.watch_over(manager.clone());

    interrupts.next();
    manager.tell(Notice::Stopping);
    let stopper = running.stopper();
    let handle = interrupts.handle();
    // Ends with the process.
    let watcher = std::thread::spawn(move || {
        if interrupts.next().is_some() {
            stopper.now();
        }
    });
    running.stop();
    handle.close();
    let _ = watcher.join();
    Ok(())
}

/// Says where everything is: one `key: value` a line, so that a script can read it too.
fn announce(running: &Running, tunnel_host: &str, proxies: &str, data_dir: &str) -> io::Result<()> {
    let tunnel_address = running.tunnel_address();
    let mut out = io::stdout().lock();
    writeln!(out, "sc server is up")?;
    writeln!(out, "rest-url: {}", running.rest_url())?;
    writeln!(out, "rest-address: {}", running.rest_address())?;
    if let Some(url) = running.page_url() {
        writeln!(out, "tunnels-page: {url}")?;
    }
    writeln!(out, "tunnel-address: {tunnel_address}")?;
    writeln!(out, "tunnel-host: {tunnel_host}")?;
    writeln!(out, "proxies: {proxies}")?;
    if let Some(address) = running.shared_proxy_address() {
        writeln!(out, "shared-proxy-address: {address}")?;
    }
    writeln!(out, "data-dir: {data_dir}")?;
    if let Some(address) = running.metrics_address() {
        writeln!(out, "metrics-address: {address}")?;
    }
    out.flush()
}
