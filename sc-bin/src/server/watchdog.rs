//! Signs of life for a service manager that wants them, as long as there are any.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;

use super::tunnels::Tunnels;
use crate::monitor::{Notice, ServiceManager};

/// Starts giving them, on a thread of its own, which ends with the process. Without a service
/// manager that wants them nothing is started.
pub(super) fn start(manager: ServiceManager, tunnels: Arc<Tunnels>, rest: Handle) {
    let Some(interval) = manager.watchdog() else { return };
    let watching = thread::Builder::new().name("sc-watchdog".to_owned()).spawn(move || {
        loop {
            thread::sleep(interval);
            if tunnels.workers().is_ok() && answers(&rest, interval) {
                manager.tell(Notice::Alive);
            } else {
                log::error!("no sign of life to the service manager: a thread does not answer");
            }
        }
    });
    if let Err(error) = watching {
        log::error!("the service manager gets no signs of life: {error}");
    }
}

/// Whether the thread of the REST API gets round to something new.
fn answers(rest: &Handle, patience: Duration) -> bool {
    let (sender, answer) = mpsc::sync_channel(1);
    rest.spawn(async move {
        // Who asked may have lost patience.
        let _ = sender.try_send(());
    });
    answer.recv_timeout(patience).is_ok()
}
