//! The core's events on their way to the embedder: none is lost, the worker never waits.
//!
//! Both runtimes are built with this file.

use std::sync::mpsc::{SyncSender, TrySendError};

use sc_proto::{Core, Event, WorkerId};

/// Sends events while the embedder takes them. When its channel is full one event is kept here
/// and the rest stay in the core.
pub(crate) struct Reporter {
    worker: WorkerId,
    channel: SyncSender<(WorkerId, Event)>,
    held: Option<Event>,
}

/// Whether the core was relieved of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reported {
    Nothing,
    Some,
}

impl Reporter {
    pub(crate) const fn new(worker: WorkerId, channel: SyncSender<(WorkerId, Event)>) -> Self {
        Self { worker, channel, held: None }
    }

    /// Whether an event waits for room.
    pub(crate) const fn is_held_up(&self) -> bool {
        self.held.is_some()
    }

    /// Sends what there is, as far as there is room.
    pub(crate) fn report(&mut self, core: &mut Core) -> Reported {
        let mut reported = Reported::Nothing;
        while let Some(event) = self.held.take().or_else(|| {
            let event = core.poll_event()?;
            reported = Reported::Some;
            Some(event)
        }) {
            match self.channel.try_send((self.worker, event)) {
                Ok(()) => {}
                Err(TrySendError::Full((_, event))) => {
                    self.held = Some(event);
                    return reported;
                }
                // Nobody listens any more; the tunnels may go on.
                Err(TrySendError::Disconnected(_)) => {}
            }
        }
        reported
    }
}
