//! Names by name servers that the embedder gives, instead of the system's resolver.
//!
//! The machine is [`sc_proto::dns`]; here are its sockets and its clock, on one thread for all
//! workers, so that they share what is known. The thread starts with the first question and ends
//! with the last [`NameServers`]. What waits for sockets is the runtime's own: `lines`.
//!
//! Both runtimes are built with this folder.

mod hosts_file;
mod serve;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use sc_proto::contract::DialFailure;
use sc_proto::dns::{Answer, Settings};

use crate::fatal::{self, AbortOnPanic};
use crate::lines::{Lines, Wake};

/// Questions on their way to the thread at most.
const QUESTIONS: usize = 1024;

/// Whom an answer goes to. Called on the resolver's thread.
pub(crate) type Reply = Box<dyn FnOnce(Answer) + Send>;

/// Name servers, and what they have answered. Clones are the same.
#[derive(Clone)]
pub struct NameServers {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    hosts: PathBuf,
    seed: [u8; 32],
    /// The way to the thread, once there is one.
    desk: Mutex<Option<Desk>>,
}

struct Desk {
    questions: SyncSender<Question>,
    wake: Wake,
}

/// A name, and who wants to know.
struct Question {
    name: Box<str>,
    reply: Reply,
}

impl NameServers {
    /// Nothing is opened, allocated or started before the first question. `hosts`: the file with
    /// names that come first, read again when it has changed. `seed`: unpredictable bytes.
    pub fn new(settings: Settings, hosts: &Path, seed: [u8; 32]) -> Self {
        let shared = Shared { settings, hosts: hosts.into(), seed, desk: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    /// Finds the addresses of a name; waits no longer than `patience`.
    ///
    /// # Errors
    ///
    /// As [`Answer`] says, and [`DialFailure::TimedOut`].
    pub fn lookup(&self, name: &str, patience: Duration) -> Answer {
        let (sender, answer) = mpsc::sync_channel(1);
        // Who has lost patience is gone.
        self.ask(name, Box::new(move |found| drop(sender.try_send(found))))?;
        answer.recv_timeout(patience).unwrap_or(Err(DialFailure::TimedOut))
    }

    /// Asks for the addresses of a name.
    ///
    /// # Errors
    ///
    /// [`DialFailure::Resources`]: too many ask, or there is no thread.
    pub(crate) fn ask(&self, name: &str, reply: Reply) -> Result<(), DialFailure> {
        let busy = |_| DialFailure::Resources;
        let mut desk = self.shared.desk.lock().unwrap_or_else(PoisonError::into_inner);
        if desk.is_none() {
            *desk = Some(self.shared.open_desk().map_err(|error| {
                log::warn!("cannot ask the name servers: {error}");
                DialFailure::Resources
            })?);
        }
        let Some(desk) = desk.as_ref() else { return Err(DialFailure::Resources) };
        desk.questions.try_send(Question { name: name.into(), reply }).map_err(busy)?;
        desk.wake.wake();
        Ok(())
    }
}

impl Shared {
    fn open_desk(&self) -> io::Result<Desk> {
        let (questions, asked) = mpsc::sync_channel(QUESTIONS);
        let (opened, outcome) = mpsc::sync_channel(1);
        let (settings, hosts, seed) = (self.settings.clone(), self.hosts.clone(), self.seed);
        thread::Builder::new().name("sc-dns".into()).spawn(move || {
            let _guard = AbortOnPanic;
            match Lines::new() {
                Ok((lines, wake)) => {
                    let _ = opened.send(Ok(wake));
                    serve_until_end(lines, &asked, &settings, hosts, seed);
                }
                Err(error) => drop(opened.send(Err(error))),
            }
        })?;
        let wake = outcome.recv().map_err(io::Error::other)??;
        Ok(Desk { questions, wake })
    }
}

fn serve_until_end(
    lines: Lines,
    asked: &Receiver<Question>,
    settings: &Settings,
    hosts: PathBuf,
    seed: [u8; 32],
) {
    if let Err(error) = serve::Server::new(lines, settings, hosts, seed).serve(asked) {
        fatal::abort(&format!("the resolver cannot poll: {error}"));
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let desk = self.desk.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(Desk { questions, wake }) = desk.take() {
            drop(questions);
            wake.wake();
        }
    }
}

impl fmt::Debug for NameServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NameServers").field(&self.shared.settings).finish()
    }
}
