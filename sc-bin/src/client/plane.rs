//! The data plane: the session and its sockets, which a worker thread of a runtime carries.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TrySendError};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use sc_proto::contract::{ClientId, Connect, ConnectionNumber, Stop};
use sc_proto::egress::Egress;
use sc_proto::tls::{TlsClient, Trust};
use sc_proto::{Command, Config, Core, Event, WorkerId};

use super::controller::{DRAIN_LIMIT, Input, Place};
use super::failure::Failure;
use super::inputs::Sender;
use super::pac::Pac;
use super::trust;
use crate::cli::Endurance;
use crate::monitor::worker::AskWorkers;
use crate::runtime::{Handle, NameServers, Runtime, RuntimeKind, Stopped};

/// The data plane as the controller sees it: something that connects and something that stops.
/// What becomes of either is an input of the event loop.
pub(super) trait DataPlane {
    /// Begins to make a connection.
    ///
    /// # Errors
    ///
    /// Something that trying again does not help.
    fn connect(&mut self, place: &Place, connection: ConnectionNumber) -> Result<(), Failure>;

    /// Ends all sessions.
    fn stop(&mut self, stop: Stop);
}

/// Questions for the PAC script that wait here; more stay with the worker.
const QUESTIONS: usize = 64;
/// A tunnel has one worker.
const WORKER: WorkerId = WorkerId(0);

/// One worker. It ends when this is dropped.
pub(super) struct WorkerPlane {
    // Kept for its end.
    _runtime: Runtime,
    handle: Handle,
    /// Who this run is for the server.
    client: ClientId,
    /// Certificate authorities that were asked for (DER).
    roots: Option<Vec<Vec<u8>>>,
}

impl WorkerPlane {
    /// Starts the worker; its events become `inputs`. `ca` is a file of certificate authorities to
    /// verify the server with. `names` are asked for the names of sites.
    pub(super) fn start(
        runtime: RuntimeKind,
        ca: Option<&Path>,
        endurance: Endurance,
        egress: Egress,
        names: Option<NameServers>,
        pac: Option<Pac>,
        inputs: Sender,
    ) -> Result<Self, Failure> {
        let roots = match ca {
            Some(path) => Some(ders(Some(path))?),
            None => None,
        };
        let mut config = Config {
            unix_time_at_zero: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            drain_timeout: DRAIN_LIMIT,
            egress,
            ..Config::default()
        };
        endurance.tell(&mut config);
        let core = Core::new(config, WORKER, random()?);
        let (wanted, questions) = mpsc::sync_channel(QUESTIONS);
        // What nobody has room for stays with the worker.
        let events = move |worker, event| match event {
            Event::WayWanted { .. } => match wanted.try_send((worker, event)) {
                Err(TrySendError::Full((_, event))) => Err(event),
                Ok(()) | Err(TrySendError::Disconnected(_)) => Ok(()),
            },
            event => match inputs.offer(Input::Tunnel(event)) {
                Err(Input::Tunnel(event)) => Err(event),
                Ok(()) | Err(Input::Signal | Input::Answer(_)) => Ok(()),
            },
        };
        let runtime = Runtime::start(runtime, vec![core], names, events)
            .map_err(|error| machine("the data plane does not start", &error))?;
        let handle = runtime.handle();
        if let Some(pac) = pac {
            answer_questions(pac, questions, handle.clone())?;
        }
        Ok(Self { _runtime: runtime, handle, client: ClientId(random()?), roots })
    }

    /// The way to ask how it stands.
    pub(super) fn workers(&self) -> AskWorkers {
        let handle = self.handle.clone();
        Arc::new(move || Ok(vec![handle.report(WORKER)?]))
    }

    /// A CA file that was given wins over the pin, the pin over the system's authorities.
    fn trust(&self, place: &Place) -> Result<Trust, Failure> {
        Ok(match (&self.roots, place.pin) {
            (Some(roots), _) => Trust::Roots(roots.clone()),
            (None, Some(pin)) => Trust::Pin(pin.0),
            (None, None) => Trust::Roots(ders(None)?),
        })
    }
}

impl DataPlane for WorkerPlane {
    fn connect(&mut self, place: &Place, connection: ConnectionNumber) -> Result<(), Failure> {
        let connect = Connect {
            tunnel: place.tunnel,
            secret: place.secret.clone(),
            client: self.client,
            connection,
            server: place.server.clone(),
            server_name: place.server_name.clone(),
            tls: TlsClient::new(self.trust(place)?)?,
        };
        self.handle
            .command(WORKER, Command::Connect(Box::new(connect)))
            .map_err(|error| machine("the data plane has ended", &error))
    }

    fn stop(&mut self, stop: Stop) {
        // A worker that has stopped has nothing left to stop.
        let _: Result<(), Stopped> = self.handle.command(WORKER, Command::Stop(stop));
    }
}

/// Has the PAC script name the ways to sites, and the workers take them. On a thread of its own,
/// since an answer may come at once and the worker must not wait for itself. It ends with the
/// workers.
fn answer_questions(
    pac: Pac,
    questions: Receiver<(WorkerId, Event)>,
    answers: Handle,
) -> Result<(), Failure> {
    let answer = move || {
        for (worker, event) in questions {
            if let Event::WayWanted { socket, kind, target } = event {
                let answers = answers.clone();
                pac.ask(kind, target, move |ways| {
                    // A worker that has ended needs no way.
                    let _ = answers.command(worker, Command::Ways { socket, ways });
                });
            }
        }
    };
    let thread = thread::Builder::new().name("sc-ways".to_owned()).spawn(answer);
    thread.map(drop).map_err(|error| machine("no thread for the PAC script", &error))
}

fn ders(file: Option<&Path>) -> Result<Vec<Vec<u8>>, Failure> {
    let roots = trust::roots(file)?;
    Ok(roots.iter().map(|root| root.to_vec()).collect())
}

fn machine(what: &'static str, error: &dyn std::error::Error) -> Failure {
    Failure::Machine { what, error: error.to_string() }
}

/// Unpredictable bytes from the operating system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::Machine { what: "no random bytes", error: error.to_string() })?;
    Ok(bytes)
}

/// An unpredictable number, for jitter.
pub(super) fn random_u64() -> Result<u64, Failure> {
    Ok(u64::from_ne_bytes(random()?))
}
