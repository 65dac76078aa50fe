//! The core's events on their way to the embedder: none is lost, the worker never waits.
//!
//! Both runtimes are built with this file.

use std::sync::mpsc::{SyncSender, TrySendError};

use sc_proto::{Core, Event, WorkerId};

/// Takes what the cores tell: the sender of a bounded channel, or a function.
///
/// It is called by a worker, which must not wait.
pub trait EventSink: Send + 'static {
    /// Takes an event of a worker. Who does not listen any more drops it.
    ///
    /// # Errors
    ///
    /// Gives the event back if there is no room for it now. It is offered again.
    fn offer(&mut self, worker: WorkerId, event: Event) -> Result<(), Event>;
}

impl EventSink for SyncSender<(WorkerId, Event)> {
    fn offer(&mut self, worker: WorkerId, event: Event) -> Result<(), Event> {
        match self.try_send((worker, event)) {
            Err(TrySendError::Full((_, event))) => Err(event),
            // Nobody listens any more; the tunnels may go on.
            Ok(()) | Err(TrySendError::Disconnected(_)) => Ok(()),
        }
    }
}

impl<F> EventSink for F
where
    F: FnMut(WorkerId, Event) -> Result<(), Event> + Send + 'static,
{
    fn offer(&mut self, worker: WorkerId, event: Event) -> Result<(), Event> {
        self(worker, event)
    }
}

/// Sends events while the embedder takes them. When it has no room one event is kept here
/// and the rest stay in the core.
pub(crate) struct Reporter {
    worker: WorkerId,
    sink: Box<dyn EventSink>,
    held: Option<Event>,
}

/// Whether the core was relieved of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reported {
    Nothing,
    Some,
}

impl Reporter {
    pub(crate) fn new(worker: WorkerId, sink: impl EventSink) -> Self {
        Self { worker, sink: Box::new(sink), held: None }
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
            if let Err(event) = self.sink.offer(self.worker, event) {
                self.held = Some(event);
                return reported;
            }
        }
        reported
    }
}
