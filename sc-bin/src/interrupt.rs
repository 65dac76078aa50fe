//! Signals that ask a server to end, and the one that asks it to open its log file again.

use std::io;
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use crate::logs;

/// One wish may come as several signals: Ctrl-C goes to all processes of a terminal and is handed
/// on by wrappers, `timeout` signals its child and then its group. What comes within this time of
/// the first counts as one, or a wrapped program would be forced to end at its first Ctrl-C.
pub(crate) const SAME: Duration = Duration::from_millis(50);

/// SIGINT, SIGTERM and SIGHUP, taken from the moment this is made.
#[derive(Debug)]
pub(crate) struct Interrupts(Signals);

impl Interrupts {
    /// Takes the signals from now on.
    ///
    /// # Errors
    ///
    /// The system refuses the handlers.
    pub(crate) fn take() -> io::Result<Self> {
        Signals::new([SIGINT, SIGTERM, SIGHUP]).map(Self)
    }

    /// Ends the waiting of [`Interrupts::next`], from another thread.
    pub(crate) fn handle(&self) -> Handle {
        self.0.handle()
    }

    /// Waits for the next wish to end; `None` when the handle was closed.
    pub(crate) fn next(&mut self) -> Option<()> {
        while self.0.forever().next()? == SIGHUP {
            logs::reopen();
            log::info!("SIGHUP: the log file was opened again");
        }
        thread::sleep(SAME);
        self.0.pending().for_each(drop);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use signal_hook::low_level::raise;

    use super::*;

    #[test]
    fn signals_that_come_together_are_one() {
        let mut interrupts = Interrupts::take().unwrap();
        for _ in 0..2 {
            raise(SIGHUP).unwrap();
            raise(SIGTERM).unwrap();
            raise(SIGINT).unwrap();
            assert_eq!(interrupts.next(), Some(()));
        }
        assert_eq!(interrupts.0.pending().count(), 0);
        interrupts.handle().close();
        assert_eq!(interrupts.next(), None);
    }
}
