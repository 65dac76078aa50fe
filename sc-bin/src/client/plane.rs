//! The data plane: the sessions and their sockets, which worker threads of a runtime carry.

#[cfg(feature = "inspect")]
use std::net::TcpListener;
#[cfg(feature = "mio")]
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{self, Receiver, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use sc_proto::contract::{AddressGuard, ClientId, Connect, ConnectionNumber, Stop, TunnelId};
use sc_proto::egress::{Egress, Exchanged, Watch};
use sc_proto::tls::{KeyLog, TlsClient, Trust};
use sc_proto::{Command, Config, Core, Event, WorkerId};
#[cfg(feature = "inspect")]
use sc_proto::{ListenerId, ListenerRole};

use super::controller::{DRAIN_LIMIT, Input, Place};
use super::egress;
use super::failure::Failure;
use super::inputs::Sender;
use super::pac::Pac;
use super::reload::Reloaded;
use super::status::AskScript;
use super::trust;
use crate::cli::Settings;
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

    /// Ends the sessions of a tunnel.
    fn give_up(&mut self, tunnel: TunnelId);

    /// Ends all sessions.
    fn stop(&mut self, stop: Stop);

    /// Goes by other rules from now on. What is under way goes on as it began.
    fn reload(&mut self, reloaded: Reloaded);
}

/// Takes what is told of an exchange with a site. It never waits.
pub(super) type TellExchange = Arc<dyn Fn(Box<Exchanged>) + Send + Sync>;

/// What is looked into.
#[derive(Default)]
pub(super) struct Inspecting {
    /// What is told of exchanges.
    pub(super) watch: Watch,
    /// To whom.
    pub(super) told: Option<TellExchange>,
    /// Where the keys of the tunnel's own TLS go.
    pub(super) tunnel_keys: Option<Arc<dyn KeyLog>>,
    /// Where those of TLS with sites and proxies go.
    pub(super) site_keys: Option<Arc<dyn KeyLog>>,
}

/// Questions for the PAC script that wait here; more stay with the worker.
const QUESTIONS: usize = 64;

/// The workers. They end when this is dropped.
pub(super) struct WorkerPlane {
    // Kept for its end.
    _runtime: Runtime,
    handle: Handle,
    /// How many there are.
    workers: u16,
    /// Who this run is for the server.
    client: ClientId,
    /// Certificate authorities that were asked for (DER).
    roots: Option<Vec<Vec<u8>>>,
    /// Where the keys of the tunnel's TLS go.
    keys: Option<Arc<dyn KeyLog>>,
    /// Where those of TLS with sites and proxies go.
    site_keys: Option<Arc<dyn KeyLog>>,
    /// What is told of exchanges.
    watch: Watch,
    /// The script that is asked now.
    pac: Arc<Mutex<Option<Pac>>>,
    /// What it will be asked, as long as there was none.
    questions: Option<Receiver<(WorkerId, Event)>>,
}

impl WorkerPlane {
    /// Starts the workers for a tunnel; their events become `inputs`. `names` are asked for the names
    /// of sites, `pac` for the ways to them.
    pub(super) fn start(
        settings: &Settings,
        names: Option<NameServers>,
        pac: Option<Pac>,
        inspecting: Inspecting,
        inputs: Sender,
    ) -> Result<Self, Failure> {
        let roots = match settings.tunnel_ca.as_deref() {
            Some(path) => Some(ders(Some(path))?),
            None => None,
        };
        let Inspecting { watch, told, tunnel_keys, site_keys } = inspecting;
        let mut config = Config {
            unix_time_at_zero: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            drain_timeout: DRAIN_LIMIT,
            egress: Egress {
                watch,
                ..egress::rules(&settings.egress, &settings.local_proxy, site_keys.clone())
            },
            agent: "sc_client",
            // The egress decides about the local proxy port, as it does about the tunnel.
            direct: AddressGuard::Anywhere,
            tls_handshake_timeout: settings.egress.tls.handshake,
            ..Config::default()
        };
        settings.endurance.tell(&mut config);
        if let Some(streams) = settings.max_streams {
            // The core shares them out among the connections.
            config.kgp.max_streams = streams.saturating_mul(settings.connections.into());
        }
        if let Some(timeout) = settings.egress.exchanges.dial_timeout {
            config.dial_timeout = timeout;
        }
        let workers = workers_for(settings.runtime, settings.connections);
        let mut cores = Vec::with_capacity(usize::from(workers));
        for worker in 0..workers {
            cores.push(Core::new(config.clone(), WorkerId(worker), random()?));
        }
        let (wanted, questions) = mpsc::sync_channel(QUESTIONS);
        // What nobody has room for stays with the worker.
        let running = Arc::new(AtomicU16::new(workers));
        let events = move |worker, event| match event {
            // The last one's tells that all have.
            Event::Stopped if another_runs(&running) => Ok(()),
            Event::WayWanted { .. } => match wanted.try_send((worker, event)) {
                Err(TrySendError::Full((_, event))) => Err(event),
                Ok(()) | Err(TrySendError::Disconnected(_)) => Ok(()),
            },
            Event::Exchanged(exchange) => {
                if let Some(tell) = &told {
                    tell(exchange);
                }
                Ok(())
            }
            event => match inputs.offer(Input::Tunnel(event)) {
                Err(Input::Tunnel(event)) => Err(event),
                Ok(()) | Err(_) => Ok(()),
            },
        };
        let runtime = Runtime::start(settings.runtime, cores, names, events)
            .map_err(|error| machine("the data plane does not start", &error))?;
        let handle = runtime.handle();
        let client = ClientId(random()?);
        let mut plane = Self {
            _runtime: runtime,
            handle,
            workers,
            client,
            roots,
            keys: tunnel_keys,
            site_keys,
            watch,
            pac: Arc::default(),
            questions: Some(questions),
        };
        plane.ask(pac)?;
        Ok(plane)
    }

