//! SIGHUP: the log file is opened again, and what the settings name is read again: rules, credentials
//! and headers of a configuration file, the PAC script, files of certificates, the hosts file.
//!
//! Streams live on as they began; what comes later goes by the new rules, those that the server has
//! to know included. If something cannot be read all stays as it was. Identity, addresses and name
//! servers belong to the tunnel and change with a new one.

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::thread;

use super::controller::Input;
use super::inputs::Sender;
use super::{name_servers, pac, plane, status};
use crate::api::Rules;
use crate::cli::{self, EgressSettings, LocalProxy, Settings};
use crate::client::failure::Failure;
use crate::client::pac::Pac;
use crate::logs;

/// What was read again.
pub(crate) struct Reloaded {
    /// The rules.
    pub(super) egress: EgressSettings,
    /// Limits of bytes a second.
    pub(super) limits: LocalProxy,
    /// The script that chooses ways, if there is one.
    pub(super) pac: Option<Pac>,
    /// The lists that the server goes by.
    pub(super) rules: Rules,
    /// What is in effect then, for people.
    pub(super) configuration: String,
    /// Certificate authorities for the tunnel's server (DER), if some were given.
    pub(super) roots: Option<Vec<Vec<u8>>>,
}

impl fmt::Debug for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reloaded")
    }
}

/// What SIGHUP means for this process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hangup {
    /// It was started from a terminal.
    had_terminal: bool,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Files are to be read again.
    Reload,
    /// The terminal was closed: as SIGTERM.
    End,
}

impl Hangup {
    /// Looks at the process's terminal.
    pub(super) fn of_process() -> Self {
        Self { had_terminal: io::stdout().is_terminal() }
    }

    /// A terminal that is gone is no terminal any more.
    pub(super) fn meaning(self) -> Meaning {
        match self.had_terminal && !io::stdout().is_terminal() {
            true => Meaning::End,
            false => Meaning::Reload,
        }
    }
}

/// Opens the log file again, and has all else read on a thread of its own: a script may come from
/// far away. What it says is an input.
pub(super) fn begin(inputs: &Sender) {
    logs::reopen();
    log::info!("SIGHUP: the log file was opened again; the rules are read again");
    let inputs = inputs.clone();
    let read = move || match read() {
        // After the end it interests nobody.
        Ok(reloaded) => drop(inputs.send(Input::Reloaded(Box::new(reloaded)))),
        Err(error) => log::warn!("the rules stay as they are: {error}"),
    };
    if let Err(error) = thread::Builder::new().name("sc-reload".to_owned()).spawn(read) {
        log::warn!("the rules stay as they are: no thread to read them: {error}");
    }
}

fn read() -> Result<Reloaded, Unread> {
    let settings: Settings = cli::settings_again().map_err(Unread::Settings)?;
    let names = name_servers(&settings)?;
    let pac = pac(&settings, names)?;
    let roots = settings.tunnel_ca.as_deref().map(|path| plane::ders(Some(path))).transpose()?;
    Ok(Reloaded {
        pac,
        configuration: status::configuration(&settings),
        egress: settings.egress,
        limits: settings.local_proxy,
        rules: settings.rules,
        roots,
    })
}

/// Something cannot be read.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error("{0}")]
    Settings(String),
    #[error(transparent)]
    Failure(#[from] Failure),
}
