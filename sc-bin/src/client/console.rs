//! The console, in the words of version 4 and of version 5.
//!
//! Wrappers wait for some of these texts, so they stay as they are: `Provisioned tunnel: ID`,
//! `Sauce Connect is up, you may start your tests` (with a full stop in version 4 only),
//! `Goodbye.`. All goes to stdout; stderr has the cause of a failure and nothing else. Where the log
//! is a file it has all of it, too.

use std::io::{IsTerminal as _, Write};
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use log::Level;

use sc_proto::contract::ConnectionNumber;

use super::failure::Failure;
use super::line::{Line, Speaker, Waiting};
use crate::cli::{Dialect, Logging, OutputFormat, VERSION};
use crate::logs::{self, Destination, Entry, Shape};
use progress::Progress;

/// Writes lines in the words of one version.
pub(super) struct Console<Out, Err> {
    dialect: Dialect,
    /// That of the lines; `None`: bare text, as in version 4.
    shape: Option<Shape>,
    progress: Progress,
    /// Where the log is, if it is a file.
    log_file: Option<PathBuf>,
    /// Where the cause of a failure goes as well, if the file is there: Kubernetes shows it.
    last_words: Option<PathBuf>,
    out: Out,
    err: Err,
    clock: fn() -> SystemTime,
}

/// The variable that names another file for [`LAST_WORDS`].
const LAST_WORDS_VARIABLE: &str = "SC_TERMINATION_LOG";
/// Where Kubernetes takes the reason of an end from.
const LAST_WORDS: &str = "/dev/termination-log";

impl<Out: Write, Err: Write> Console<Out, Err> {
    /// A console that writes to `out`, and failures to `err`.
    pub(super) fn new(dialect: Dialect, out: Out, err: Err) -> Self {
        Self {
            dialect,
            shape: (dialect == Dialect::V5).then_some(Shape::V5),
            progress: Progress::off(),
            log_file: None,
            last_words: None,
            out,
            err,
            clock: SystemTime::now,
        }
    }

    /// A closed terminal or pipe is no reason to end a tunnel: write errors are ignored.
    fn print(&mut self, module: &str, text: &str) {
        let module = if module.is_empty() { logs::CONSOLE } else { module };
        let mut line = self.progress.cleared().to_owned();
        match self.shape {
            None => line.extend([text, "\n"]),
            Some(shape) => shape.write(
                &mut line,
                &Entry {
                    at: (self.clock)(),
                    level: Level::Info,
                    module,
                    text: format_args!("{text}"),
                },
            ),
        }
        let _ = self.out.write_all(line.as_bytes());
        let _ = self.out.flush();
        if !logs::are_on_stdout() {
            log::info!(target: module, "{text}");
        }
    }

    /// Leaves the cause of a failure where Kubernetes looks for it. The file is never made.
    fn leave_last_words(&self, text: &str) {
        if let Some(path) = &self.last_words {
            let file = std::fs::OpenOptions::new().write(true).truncate(true).open(path);
            let _ = file.and_then(|mut file| file.write_all(text.as_bytes()));
        }
    }

    fn say_v4(&mut self, line: &Line) {
        let log_file = self.log_file.as_ref().map(|path| path.display().to_string());
        let mut print = |text: &str| self.print("", text);
        match line {
            Line::Start { rest, name, warning } => {
                print(&format!("{VERSION}, self-hosted Sauce Connect"));
                print(&format!("PID: {}", std::process::id()));
                if let Some(path) = log_file {
                    print(&format!("Log file: {path}"));
                }
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
        if let Line::Ready | Line::Stopping | Line::Goodbye = line {
            let _ = self.out.write_all(self.progress.over().as_bytes());
        }
        match self.dialect {
            Dialect::V4 => self.say_v4(line),
            Dialect::V5 => self.say_v5(line),
        }
    }

    fn fail(&mut self, failure: &Failure) {
        let head = match self.dialect {
            Dialect::V4 => "Error: ",
            Dialect::V5 => "fatal error exiting: ",
        };
        let mut text = String::new();
        match self.shape {
            None => text = format!("{head}{failure}\n"),
            Some(shape) => shape.write(
                &mut text,
                &Entry {
                    at: (self.clock)(),
                    level: Level::Error,
                    module: "control",
                    text: format_args!("{head}{failure}"),
                },
            ),
        }
        let (tried, next) = (failure.tried(), failure.next_step());
        let code = failure.exit().code();
        text.push_str(&format!("  tried: {tried}\n  next: {next}\n  exit code: {code}\n"));
        let _ = self.out.write_all(self.progress.over().as_bytes());
        let _ = self.out.flush();
        let _ = self.err.write_all(text.as_bytes());
        let _ = self.err.flush();
        self.leave_last_words(&text);
        if !logs::are_on_stdout() {
            log::error!(target: logs::CONSOLE, "{head}{failure}; tried: {tried}; next: {next}");
        }
    }

    fn wait_for(&mut self, what: Waiting) {
        self.progress.begin(what, Instant::now());
        self.on_time(Instant::now());
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.progress.next()
    }

    fn on_time(&mut self, now: Instant) {
        if let Some(line) = self.progress.drawn(now) {
            let _ = self.out.write_all(line.as_bytes());
            let _ = self.out.flush();
        }
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

impl Console<std::io::Stdout, std::io::Stderr> {
    /// That of a process, as its settings want it.
    pub(super) fn of_process(dialect: Dialect, logging: &Logging) -> Self {
        let mut console = Self::new(dialect, std::io::stdout(), std::io::stderr());
        #[cfg(feature = "operations")]
        if logging.log.to == Destination::Stdout && logging.log.shape == Shape::Json {
            console.shape = Some(Shape::Json);
        }
        console.progress = match logging.output {
            Some(OutputFormat::Text) => Progress::off(),
            #[cfg(feature = "operations")]
            Some(OutputFormat::Pretty) => Progress::on(),
            // A line that is drawn again and again is nothing for files and machines.
            None if std::io::stdout().is_terminal() && console.is_text() => Progress::on(),
            None => Progress::off(),
        };
        console.log_file = match &logging.log.to {
            Destination::File(_, path) | Destination::Usual(path) => Some(path.clone()),
            Destination::Stdout | Destination::Stderr => None,
        };
        if dialect == Dialect::V5 {
            let other = std::env::var_os(LAST_WORDS_VARIABLE).map(PathBuf::from);
            console.last_words = Some(other.unwrap_or_else(|| LAST_WORDS.into()));
        }
        console
    }

    fn is_text(&self) -> bool {
        matches!(self.shape, None | Some(Shape::V4 | Shape::V5))
    }
}

#[cfg(feature = "operations")]
mod progress;
/// A program without it draws none.
#[cfg(not(feature = "operations"))]
#[path = "console/no_progress.rs"]
mod progress;

#[cfg(test)]
mod tests;
