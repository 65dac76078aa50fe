//! Something that threads wait at until it is opened.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::wait::PATIENCE;

/// Closed at first; once open it stays open.
#[derive(Debug, Default)]
pub struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    /// Opens it.
    pub fn open(&self) {
        *self.is_open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.opened.notify_all();
    }

    /// Waits until it is open, or for a long time.
    pub fn pass(&self) {
        let is_open = self.is_open.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.opened.wait_timeout_while(is_open, PATIENCE * 4, |is_open| !*is_open);
        drop(waited);
    }
}
