//! Where lines end up: a file, or one of the process's two streams.

use std::io;
use std::time::Duration;

use super::file::LogFile;

/// What waits for a stream whose reader has stopped, in bytes. More is counted, not kept.
const MAX_WAITING: usize = 256 << 10;
/// What is written to a stream at once: a pipe that can take anything takes so much without
/// blocking (`PIPE_BUF`).
const PIECE: usize = 4096;
/// How long a writer waits for a reader that was quick so far.
const PATIENCE: Duration = Duration::from_millis(5);
/// The same at the end of the process.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

/// One place for lines.
#[derive(Debug)]
pub(super) enum Sink {
    /// A file.
    File(LogFile),
    /// A stream.
    Stream(Stream),
}

/// Which stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// A stream, and what it has not taken yet.
#[derive(Debug)]
pub(super) struct Stream {
    which: Which,
    waiting: Vec<u8>,
    /// The reader did not take anything when last waited for.
    stalled: bool,
    lost: u64,
}

impl Sink {
    /// Writes a line, with its end. What goes wrong with it stops nobody.
    pub(super) fn write(&mut self, line: &str) {
        match self {
            Self::File(file) => file.write(line),
            Self::Stream(stream) => stream.write(line),
        }
    }

    /// Opens a file again.
    ///
    /// # Errors
    ///
    /// It cannot be had: the one before goes on.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.reopen(),
            Self::Stream(_) => Ok(()),
        }
    }

    /// Writes what waits, as far as the reader takes it now.
    pub(super) fn flush(&mut self) {
        if let Self::Stream(stream) = self {
            stream.drain(LAST_PATIENCE);
        }
    }
}

impl Stream {
    pub(super) fn new(which: Which) -> Self {
        Self { which, waiting: Vec::new(), stalled: false, lost: 0 }
    }

    fn write(&mut self, line: &str) {
        if self.waiting.len() + line.len() > MAX_WAITING {
            self.lost += 1;
        } else {
            if self.lost > 0 {
                let lost = std::mem::take(&mut self.lost);
                self.waiting.extend(format!("({lost} lines were not taken here)\n").as_bytes());
            }
            self.waiting.extend_from_slice(line.as_bytes());
        }
        let patience = if self.stalled { Duration::ZERO } else { PATIENCE };
        self.drain(patience);
    }

    /// Writes what waits for as long as the reader takes something within `patience`.
    fn drain(&mut self, patience: Duration) {
        let mut done = 0;
        while done < self.waiting.len() {
            let piece = &self.waiting[done..self.waiting.len().min(done + PIECE)];
            match write_soon(self.which, piece, patience) {
                Ok(Some(0)) | Ok(None) => break,
                Ok(Some(n)) => done += n,
                // Closed: nobody reads it any more.
                Err(_) => done = self.waiting.len(),
            }
        }
        self.waiting.drain(..done);
        self.stalled = !self.waiting.is_empty();
    }
}

/// Writes if that can be done without blocking for longer than `patience`; `None` if not.
#[cfg(unix)]
fn write_soon(which: Which, piece: &[u8], patience: Duration) -> io::Result<Option<usize>> {
    use std::os::fd::{AsFd as _, BorrowedFd};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::Errno;

    fn on(fd: BorrowedFd<'_>, piece: &[u8], patience: Duration) -> io::Result<Option<usize>> {
        let patience = Timespec::try_from(patience).ok();
        let mut wanted = [PollFd::from_borrowed_fd(fd, PollFlags::OUT)];
        match poll(&mut wanted, patience.as_ref()) {
            Ok(0) | Err(Errno::INTR) => return Ok(None),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        match rustix::io::write(fd, piece) {
            Ok(n) => Ok(Some(n)),
            Err(Errno::INTR | Errno::AGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
    match which {
        Which::Out => on(io::stdout().as_fd(), piece, patience),
        Which::Err => on(io::stderr().as_fd(), piece, patience),
    }
}

#[cfg(not(unix))]
fn write_soon(which: Which, piece: &[u8], _: Duration) -> io::Result<Option<usize>> {
    use std::io::Write as _;
    match which {
        Which::Out => io::stdout().write(piece).map(Some),
        Which::Err => io::stderr().write(piece).map(Some),
    }
}
