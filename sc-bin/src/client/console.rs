//! The console, in the words of version 4 and of version 5.
//!
//! Wrappers wait for some of these texts, so they stay as they are: `Provisioned tunnel: ID`,
//! `Sauce Connect is up, you may start your tests` (with a full stop in version 4 only),
//! `Goodbye.`. All goes to stdout; stderr has the cause of a failure and nothing else.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use sc_proto::contract::ConnectionNumber;

use super::failure::Failure;
use super::line::{Line, Speaker};
use crate::calendar::Moment;
use crate::cli::{Dialect, VERSION};

/// Writes lines in the words of one version.
pub(super) struct Console<Out, Err> {
    dialect: Dialect,
    out: Out,
    err: Err,
    clock: fn() -> SystemTime,
}

impl<Out: Write, Err: Write> Console<Out, Err> {
    /// A console that writes to `out`, and failures to `err`.
    pub(super) fn new(dialect: Dialect, out: Out, err: Err) -> Self {
        Self { dialect, out, err, clock: SystemTime::now }
    }

    /// A closed terminal or pipe is no reason to end a tunnel: write errors are ignored.
    fn print(&mut self, module: &str, text: &str) {
        let _ = match self.dialect {
            Dialect::V4 => writeln!(self.out, "{text}"),
            Dialect::V5 => {
                writeln!(self.out, "{} [{module}] [INFO] {text}", stamp((self.clock)()))
            }
        };
        let _ = self.out.flush();
    }

    fn say_v4(&mut self, line: &Line) {
        let mut print = |text: &str| self.print("", text);
        match line {
            Line::Start { rest, name, warning } => {
                print(&format!("{VERSION}, self-hosted Sauce Connect"));
                print(&format!("PID: {}", std::process::id()));
                print(&format!("REST API: {rest}"));
                print(&format!("Tunnel name: {}", name.as_deref().unwrap_or("(none)")));
                if let Some(warning) = warning {
                    print(&format!("Warning: {warning}"));
                }
                print("Please wait for 'you may start your tests' to start your tests");
            }
            Line::Provisioned { id, proxy } => {
                print(&format!("Provisioned tunnel: {id}"));
                print(&format!("Proxy for browsers: http://{proxy}"));
            }
            Line::Connecting { server } => print(&format!("Connecting to {server}")),
            Line::Established { .. } => {}
            Line::Ready => print("Sauce Connect is up, you may start your tests."),
            Line::Goodbye => print("Goodbye."),
            other => print(&common(other)),
        }
    }

    fn say_v5(&mut self, line: &Line) {
        match line {
            Line::Start { rest, name, warning } => {
                self.print("control", &format!("{VERSION}, self-hosted Sauce Connect"));
                if let Some(warning) = warning {
                    self.print("control", &format!("Warning: {warning}"));
                }
                self.print("control", "please wait until the tunnel is up");
                let name = name.as_deref().unwrap_or_default();
                self.print("control", &format!("provisioning rest-url={rest} name={name}"));
            }
            Line::Provisioned { id, proxy } => {
                self.print("control", &format!("running id={id} proxy=http://{proxy}"));
            }
            Line::Connecting { server } => {
                self.print("tunnel", &format!("connecting to address {server}"));
            }
            Line::Established { connection, up, peer } => {
                let count = connection.count();
                let text = format!("established connection active={up}/{count} address={peer}");
                self.print("tunnel", &text);
            }
            Line::Ready => {
                self.print("control", "Sauce Connect is up, you may start your tests");
            }
            Line::ConnectionLost { .. }
            | Line::ConnectionBack { .. }
            | Line::Lost { .. }
            | Line::Restored
            | Line::Interrupted { .. }
            | Line::Reconnecting { .. }
            | Line::Resumed { .. } => self.print("tunnel", &common(line)),
            Line::Egress(text) => self.print("proxy", text),
            Line::Goodbye => self.print("control", "Goodbye."),
            other => self.print("control", &common(other)),
        }
    }
}

impl<Out: Write, Err: Write> Speaker for Console<Out, Err> {
    fn say(&mut self, line: &Line) {
        match self.dialect {
            Dialect::V4 => self.say_v4(line),
            Dialect::V5 => self.say_v5(line),
        }
    }

