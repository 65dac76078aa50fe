//! `sc list` and `sc stop`: a user's own tunnels, by REST.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use super::call::{Answer, Call, JobsAtEnd};
use super::rest::{Rest, printable};
use super::rest_error::RestError;
use crate::api::Tunnel;
use crate::calendar::Moment;
use crate::cli::{Exit, ListFormat, Meant, RunningJobs, Settings};

/// Prints the live tunnels of the user.
pub(crate) fn list(settings: &Settings, format: ListFormat) -> Exit {
    let tunnels = match own(settings) {
        Ok((_, tunnels)) => tunnels,
        Err(exit) => return exit,
    };
    let text = match format {
        ListFormat::Table => table(&tunnels),
        ListFormat::Json => format!("{}\n", serde_json::json!(tunnels)),
    };
    let _ = io::stdout().write_all(text.as_bytes());
    Exit::Orderly
}

/// Stops tunnels of the user. It is a failure if one that was named is not there, or cannot be
/// stopped.
pub(crate) fn stop(settings: &Settings, meant: &Meant, jobs: RunningJobs) -> Exit {
    let (rest, tunnels) = match own(settings) {
        Ok(own) => own,
        Err(exit) => return exit,
    };
    let mut exit = Exit::Orderly;
    if let Meant::Named(wanted) = meant {
        for name in wanted.iter().filter(|name| !tunnels.iter().any(|own| is_called(own, name))) {
            let name = printable(name);
            complain(&format!("no tunnel {name:?} of yours runs; `sc list` shows those that do"));
            exit = Exit::Failed;
        }
    }
    let is_meant = |own: &&Tunnel| match meant {
        Meant::Mine => true,
        Meant::Named(wanted) => wanted.iter().any(|name| is_called(own, name)),
    };
    for tunnel in tunnels.iter().filter(is_meant) {
        let jobs = match jobs {
            RunningJobs::Finish => JobsAtEnd::Wait,
            RunningJobs::Fail => JobsAtEnd::Abandon,
        };
        let name = shown_name(tunnel);
        match rest.make(&Call::Delete { id: tunnel.id, jobs, reason: "stopCommand" }) {
            Answer::Deleted(_, Ok(0)) => say(&format!("stopped {} {name}", tunnel.id)),
            Answer::Deleted(JobsAtEnd::Wait, Ok(running)) => {
                say(&format!("stopping {} {name}: {running} jobs may finish", tunnel.id));
            }
            Answer::Deleted(JobsAtEnd::Abandon, Ok(_)) => {
                say(&format!("stopped {} {name}", tunnel.id));
            }
            // Someone else was faster.
            Answer::Deleted(_, Err(RestError::Status { code: 404, .. })) => {
                say(&format!("{} {name} has ended by itself", tunnel.id));
            }
            Answer::Deleted(_, Err(error)) => {
                complain(&format!("{} {name} is not stopped: {error}", tunnel.id));
                exit = Exit::Failed;
            }
            _ => exit = Exit::Failed,
        }
    }
    exit
}

fn own(settings: &Settings) -> Result<(Rest, Vec<Tunnel>), Exit> {
    let rest = Rest::new(settings).map_err(|error| {
        complain(&error.to_string());
        Exit::Failed
    })?;
    let tunnels = rest.tunnels().map_err(|error| {
        let next = error.next_step();
        complain(&format!("the REST API at {}: {error}\n  next: {next}", settings.rest));
        Exit::Failed
    })?;
    Ok((rest, tunnels))
}

fn is_called(tunnel: &Tunnel, name: &str) -> bool {
    tunnel.tunnel_identifier.as_deref() == Some(name)
        || tunnel.id.to_string().eq_ignore_ascii_case(name)
}

fn shown_name(tunnel: &Tunnel) -> String {
    tunnel.tunnel_identifier.as_deref().map_or_else(|| "(no name)".to_owned(), printable)
}

fn table(tunnels: &[Tunnel]) -> String {
    let heads = ["ID", "NAME", "STATUS", "READY", "PROXY", "CREATED"].map(str::to_owned);
    let rows = tunnels.iter().map(|tunnel| {
        [
            tunnel.id.to_string(),
            shown_name(tunnel),
            serde_json::json!(tunnel.status).as_str().unwrap_or_default().to_owned(),
            if tunnel.is_ready { "yes" } else { "no" }.to_owned(),
            printable(&tunnel.proxy_address),
            Moment::of_unix(tunnel.creation_time).rfc3339(),
        ]
    });
    let rows: Vec<_> = std::iter::once(heads).chain(rows).collect();
    let mut text = String::new();
    for row in &rows {
        for (column, cell) in row.iter().enumerate() {
            let width = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
            // Writing to a string does not fail.
            let _ = match column + 1 == row.len() {
                true => writeln!(text, "{cell}"),
                false => write!(text, "{cell:width$}  "),
            };
        }
    }
    text
}

fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "Error: {text}");
}
