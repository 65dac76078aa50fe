//! `sc dev`: server, user, client and a demo site in one process, on loopback, for trying.
//!
//! Ports are the same each time if they are free, so that what was pasted once works again;
//! otherwise any free ones are taken. All that is stored lies in a temporary folder.

mod guide;
mod origin;
mod site;
mod target;

use std::env;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use guide::{App, Facts, Guide, NoProxy, shell_word};
use site::Site;
use target::{InvalidTargetUrl, TargetUrl};

use crate::cli::{
    AccessKey, DevArgs, Dialect, Exit, InvalidRestUrl, RestUrl, Settings, TunnelName,
};
use crate::client::{self, Inputs, SignalWatch, Speaker as _};
use crate::server::{self, Running, StartError, UserError};

/// The ports of `sc dev` if they are free: REST, tunnels, demo site and the tunnels' proxies.
const REST_PORT: u16 = 4480;
const TUNNEL_PORT: u16 = 4481;
const SITE_PORT: u16 = 4488;
/// Whatever port the system gives.
const ANY_PORT: u16 = 0;
const PROXY_PORTS: &str = "4490-4499";
/// Whom the server knows.
const USER: &str = "dev";
/// How long connections may go on after Ctrl-C: this is for trying.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);

/// `sc dev` did not come up.
#[derive(Debug, thiserror::Error)]
enum DevError {
    #[error(transparent)]
    Target(#[from] InvalidTargetUrl),
    #[error("no temporary folder: {0}; set TMPDIR to a folder that can be written")]
    Folder(io::Error),
    #[error("signals cannot be taken: {0}")]
    Signals(io::Error),
    #[error("the demo site does not start: {0}")]
    Site(io::Error),
    #[error("the server does not start: {0}")]
    Server(#[from] StartError),
    #[error("no user can be added: {0}")]
    User(#[from] UserError),
    #[error("the server's REST URL cannot be used: {0}")]
    RestUrl(#[from] InvalidRestUrl),
}

impl DevError {
    fn exit(&self) -> Exit {
        match self {
            Self::Site(_)
            | Self::Server(StartError::Listen { .. } | StartError::ListenMetrics { .. }) => {
                Exit::Listener
            }
            Self::Target(_)
            | Self::Folder(_)
            | Self::Signals(_)
            | Self::Server(_)
            | Self::User(_)
            | Self::RestUrl(_) => Exit::Failed,
        }
    }
}

/// Runs until Ctrl-C or SIGTERM.
pub(crate) fn run(args: DevArgs) -> Exit {
    match all(args) {
        Ok(exit) => exit,
        Err(error) => {
            let _ = writeln!(io::stderr(), "Error: {error}");
            error.exit()
        }
    }
}

/// What is reached through the tunnel. The site runs as long as this lives.
enum Application {
    Demo(Site),
    Own(TargetUrl),
}

impl Application {
    fn start(args: DevArgs) -> Result<Self, DevError> {
        match args.target {
            Some(url) => Ok(Self::Own(TargetUrl::parse(&url)?)),
            None => Site::start(SITE_PORT)
                .or_else(|_| Site::start(ANY_PORT))
                .map(Self::Demo)
                .map_err(DevError::Site),
        }
    }

    fn shown(&self) -> App {
        match self {
            Self::Demo(site) => App::Demo(site.url()),
            Self::Own(target) => {
                App::Own { url: target.as_str().to_owned(), answers: target.answers() }
            }
        }
    }
}

fn all(args: DevArgs) -> Result<Exit, DevError> {
    let inputs = Inputs::new().map_err(DevError::Signals)?;
    // Before the first folder, so that Ctrl-C always cleans up.
    let _watch = SignalWatch::start(&inputs.sender).map_err(DevError::Signals)?;
    let application = Application::start(args)?;
    let folder = tempfile::Builder::new().prefix("sc-dev-").tempdir().map_err(DevError::Folder)?;
    let server = start_server(server_settings(folder.path().join("server")))?;
    let exit = tunnel(&server, &application, inputs);
    server.stop();
    drop(application);
    if let Err(error) = folder.close() {
        log::warn!("the temporary folder is not removed: {error}");
    }
    let _ = writeln!(io::stdout(), "Goodbye.");
    exit
}

fn server_settings(data_dir: PathBuf) -> server::Settings {
    let local = server::Settings::local(data_dir);
    server::Settings {
        rest_address: loopback(REST_PORT),
        tunnel_address: loopback(TUNNEL_PORT),
        proxy_ports: PROXY_PORTS.parse().unwrap_or(local.proxy_ports),
        drain_limit: DRAIN_LIMIT,
        ..local
    }
}

/// Serves the tunnel of the user `dev` until a signal comes.
fn tunnel(server: &Running, application: &Application, inputs: Inputs) -> Result<Exit, DevError> {
    let key = server.add_user(USER)?.expose().to_owned();
    let facts = Facts {
        rest_url: server.rest_url().to_owned(),
        page_url: server.page_url().unwrap_or_default(),
        key: key.clone(),
        app: application.shown(),
        program: program(),
        no_proxy: no_proxy(),
    };
    let (user, key) = (USER.to_owned(), AccessKey::new(key));
    let settings = Settings {
        name: TunnelName::new(USER.to_owned()),
        ..Settings::plain(Dialect::V4, user, key, RestUrl::parse(server.rest_url())?)
    };
    let mut guide = Guide::new(facts, io::stdout(), io::stderr());
    let run = client::serve(&settings, &mut guide, inputs);
    Ok(run.unwrap_or_else(|failure| {
        guide.fail(&failure);
        failure.exit()
    }))
}

/// How this program is called in another terminal: as here, if by its name alone.
fn program() -> String {
    let called = env::args().next().unwrap_or_default();
    if !called.is_empty() && !called.contains(['/', '\\']) {
        return called;
    }
    let path = env::current_exe().map(|path| path.display().to_string());
    path.map_or_else(|_| "sc".to_owned(), |path| shell_word(&path))
}

fn no_proxy() -> NoProxy {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    if is_set("NO_PROXY") || is_set("no_proxy") { NoProxy::Set } else { NoProxy::Unset }
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Starts the server; where a port is taken, on any other. A probe before would tell nothing: two
/// `sc dev` may start together.
fn start_server(mut settings: server::Settings) -> Result<Running, StartError> {
    loop {
        match server::start(settings.clone()) {
            Err(StartError::Listen { address, .. }) if address.port() != ANY_PORT => {
                for own in [&mut settings.rest_address, &mut settings.tunnel_address] {
                    if *own == address {
                        own.set_port(ANY_PORT);
                    }
                }
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_taken_port_is_left_alone() {
        let held = [(); 2].map(|()| TcpListener::bind(loopback(ANY_PORT)).unwrap());
        let [rest, tunnel] = held.each_ref().map(|held| held.local_addr().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let local = server::Settings::local(folder.path().to_owned());
        let settings = server::Settings { rest_address: rest, tunnel_address: tunnel, ..local };
        let server = start_server(settings).unwrap();
        assert_ne!(server.rest_address(), rest);
        assert_ne!(server.tunnel_address(), tunnel);
        server.stop();
    }
}
