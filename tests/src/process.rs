//! A child process whose output is read line by line while it runs.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::wait::PATIENCE;

/// How many lines of output are kept, and how many bytes of one line. More is counted, not kept.
const MAX_LINES: usize = 200_000;
const MAX_LINE: u64 = 64 * 1024;
/// How many of the last lines a failure shows.
const SHOWN_LINES: usize = 80;

/// A running (or ended) program. It is killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Mutex<Child>,
    output: Arc<Output>,
}

/// What is sent to a process as a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// The polite request to end.
    Terminate,
    /// Stops the process from running at all, as if its machine hung.
    Stop,
    /// Lets it run again.
    Continue,
    /// Files are to be read again.
    Hangup,
}

/// Lines read so far, and how many of the two pipes are still open.
#[derive(Debug)]
struct Output {
    state: Mutex<OutputState>,
    changed: Condvar,
}

#[derive(Debug)]
struct OutputState {
    lines: Vec<String>,
    dropped: usize,
    open_pipes: u8,
}

impl Process {
    /// Starts `command` under `name` (for messages), with nothing on its standard input.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(name: &str, mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let output = Arc::new(Output {
            state: Mutex::new(OutputState { lines: Vec::new(), dropped: 0, open_pipes: 2 }),
            changed: Condvar::new(),
        });
        read_lines(child.stdout.take().expect("stdout is piped"), &output);
        read_lines(child.stderr.take().expect("stderr is piped"), &output);
        Self { name: name.to_owned(), child: Mutex::new(child), output }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child().id()
    }

    /// All lines it has printed so far, on both outputs.
    pub fn lines(&self) -> Vec<String> {
        self.output.lock().lines.clone()
    }

    /// How many of its lines contain `text`.
    pub fn count_lines(&self, text: &str) -> usize {
        self.output.lock().lines.iter().filter(|line| line.contains(text)).count()
    }

    /// Waits for the first line (from its start on) that `pick` takes.
    ///
    /// # Panics
    /// If the process ends or [`PATIENCE`] is over without such a line; the message holds what it
    /// has printed.
    pub fn wait_for<T>(&self, what: &str, mut pick: impl FnMut(&str) -> Option<T>) -> T {
        let mut seen = 0;
        let found = self.output.wait(PATIENCE, |state| {
            let found = state.lines[seen..].iter().find_map(|line| pick(line));
            seen = state.lines.len();
            // With both pipes closed no further line can come.
            if found.is_some() || state.open_pipes == 0 { Some(found) } else { None }
        });
        match found {
            Some(Some(value)) => value,
            Some(None) => panic!("{} ended without {what}\n{}", self.name, self.report()),
            None => panic!("{} did not print {what} in {PATIENCE:?}\n{}", self.name, self.report()),
        }
    }

    /// Waits for a line that contains `text`.
    ///
    /// # Panics
    /// As [`Self::wait_for`].
    pub fn wait_for_text(&self, text: &str) -> String {
        self.wait_for(text, |line| line.contains(text).then(|| line.to_owned()))
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// If the process is gone.
    pub fn signal(&self, signal: Signal) {
        let name = match signal {
            Signal::Interrupt => "-INT",
            Signal::Terminate => "-TERM",
            Signal::Stop => "-STOP",
            Signal::Continue => "-CONT",
            Signal::Hangup => "-HUP",
        };
        let status = Command::new("sh")
            .args(["-c", "kill \"$0\" \"$1\"", name, &self.pid().to_string()])
            .status()
            .expect("sh can be started");
        assert!(status.success(), "cannot send {name} to {}", self.name);
    }

    /// Whether it has not ended yet.
    pub fn is_running(&self) -> bool {
        matches!(self.child().try_wait(), Ok(None))
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// If it still runs after `limit`.
    pub fn wait_exit(&self, limit: Duration) -> ExitStatus {
        let ended = self.output.wait(limit, |state| (state.open_pipes == 0).then_some(()));
        assert!(ended.is_some(), "{} still runs after {limit:?}\n{}", self.name, self.report());
        self.child().wait().expect("a child can be waited for")
    }

    /// Kills it as a crash would.
    pub fn kill(&self) {
        let mut child = self.child();
        // Both fail only for a process that has ended already.
        let _ = child.kill();
        let _ = child.wait();
    }

    /// The last lines of its output, for a failure's message.
    pub fn report(&self) -> String {
        let state = self.output.lock();
        let first = state.lines.len().saturating_sub(SHOWN_LINES);
        let mut text = format!("--- output of {} ({} lines)\n", self.name, state.lines.len());
        for line in &state.lines[first..] {
            let _ = writeln!(text, "{line}");
        }
        if state.dropped > 0 {
            let _ = writeln!(text, "({} more lines were not kept)", state.dropped);
        }
        text.push_str("---");
        text
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("{}", self.report());
        }
    }
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, OutputState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks `test` at every change until it gives a value or `limit` is over.
    fn wait<T>(
        &self,
        limit: Duration,
        mut test: impl FnMut(&OutputState) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        loop {
            if let Some(value) = test(&state) {
                return Some(value);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn read_lines(pipe: impl Read + Send + 'static, output: &Arc<Output>) {
    let output = Arc::clone(output);
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        loop {
            let mut line = Vec::new();
            let read = pipe.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
            if !matches!(read, Ok(1..)) {
                break;
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let mut state = output.lock();
            if state.lines.len() < MAX_LINES {
                state.lines.push(line);
            } else {
                state.dropped += 1;
            }
            output.changed.notify_all();
        }
        output.lock().open_pipes -= 1;
        output.changed.notify_all();
    });
}
