//! No line of progress: this program was built without `operations`.

use std::time::Instant;

use crate::client::line::Waiting;

/// Nothing.
#[derive(Debug)]
pub(super) struct Progress;

impl Progress {
    pub(super) const fn off() -> Self {
        Self
    }

    pub(super) const fn on() -> Self {
        Self
    }

    pub(super) fn begin(&mut self, _: Waiting, _: Instant) {}

    pub(super) fn over(&mut self) -> &'static str {
        ""
    }

    pub(super) fn cleared(&mut self) -> &'static str {
        ""
    }

    pub(super) fn next(&self) -> Option<Instant> {
        None
    }

    pub(super) fn drawn(&mut self, _: Instant) -> Option<String> {
        None
    }
}