    /// Asks another script from now on.
    fn ask(&mut self, pac: Option<Pac>) -> Result<(), Failure> {
        let is_wanted = pac.is_some();
        *self.pac.lock().unwrap_or_else(PoisonError::into_inner) = pac;
        match self.questions.take_if(|_| is_wanted) {
            Some(questions) => {
                answer_questions(Arc::clone(&self.pac), questions, self.handle.clone())
            }
            None => Ok(()),
        }
    }

    /// The way to ask for the script that is asked now.
    pub(super) fn script(&self) -> AskScript {
        let pac = Arc::clone(&self.pac);
        Arc::new(move || {
            let pac = pac.lock().unwrap_or_else(PoisonError::into_inner);
            pac.as_ref().map(|pac| Arc::clone(pac.script()))
        })
    }

    /// The way to ask how they stand.
    pub(super) fn workers(&self) -> AskWorkers {
        let handle = self.handle.clone();
        let workers = self.workers;
        Arc::new(move || (0..workers).map(|worker| handle.report(WorkerId(worker))).collect())
    }

    /// Takes a bound and listening socket as the client's own proxy port.
    #[cfg(feature = "inspect")]
    pub(super) fn listen_locally(&self, socket: TcpListener) -> Result<(), Failure> {
        let role = ListenerRole::LocalIngress;
        let listening = self.handle.listen(WorkerId(0), ListenerId(0), role, socket);
        listening.map_err(|error| machine("the data plane has ended", &error))
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
        let worker = WorkerId(u16::from(connection.index()) % self.workers);
        let tls = TlsClient::new(self.trust(place)?)?;
        let connect = Connect {
            tunnel: place.tunnel,
            secret: place.secret.clone(),
            client: self.client,
            connection,
            server: place.server.clone(),
            server_name: place.server_name.clone(),
            tls: match &self.keys {
                Some(keys) => tls.telling_keys(Arc::clone(keys)),
                None => tls,
            },
        };
        self.handle
            .command(worker, Command::Connect(Box::new(connect)))
            .map_err(|error| machine("the data plane has ended", &error))
    }

    fn give_up(&mut self, tunnel: TunnelId) {
        for worker in 0..self.workers {
            let command = Command::RemoveTunnel(tunnel);
            let _: Result<(), Stopped> = self.handle.command(WorkerId(worker), command);
        }
    }

    fn stop(&mut self, stop: Stop) {
        for worker in 0..self.workers {
            // One that has stopped has nothing left to stop.
            let _: Result<(), Stopped> = self.handle.command(WorkerId(worker), Command::Stop(stop));
        }
    }

    fn reload(&mut self, reloaded: Reloaded) {
        let Reloaded { egress, limits, pac, roots, rules: _, configuration: _ } = reloaded;
        let rules = egress::rules(&egress, &limits, self.site_keys.clone());
        let egress = Egress { watch: self.watch, ..rules };
        // First the script, so that nobody asks where there is none yet.
        if pac.is_some()
            && let Err(failure) = self.ask(pac)
        {
            return log::warn!("the rules stay as they are: {failure}");
        }
        self.roots = roots;
        for worker in 0..self.workers {
            let command = Command::SetEgress(Box::new(egress.clone()));
            // One that has stopped has no rules.
            let _: Result<(), Stopped> = self.handle.command(WorkerId(worker), command);
        }
        log::info!("the rules were read again and are in effect for all that comes from now on");
    }
}

/// Counts a worker that has stopped, unless it is the last: that one's word is passed on, perhaps
/// after some tries.
fn another_runs(running: &AtomicU16) -> bool {
    let one_less = |count: u16| (count > 1).then(|| count - 1);
    running.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less).is_ok()
}

/// As many workers as a tunnel of so many connections can use here: one session is one worker's.
/// The runtime that is made to be small has one.
fn workers_for(runtime: RuntimeKind, connections: u8) -> u16 {
    let most = match runtime {
        #[cfg(feature = "mio")]
        RuntimeKind::Mio => {
            let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
            u16::try_from(cores).unwrap_or(u16::MAX)
        }
        #[cfg(feature = "smol")]
        RuntimeKind::Smol => 1,
    };
    u16::from(connections).clamp(1, most)
}

/// Has the PAC script name the ways to sites, and the workers take them. On a thread of its own,
/// since an answer may come at once and the worker must not wait for itself. It ends with the
/// workers.
fn answer_questions(
    pac: Arc<Mutex<Option<Pac>>>,
    questions: Receiver<(WorkerId, Event)>,
    answers: Handle,
) -> Result<(), Failure> {
    let answer = move || {
        for (worker, event) in questions {
            if let Event::WayWanted { socket, kind, target } = event {
                let answers = answers.clone();
                let tell = move |ways| {
                    // A worker that has ended needs no way.
                    let _ = answers.command(worker, Command::Ways { socket, ways });
                };
                let pac = pac.lock().unwrap_or_else(PoisonError::into_inner).clone();
                match pac {
                    Some(pac) => pac.ask(kind, target, tell),
                    None => tell(Vec::new()),
                }
            }
        }
    };
    let thread = thread::Builder::new().name("sc-ways".to_owned()).spawn(answer);
    thread.map(drop).map_err(|error| machine("no thread for the PAC script", &error))
}

pub(super) fn ders(file: Option<&Path>) -> Result<Vec<Vec<u8>>, Failure> {
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
