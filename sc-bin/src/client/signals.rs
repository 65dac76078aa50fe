//! SIGINT and SIGTERM become inputs.

use std::io;
use std::sync::mpsc::SyncSender;
use std::thread;

use signal_hook::iterator::Handle;

use super::controller::Input;
use crate::interrupt::Interrupts;

/// Signals are taken as long as this lives; afterwards they are ignored.
pub(crate) struct SignalWatch(Handle);

impl SignalWatch {
    /// Takes SIGINT and SIGTERM from now on, on a thread of its own.
    ///
    /// # Errors
    ///
    /// The system refuses the handlers or the thread.
    pub(crate) fn start(inputs: SyncSender<Input>) -> io::Result<Self> {
        let mut interrupts = Interrupts::take()?;
        let handle = interrupts.handle();
        thread::Builder::new().name("sc-signals".to_owned()).spawn(move || {
            while interrupts.next().is_some() && inputs.send(Input::Signal).is_ok() {}
        })?;
        Ok(Self(handle))
    }
}

impl Drop for SignalWatch {
    fn drop(&mut self) {
        self.0.close();
    }
}
