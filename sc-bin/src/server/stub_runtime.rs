//! Stands in for `sc-runtime-mio` until that is there: holds the sockets and does nothing.

use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};

use sc_proto::{Command, Core, Event, ListenerId, ListenerRole, WorkerId};

#[derive(Debug)]
pub(crate) struct Stopped;

#[derive(Debug, Default)]
pub(crate) struct Options;

#[derive(Debug)]
pub(crate) struct Runtime {
    handle: Handle,
    _events: SyncSender<(WorkerId, Event)>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Handle(Arc<Mutex<HashMap<ListenerId, TcpListener>>>);

impl Runtime {
    pub(crate) fn start(
        _cores: Vec<Core>,
        _options: Options,
        events: SyncSender<(WorkerId, Event)>,
    ) -> io::Result<Self> {
        Ok(Self {
            handle: Handle::default(),
            _events: events,
        })
    }
    pub(crate) fn handle(&self) -> Handle {
        self.handle.clone()
    }
    pub(crate) fn stop(self) {
        self.handle.sockets().clear();
    }
}

impl Handle {
    fn sockets(&self) -> std::sync::MutexGuard<'_, HashMap<ListenerId, TcpListener>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(crate) fn command(&self, _worker: WorkerId, _command: Command) -> Result<(), Stopped> {
        Ok(())
    }
    pub(crate) fn listen(
        &self,
        _worker: WorkerId,
        listener: ListenerId,
        _role: ListenerRole,
        socket: TcpListener,
    ) -> Result<(), Stopped> {
        self.sockets().insert(listener, socket);
        Ok(())
    }
    pub(crate) fn unlisten(&self, _worker: WorkerId, listener: ListenerId) -> Result<(), Stopped> {
        self.sockets().remove(&listener);
        Ok(())
    }
}
