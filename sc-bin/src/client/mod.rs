//! The client: `sc -u -k …` and `sc run …`; and `sc ready` and `sc wait`, which look at one.
//!
//! `relay` takes WebDriver tests of this machine, `pool` keeps several clients (`--pool-size`).
//! `controller` is the life of a tunnel as a state machine, `event_loop` the thread that runs it,
//! `rest` and `call` the REST API, `plane` the session's data plane, `console`, `line` and
//! `failure` what people read, `status` how others see how it stands, `readiness` and `life` how
//! another process looks at it, `inputs` and `signals` what comes in, `reload` what SIGHUP changes,
//! `inspect` what lets people look into it, `trust`, `about` and
//! `backoff` what these need.

mod about;
mod backoff;
mod call;
mod console;
mod controller;
#[cfg(feature = "operations")]
mod doctor;
mod egress;
mod event_loop;
mod failure;
mod inputs;
#[cfg(feature = "inspect")]
mod inspect;
#[cfg(not(feature = "inspect"))]
#[path = "no_inspect.rs"]
mod inspect;
mod life;
mod line;
#[cfg(feature = "operations")]
mod manage;
#[cfg(not(feature = "pac"))]
#[path = "no_pac.rs"]
mod pac;
#[cfg(feature = "pac")]
mod pac;
mod plane;
#[cfg(feature = "pool")]
mod pool;
mod readiness;
#[cfg(feature = "relay")]
mod relay;
mod reload;
mod rest;
mod rest_error;
mod signals;
mod site_trust;
mod status;
mod trust;

use std::io::{self, Write as _};
use std::time::Instant;

pub(crate) use console::common as spoken;
#[cfg(feature = "operations")]
pub(crate) use doctor::doctor;
pub(crate) use failure::Failure;
pub(crate) use inputs::Inputs;
pub(crate) use line::{Line, Speaker};
#[cfg(feature = "operations")]
pub(crate) use manage::{list, stop};
#[cfg(feature = "pool")]
pub(crate) use pool::run_of_pool;
pub(crate) use readiness::{ready, wait};
pub(crate) use signals::SignalWatch;

use crate::cli::{
    self, Exit, PacSettings, Reach, RestTransport, RestUrl, Settings, SettingsError, SiteWay,
};
use crate::logs::LogError;
use crate::runtime::NameServers;
use console::Console;
use controller::Controller;
use event_loop::EventLoop;
use pac::Pac;
use plane::WorkerPlane;
use reload::Hangup;
use rest::Rest;
use status::Status;

/// Whether the log of this process could be begun.
fn log_started(log: Result<(), LogError>) -> Result<(), Failure> {
    log.map_err(|LogError { flag, path, error }| Failure::File {
        flag,
        path: path.display().to_string(),
        error: error.to_string(),
    })
}

/// Runs a tunnel until it ends; tells about it on stdout and stderr.
pub(crate) fn run(settings: &Settings, log: Result<(), LogError>) -> Exit {
    let mut console = Console::of_process(settings.dialect, &settings.logging);
    let inputs = Inputs::new().and_then(|inputs| Ok((SignalWatch::start(&inputs.sender)?, inputs)));
    let run = log_started(log)
        .and_then(|()| {
            inputs.map_err(|error| Failure::Machine {
                what: "signals cannot be taken",
                error: error.to_string(),
            })
        })
        .and_then(|(_watch, inputs)| {
            #[cfg(feature = "pool")]
            pool::watch_keeper(&inputs);
            serve(settings, &mut console, inputs)
        });
    run.unwrap_or_else(|failure| {
        console.fail(&failure);
        console.say(&Line::Goodbye);
        failure.exit()
    })
}