    fn fail(&mut self, failure: &Failure) {
        let head = match self.dialect {
            Dialect::V4 => "Error: ".to_owned(),
            Dialect::V5 => {
                format!("{} [control] [ERROR] fatal error exiting: ", stamp((self.clock)()))
            }
        };
        let _ = write!(
            self.err,
            "{head}{failure}\n  tried: {}\n  next: {}\n",
            failure.tried(),
            failure.next_step()
        );
        let _ = self.err.flush();
    }
}

/// Texts that no version of the original prescribes.
pub(crate) fn common(line: &Line) -> String {
    match line {
        Line::Monitor { name, address } => format!("{name} listening on {address}"),
        Line::ServerSays(text) | Line::Egress(text) | Line::Note(text) => text.clone(),
        Line::Retry { step, error, wait } => {
            format!("{step} failed: {error}; trying again in {:.1} s", wait.as_secs_f64())
        }
        Line::Lost { why } => format!("The connection to the server broke: {why}; reconnecting"),
        Line::Restored => {
            "Connection restored; connections that were open before are lost".to_owned()
        }
        Line::Recovering => {
            "The server has restarted or given the tunnel up: making it again under its name"
                .to_owned()
        }
        Line::ConnectionLost { connection, why } => format!(
            "{} was lost ({why}), with its open streams; reconnecting, new requests take the others",
            named(*connection)
        ),
        Line::ConnectionBack { connection, up } => {
            format!("{} is up, {up} in all", named(*connection))
        }
        Line::Interrupted { connection, left, cause } => {
            let others = match left {
                0 => "",
                _ => "; new requests take the others",
            };
            let name = named(*connection);
            format!("{name} interrupted ({cause}); reconnecting, open streams wait{others}")
        }
        Line::Reconnecting { connection, attempt, cause, wait } => {
            let which = match connection.count() {
                1 => String::new(),
                _ => format!(" {connection}"),
            };
            let wait = wait.as_secs_f64();
            format!("Reconnecting{which}: attempt {attempt} failed ({cause}); next in {wait:.1} s")
        }
        Line::Resumed { connection, replayed, streams, outage } => format!(
            "{} resumed after {:.1} s: {streams} streams kept, {replayed} bytes sent again",
            named(*connection),
            outage.as_secs_f64()
        ),
        Line::Halting { reason } => format!(
            "The tunnel is being ended{}; running jobs may finish",
            reason.as_ref().map_or(String::new(), |reason| format!(" (reason: {reason})"))
        ),
        Line::Stopping => {
            "Stopping: running jobs and connections may finish. A second signal (Ctrl-C) ends at \
                           once, and running tests then fail."
                .to_owned()
        }
        Line::WaitingForJobs { jobs, limit } => {
            format!("Waiting for {jobs} running jobs, at most {} s", limit.as_secs())
        }
        Line::JobsLeft => "Jobs still run, but the wait for them is over".to_owned(),
        Line::Forced => "Ending at once".to_owned(),
        Line::NotDeleted { error } => {
            format!(
                "The server could not be told ({error}); it ends the tunnel by itself within 60 s"
            )
        }
        Line::Connecting { server } => format!("Connecting to {server}"),
        Line::Provisioned { id, .. } => format!("Tunnel {id}"),
        Line::Established { peer, .. } => format!("Connected to {peer}"),
        Line::Start { .. } => VERSION.to_owned(),
        Line::Ready => "Ready".to_owned(),
        Line::Goodbye => "Goodbye.".to_owned(),
    }
}

/// A connection at the beginning of a line: its number matters if there are others.
fn named(connection: ConnectionNumber) -> String {
    match connection.count() {
        1 => "Connection".to_owned(),
        count => format!("Connection {} of {count}", u16::from(connection.index()) + 1),
    }
}

/// `YYYY/MM/DD HH:MM:SS.uuuuuu`, in UTC.
pub(super) fn stamp(now: SystemTime) -> String {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let Moment { year, month, day, hour, minute, second } = Moment::of_unix(since.as_secs());
    let micros = since.subsec_micros();
    format!("{year:04}/{month:02}/{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}")
}

#[cfg(test)]
mod tests;
