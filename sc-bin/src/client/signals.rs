//! SIGINT, SIGTERM and SIGHUP become inputs.

use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::{pipe, unregister};
use signal_hook::{SigId, flag};

use super::inputs::{Sender, Wish};

/// Signals are taken as long as this lives; afterwards they are ignored.
pub(crate) struct SignalWatch(Vec<SigId>);

impl SignalWatch {
    /// Takes the signals from now on.
    ///
    /// # Errors
    ///
    /// The system refuses the handlers.
    pub(crate) fn start(inputs: &Sender) -> io::Result<Self> {
        let mut watch = Self(Vec::new());
        for (signal, wish) in [(SIGINT, Wish::End), (SIGTERM, Wish::End), (SIGHUP, Wish::Reload)] {
            watch.0.extend(register(signal, wish, inputs)?);
        }
        Ok(watch)
    }
}

impl Drop for SignalWatch {
    fn drop(&mut self) {
        for id in self.0.drain(..) {
            unregister(id);
        }
    }
}

/// Has a signal set the mark first and then ring the bell: the actions run in this order.
pub(super) fn register(signal: i32, wish: Wish, inputs: &Sender) -> io::Result<[SigId; 2]> {
    let (mark, bell) = inputs.alarm(wish)?;
    Ok([flag::register(signal, mark)?, pipe::register(signal, bell)?])
}
