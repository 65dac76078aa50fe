//! A member of a kept pool: a process of this same program, and what is heard of it.
//!
//! Its standard output is read, as a wrapper would read it; its standard input is open as long as
//! the keeper lives, so that it ends when the keeper is killed.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::SyncSender;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use super::News;
use super::roster::MemberId;
use crate::client::controller::Input;
use crate::client::inputs::Sender;

/// Marks a process as a member: its number.
pub(super) const MARK: &str = "SC_POOL_MEMBER";
/// Longest line that is handed on whole.
const MAX_LINE: u64 = 64 * 1024;

/// A running process.
#[derive(Debug)]
pub(super) struct Member {
    pid: Pid,
    /// Its end is the keeper's end.
    _alive: Option<ChildStdin>,
}

impl Member {
    /// Starts one with this process's own arguments and environment.
    ///
    /// # Errors
    ///
    /// The system has no process or thread left for it.
    pub(super) fn start(program: &Path, id: MemberId, news: &SyncSender<News>) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(std::env::args_os().skip(1))
            .env(MARK, id.to_string())
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_USEC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C in a terminal is for the keeper, which tells its members.
            .process_group(0)
            .spawn()?;
        let alive = child.stdin.take();
        let output = child.stdout.take();
        let pid = Pid::from_child(&child);
        let news = news.clone();
        let thread = thread::Builder::new().name(format!("sc-member-{id}"));
        thread.spawn(move || follow(id, child, output, &news))?;
        Ok(Self { pid, _alive: alive })
    }

    /// Asks it to end; asked again, it ends at once.
    pub(super) fn end(&self) {
        if let Err(error) = kill_process(self.pid, Signal::TERM) {
            log::debug!("{:?} cannot be signalled: {error}", self.pid);
        }
    }

    /// Its process id.
    pub(super) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }
}

/// Hands on what a process prints, and then how it ended.
fn follow(id: MemberId, mut child: Child, output: Option<ChildStdout>, news: &SyncSender<News>) {
    if let Some(output) = output {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while matches!(output.by_ref().take(MAX_LINE).read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            let _ = news.send(News::Line(id, text));
        }
    }
    let code = child.wait().ok().and_then(|status| status.code());
    let _ = news.send(News::Ended(id, code.and_then(|code| u8::try_from(code).ok())));
}

/// Whether this process is a member.
pub(super) fn is_this() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Ends a member's run with its keeper: when standard input ends.
pub(super) fn end_with_keeper(sender: Sender) {
    let thread = thread::Builder::new().name("sc-keeper".to_owned());
    let watch = thread.spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _ = sender.send(Input::Signal);
    });
    if let Err(error) = watch {
        log::warn!("the keeper of this pool is not watched: {error}");
    }
}