/// Runs a tunnel until it ends or `inputs` bring a signal.
///
/// # Errors
///
/// What it needs before it can begin. Later failures are told to `speaker`.
pub(crate) fn serve(
    settings: &Settings,
    speaker: &mut dyn Speaker,
    inputs: Inputs,
) -> Result<Exit, Failure> {
    speaker.say(&Line::Start {
        rest: settings.rest.to_string(),
        name: settings.name.as_ref().map(|name| name.as_str().to_owned()),
        warning: warning(settings),
    });
    cli::tell_open_files();
    let looks = inspect::warnings(settings);
    for line in egress::about(&settings.egress).into_iter().chain(looks) {
        speaker.say(&Line::Egress(line));
    }
    if let Some(hosts) = &settings.rules.always_resign_domains {
        let (hosts, ca) = (hosts.join(", "), settings.rest.join("/ca.pem"));
        let text = format!(
            "TLS with {hosts} is re-signed, so that --auth works there: browsers have to trust {ca}"
        );
        speaker.say(&Line::Egress(text));
    }
    for note in &settings.notes {
        speaker.say(&Line::Note(note.clone()));
    }
    let rest = Rest::new(settings)?;
    #[cfg(feature = "relay")]
    start_relay(settings, &rest, speaker)?;
    let names = name_servers(settings)?;
    let pac = pac(settings, names.clone())?;
    let inspecting = inspect::start(settings)?;
    let plane = WorkerPlane::start(settings, names, pac, inspecting, inputs.sender.clone())?;
    let local = inspect::open(settings, &plane)?;
    for line in local.into_iter().flat_map(inspect::about) {
        speaker.say(&Line::Egress(line));
    }
    let status = Status::start(settings, &plane.workers(), local, plane.script())?;
    let controller = Controller::new(
        settings.connections,
        about::request(settings),
        about::query(),
        settings.rest.to_string(),
        plane::random_u64()?,
        Instant::now(),
    );
    let Inputs { sender, receiver } = inputs;
    let event_loop = EventLoop {
        controller,
        rest,
        plane,
        speaker,
        status,
        sender,
        inputs: receiver,
        hangup: Hangup::of_process(),
    };
    Ok(event_loop.run())
}

/// Opens the port for tests of this machine, if one is wanted.
#[cfg(feature = "relay")]
fn start_relay(settings: &Settings, rest: &Rest, speaker: &mut dyn Speaker) -> Result<(), Failure> {
    let Some(port) = settings.sharing.relay_port else { return Ok(()) };
    let machine =
        |error: io::Error| Failure::Machine { what: "--se-port", error: error.to_string() };
    let listener = relay::listen(port)?;
    let port = listener.local_addr().map_err(machine)?.port();
    let name = settings.name.as_ref().map(|name| name.as_str().to_owned());
    relay::start(listener, rest.clone(), name).map_err(machine)?;
    speaker.say(&Line::Relay { port });
    Ok(())
}

/// The name servers for sites, if some were given.
fn name_servers(settings: &Settings) -> Result<Option<NameServers>, Failure> {
    let Some(given) = &settings.egress.name_servers else { return Ok(None) };
    let seed = plane::random()?;
    Ok(Some(NameServers::new(settings.runtime, given.clone(), &egress::hosts_file(), seed)))
}

/// The PAC script, if there is one: loaded, or the run does not begin.
fn pac(settings: &Settings, names: Option<NameServers>) -> Result<Option<Pac>, Failure> {
    let SiteWay::Pac(PacSettings { source, logins }) = &settings.egress.sites else {
        return Ok(None);
    };
    let is_tls = source.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
    let ca = if is_tls { trust::roots(settings.rest_ca.as_deref())? } else { Vec::new() };
    Ok(Some(Pac::start(source, &ca, logins.clone(), names)?))
}

fn warning(settings: &Settings) -> Option<&'static str> {
    let is_open = |url: &RestUrl| url.transport() == RestTransport::Plain(Reach::Network);
    settings.rest.all().any(is_open).then_some(
        "the REST URL is plain HTTP over a network: anyone on the way can read the access key",
    )
}

/// Tells that the settings are not complete or not right.
pub(crate) fn refuse(error: &SettingsError) -> Exit {
    let _ = writeln!(io::stderr(), "Error: {error}\n`sc help` shows all options.");
    Exit::Failed
}
