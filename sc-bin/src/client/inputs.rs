//! The one way into a running client: what happens to it, in order, and the signals.
//!
//! A bounded queue and a bell. The client waits for the bell alone, so that signals, REST answers
//! and the data plane need no threads that do nothing but wait for them.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender, TryRecvError, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::controller::Input;
use crate::interrupt;

/// Inputs that may wait. Each sender waits, or keeps its own, when it is full.
const QUEUE: usize = 64;

/// The way into a running client.
pub(crate) struct Inputs {
    /// Where inputs go.
    pub(crate) sender: Sender,
    /// Where the event loop takes them.
    pub(crate) receiver: Receiver,
}

/// Where inputs go, for any thread.
#[derive(Clone)]
pub(crate) struct Sender {
    queue: SyncSender<Input>,
    /// Does not block: when it is full it rings already.
    bell: Arc<UnixStream>,
    signalled: Arc<AtomicBool>,
    hung_up: Arc<AtomicBool>,
}

/// Where the event loop takes them.
pub(crate) struct Receiver {
    queue: mpsc::Receiver<Input>,
    bell: UnixStream,
    signalled: Arc<AtomicBool>,
    hung_up: Arc<AtomicBool>,
}

/// What a signal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// To end: [`Input::Signal`].
    End,
    /// To open the log file again and to read the rules again: [`Input::Hangup`].
    Reload,
}

/// The client has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended;

impl Inputs {
    /// A bounded queue of inputs.
    ///
    /// # Errors
    ///
    /// The system has no descriptors left.
    pub(crate) fn new() -> io::Result<Self> {
        let (queue, inputs) = mpsc::sync_channel(QUEUE);
        let (ringing, heard) = UnixStream::pair()?;
        ringing.set_nonblocking(true)?;
        heard.set_nonblocking(true)?;
        let signalled = Arc::new(AtomicBool::new(false));
        let hung_up = Arc::new(AtomicBool::new(false));
        Ok(Self {
            sender: Sender {
                queue,
                bell: Arc::new(ringing),
                signalled: Arc::clone(&signalled),
                hung_up: Arc::clone(&hung_up),
            },
            receiver: Receiver { queue: inputs, bell: heard, signalled, hung_up },
        })
    }
}

impl Sender {
    /// Sends an input; waits while the client is far behind.
    pub(crate) fn send(&self, input: Input) -> Result<(), Ended> {
        self.queue.send(input).map_err(|_| Ended)?;
        self.ring();
        Ok(())
    }

    /// Sends an input, or gives it back if the client is far behind. One that has ended takes
    /// everything.
    pub(crate) fn offer(&self, input: Input) -> Result<(), Input> {
        match self.queue.try_send(input) {
            Ok(()) => {}
            Err(TrySendError::Full(input)) => return Err(input),
            Err(TrySendError::Disconnected(_)) => return Ok(()),
        }
        self.ring();
        Ok(())
    }

    /// What a signal sets and rings.
    pub(super) fn alarm(&self, wish: Wish) -> io::Result<(Arc<AtomicBool>, UnixStream)> {
        let mark = match wish {
            Wish::End => &self.signalled,
            Wish::Reload => &self.hung_up,
        };
        Ok((Arc::clone(mark), self.bell.try_clone()?))
    }

    fn ring(&self) {
        let _ = (&*self.bell).write(&[0]);
    }
}

impl Receiver {
    /// Waits for the next input.
    pub(super) fn recv(&mut self) -> Result<Input, RecvTimeoutError> {
        self.next(None)
    }

    /// Waits for the next input, for so long.
    pub(super) fn recv_timeout(&mut self, patience: Duration) -> Result<Input, RecvTimeoutError> {
        self.next(Instant::now().checked_add(patience))
    }

    fn next(&mut self, until: Option<Instant>) -> Result<Input, RecvTimeoutError> {
        loop {
            if self.signalled.load(Ordering::Acquire) {
                // What comes together is one wish.
                thread::sleep(interrupt::SAME);
                self.signalled.store(false, Ordering::Release);
                return Ok(Input::Signal);
            }
            if self.hung_up.swap(false, Ordering::AcqRel) {
                return Ok(Input::Hangup);
            }
            match self.queue.try_recv() {
                Ok(input) => return Ok(input),
                Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
                Err(TryRecvError::Empty) => {}
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Err(RecvTimeoutError::Timeout);
            }
            self.hear(left);
        }
    }

    /// Waits until the bell rings, a signal comes or `patience` ends, and silences the bell.
    fn hear(&mut self, patience: Option<Duration>) {
        // What is too long for the system's time is as good as for ever.
        let patience = patience.and_then(|patience| Timespec::try_from(patience).ok());
        let mut bell = [PollFd::new(&self.bell, PollFlags::IN)];
        match poll(&mut bell, patience.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            // Out of memory, perhaps. It must not become a busy loop.
            Err(error) => {
                log::error!("cannot wait for inputs: {error}");
                thread::sleep(Duration::from_secs(1));
            }
        }
        let mut rings = [0; 64];
        loop {
            match self.bell.read(&mut rings) {
                Ok(n) if n == rings.len() => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use signal_hook::consts::SIGUSR1;
    use signal_hook::low_level::raise;

    use super::*;
    use crate::client::signals::register;

    const SOON: Duration = Duration::from_millis(20);
    const PATIENCE: Duration = Duration::from_secs(10);

    #[test]
    fn inputs_come_in_their_order_and_an_empty_queue_is_waited_for() {
        let Inputs { sender, mut receiver } = Inputs::new().unwrap();
        assert!(matches!(receiver.recv_timeout(SOON), Err(RecvTimeoutError::Timeout)));
        let thread = thread::spawn(move || {
            thread::sleep(SOON);
            sender.send(Input::Signal).unwrap();
            sender.offer(Input::Signal).unwrap();
        });
        assert!(matches!(receiver.recv(), Ok(Input::Signal)));
        assert!(matches!(receiver.recv_timeout(PATIENCE), Ok(Input::Signal)));
        thread.join().unwrap();
        assert!(matches!(receiver.recv(), Err(RecvTimeoutError::Disconnected)));
    }

    #[test]
    fn what_does_not_fit_is_given_back() {
        let Inputs { sender, mut receiver } = Inputs::new().unwrap();
        let sent = (0..1000).take_while(|_| sender.offer(Input::Signal).is_ok()).count();
        assert_eq!(sent, QUEUE);
        let taken = (0..1000).take_while(|_| receiver.recv_timeout(SOON).is_ok()).count();
        assert_eq!(taken, QUEUE);
        drop(receiver);
        assert!(sender.offer(Input::Signal).is_ok());
        assert_eq!(sender.send(Input::Signal), Err(Ended));
    }

    #[test]
    fn signals_that_come_together_are_one_input() {
        let Inputs { sender, mut receiver } = Inputs::new().unwrap();
        let _ids = register(SIGUSR1, Wish::End, &sender).unwrap();
        for _ in 0..2 {
            raise(SIGUSR1).unwrap();
            raise(SIGUSR1).unwrap();
            assert!(matches!(receiver.recv_timeout(PATIENCE), Ok(Input::Signal)));
        }
        assert!(matches!(receiver.recv_timeout(SOON), Err(RecvTimeoutError::Timeout)));
    }
}
