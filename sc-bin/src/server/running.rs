//! A server that runs: how it starts and how it stops.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sc_proto::endpoint::OwnPorts;
use sc_proto::tls::Resigner;
use sc_proto::{Config, Event, WorkerId};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::access_key::AccessKey;
use super::certificate::{CertificateError, TunnelCertificate};
use super::data_dir::{DataDir, DataDirError, ServerLock};
use super::data_plane::{DataPlane, Listeners};
use super::fleet::{self, Fleet, FleetSettings, JoinError, Leaving};
use super::guesses::Guesses;
use super::log_limit::{self, LogLimit};
use super::metrics;
use super::page::{self, Page};
use super::ports::{self, ProxyPorts};
use super::registry::{Registry, RegistryError, UserError};
use super::resign::{ResignCa, ResignError};
use super::rest::{self, Rates, RestState, RestTlsError};
use super::settings::{RestSecurity, Settings, TunnelsPage};
use super::tunnels::{
    Announced, Draining, EndReason, JobEnd, Question, Tunnels, host_and_port, unix_now,
};
use super::user_command;
use super::watchdog;
use crate::api::BASE;
use crate::monitor::{ListenAddress, Monitor, ServiceManager};

/// Events that may wait to be taken in.
const EVENT_QUEUE: usize = 4096;

/// How often tunnels without a client are looked for, and the log is told what it missed.
const TICK: Duration = log_limit::WINDOW;
/// How often the users are looked through for owners who are gone, in ticks.
const OWNER_TICKS: u64 = 5;
/// How often old records are removed, in ticks, and how old they are then, in seconds.
const PRUNE_TICKS: u64 = 3600;
const PRUNE_AGE: u64 = 30 * 86_400;

/// How long what is left gets to end after it was told to.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long REST still answers after the last session has ended.
const FAREWELL: Duration = Duration::from_secs(1);

/// The server does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// Its data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// Its registry cannot be used.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Its fleet does not take it.
    #[error(transparent)]
    Fleet(#[from] JoinError),
    /// It has no certificate for tunnels.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// It has no CA for re-signed TLS.
    #[error(transparent)]
    Resign(#[from] ResignError),
    /// It has no certificate for REST.
    #[error(transparent)]
    RestTls(#[from] RestTlsError),
    /// Access keys would go through a network in the clear.
    #[error(
        "the REST API on {0} would send access keys through the network unencrypted: give \
         --rest-tls-cert and --rest-tls-key, or say --insecure-rest if something else protects it"
    )]
    PlainRest(SocketAddr),
    /// An address cannot be had.
    #[error("cannot listen on {address} for {}: {source}. Choose another by {}", purpose.shown(), purpose.flag())]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What for.
        purpose: Purpose,
        /// Why not.
        source: io::Error,
    },
    /// The address of metrics cannot be had.
    #[error(
        "cannot listen on {address} for metrics: {source}. Choose another by --metrics-address"
    )]
    ListenMetrics {
        /// Which.
        address: ListenAddress,
        /// Why not.
        source: io::Error,
    },
    /// Threads cannot be had.
    #[error("cannot start the server's threads: {0}")]
    Threads(io::Error),
}

/// What is listened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The REST API.
    Rest,
    /// Clients' tunnels.
    Tunnels,
    /// The tunnels' proxies.
    Proxies,
    /// The proxy of all tunnels.
    SharedProxy,
}

impl Purpose {
    fn shown(self) -> &'static str {
        match self {
            Self::Rest => "the REST API",
            Self::Tunnels => "tunnels",
            Self::Proxies => "the tunnels' proxies",
            Self::SharedProxy => "the shared proxy",
        }
    }

    fn flag(self) -> &'static str {
        match self {
            Self::Rest => "--rest-address",
            Self::Tunnels => "--tunnel-address",
            Self::Proxies => "--proxy-host",
            Self::SharedProxy => "--shared-proxy-address",
        }
    }
}

/// A server in this process. Dropping it without [`Running::stop`] leaves it running.
#[derive(Debug)]
pub(crate) struct Running {
    rest_url: String,
    page: TunnelsPage,
    rest_address: SocketAddr,
    tunnel_address: SocketAddr,
    shared_proxy_address: Option<SocketAddr>,
    registry: Registry,
    tunnels: Arc<Tunnels>,
    runtime: Handle,
    drain_limit: Duration,
    stop_rest: watch::Sender<bool>,
    hurry: watch::Sender<bool>,
    rest_thread: JoinHandle<()>,
    event_thread: JoinHandle<()>,
    lock: ServerLock,
    monitor: Option<Monitor>,
}

/// Cuts short what [`Running::stop`] waits for, from another thread.
#[derive(Clone, Debug)]
pub(crate) struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// Ends the waiting for running streams, now or as soon as it begins.
    pub(crate) fn now(&self) {
        self.0.send_replace(true);
    }
}

/// Starts a server. Not to be called from async code.
pub(crate) fn start(settings: Settings) -> Result<Running, StartError> {
    refuse_plain_rest(&settings)?;
    let dir = DataDir::open(&settings.data_dir)?;
    let lock = dir.lock_server()?;
    let certificate = match &settings.tunnel_certificate {
        Some(files) => TunnelCertificate::given(files)?,
        None => TunnelCertificate::own(&dir, &settings.tunnel_host, unix_now())?,
    };
    let resign = Arc::new(ResignCa::open(settings.resign_ca.as_ref(), &dir, unix_now())?);
    let tls = match &settings.rest_security {
        RestSecurity::Tls(files) => Some(rest::acceptor(files)?),
        RestSecurity::PlainOnLoopback | RestSecurity::PlainAnywhere => None,
    };
    let (rest_listener, rest_address) = listen(settings.rest_address, Purpose::Rest)?;
    let (kgp_listener, tunnel_address) = listen(settings.tunnel_address, Purpose::Tunnels)?;
    let shared_proxy = match settings.shared_proxy_address {
        Some(address) => Some(listen(address, Purpose::SharedProxy)?),
        None => None,
    };
    let shared_proxy_address = shared_proxy.as_ref().map(|(_, address)| *address);
    warn_of_plain_keys(&settings, shared_proxy_address);
    let listeners =
        Listeners { kgp: kgp_listener, shared_proxy: shared_proxy.map(|(listener, _)| listener) };
    let metrics = metrics::listen(settings.metrics.as_ref())?;
    // Better said now than to the first client.
    listen(SocketAddr::new(settings.proxy_ip, 0), Purpose::Proxies)?;

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StartError::Threads)?;
    let handle = runtime.handle().clone();
    let registry = runtime.block_on(open_registry(&dir, settings.fleet.as_ref()))?;
    let (drain_limit, announced_port) = (settings.drain_limit, tunnel_address.port());
    let fleet = runtime.block_on(join_fleet(&settings, &registry, &dir, announced_port))?;
    let page = settings.page;
    let announcements = settings.announcements.clone();
    let guesses = Arc::default();
    let (tunnels, events) = start_tunnels(
        settings,
        Kept { registry: registry.clone(), fleet: fleet.clone() },
        certificate,
        Arc::clone(&resign),
        listeners,
        announced_port,
        &guesses,
    )?;
    if let Some(fleet) = fleet {
        handle.spawn(fleet::listen(Arc::clone(&fleet)));
        handle.spawn(fleet::attend(fleet, Arc::clone(&tunnels)));
    }

    let scheme = if tls.is_some() { "https" } else { "http" };
    let rest = Rest {
        listener: rest_listener,
        tls,
        page,
        state: Arc::new(RestState {
            registry: registry.clone(),
            tunnels: Arc::clone(&tunnels),
            strangers: LogLimit::new("REST calls with wrong or no credentials"),
            troubles: LogLimit::new("uses of keys that are not recorded"),
            guesses,
            rates: Rates::default(),
            announcements,
            scheme,
            resign_ca: resign.pem().to_owned(),
            url: format!("{scheme}://{}{BASE}", dialable(rest_address)),
        }),
    };
    let rest_url = rest.state.url.clone();
    let (stop_rest, stopped) = watch::channel(false);
    let rest_thread = rest.spawn(runtime, stopped)?;
    let event_thread = {
        let (tunnels, handle) = (Arc::clone(&tunnels), handle.clone());
        spawn("sc-events", move || take_in(&events, &tunnels, &handle))?
    };
    let monitor = metrics::serve(metrics, &tunnels).map_err(StartError::Threads)?;
    Ok(Running {
        rest_url,
        page,
        rest_address,
        tunnel_address,
        shared_proxy_address,
        registry,
        tunnels,
        runtime: handle,
        drain_limit,
        stop_rest,
        hurry: watch::Sender::new(false),
        rest_thread,
        event_thread,
        lock,
        monitor,
    })
}

type Events = Receiver<(WorkerId, Event)>;

/// What is written down about tunnels, and with whom that is shared.
struct Kept {
    registry: Registry,
    fleet: Option<Arc<Fleet>>,
}

/// Starts the data plane, and what keeps tunnels on it.
fn start_tunnels(
    settings: Settings,
    Kept { registry, fleet }: Kept,
    certificate: TunnelCertificate,
    resign: Arc<ResignCa>,
    listeners: Listeners,
    tunnel_port: u16,
    guesses: &Arc<Guesses>,
) -> Result<(Arc<Tunnels>, Events), StartError> {
    let (event_sender, events) = mpsc::sync_channel(EVENT_QUEUE);
    let workers = settings.workers.get();
    let mut config = Config {
        tls_server: Some(certificate.tls),
        resigner: Some(Resigner::new(resign).map_err(ResignError::from)?),
        direct: settings.direct.clone(),
        ingress: settings.ingress.clone(),
        cache: settings.cache,
        ..Config::default()
    };
    settings.endurance.tell(&mut config);
    let data_plane = DataPlane::start(settings.runtime, workers, config, listeners, event_sender)
        .map_err(StartError::Threads)?;
    let announced = Announced {
        tunnel_host: settings.tunnel_host,
        tunnel_port,
        pin: certificate.pin,
        proxy_host: settings.proxy_host,
    };
    let ports = ProxyPorts::new(settings.proxy_ip, settings.proxy_ports);
    let limit = settings.unconnected_limit;
    let guesses = Arc::clone(guesses);
    let tunnels = Tunnels::new(registry, data_plane, announced, ports, limit, guesses, fleet);
    Ok((Arc::new(tunnels), events))
}

/// The REST API before it serves.
struct Rest {
    listener: std::net::TcpListener,
    tls: Option<TlsAcceptor>,
    page: TunnelsPage,
    state: Arc<RestState>,
}

impl Rest {
    /// Serves on a thread of its own, with all else that waits in `runtime`, until `stopped`.
    fn spawn(
        self,
        runtime: Runtime,
        stopped: watch::Receiver<bool>,
    ) -> Result<JoinHandle<()>, StartError> {
        let listener = {
            let _guard = runtime.enter();
            tokio::net::TcpListener::from_std(self.listener).map_err(StartError::Threads)?
        };
        let registry = self.state.registry.clone();
        let housekeeping = keep_house(Arc::clone(&self.state));
        let page = match self.page {
            TunnelsPage::Served => Some(Page::new(Arc::clone(&self.state), stopped.clone())),
            TunnelsPage::Off => None,
        };
        let mut router = rest::router(self.state);
        if let Some(page) = &page {
            router = router.merge(page::router(Arc::clone(page)));
        }
        let serving = rest::serve(listener, self.tls, router, stopped);
        spawn("sc-rest", move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serving => {}
                    () = housekeeping => {}
                    () = sample(page) => {}
                }
                registry.close().await;
            });
            // Ends what is left of connections.
            runtime.shutdown_timeout(LAST_WORDS);
        })
    }
}

impl Running {
    /// The REST API, as seen from this machine: `http://127.0.0.1:8033/rest/v1`.
    pub(crate) fn rest_url(&self) -> &str {
        &self.rest_url
    }

    /// The Tunnels page, as seen from this machine, if there is one.
    pub(crate) fn page_url(&self) -> Option<String> {
        let origin = self.rest_url.strip_suffix(BASE)?;
        (self.page == TunnelsPage::Served).then(|| format!("{origin}{}", page::LIST))
    }

    /// Where the REST API listens.
    pub(crate) fn rest_address(&self) -> SocketAddr {
        self.rest_address
    }

    /// Where KGP listens.
    pub(crate) fn tunnel_address(&self) -> SocketAddr {
        self.tunnel_address
    }

    /// Where the shared proxy listens, if anywhere.
    pub(crate) fn shared_proxy_address(&self) -> Option<SocketAddr> {
        self.shared_proxy_address
    }

    /// Where metrics are served, if anywhere.
    pub(crate) fn metrics_address(&self) -> Option<&ListenAddress> {
        self.monitor.as_ref().map(Monitor::address)
    }

    /// Gives the service manager signs of life, if it wants any.
    pub(crate) fn watch_over(&self, manager: ServiceManager) {
        watchdog::start(manager, Arc::clone(&self.tunnels), self.runtime.clone());
    }

    /// Adds a user.
    pub(crate) fn add_user(&self, name: &str) -> Result<AccessKey, UserError> {
        self.runtime.block_on(user_command::add(&self.registry, name))
    }

    /// Something to cut [`Running::stop`] short with.
    pub(crate) fn stopper(&self) -> Stopper {
        Stopper(self.hurry.clone())
    }

    /// Stops: no new tunnel and no new connection to a proxy port; what runs may finish, at most
    /// for the drain limit; then tunnels end, and with them the server. REST answers until the
    /// tunnels have ended, so that clients learn it. Not to be called from async code.
    pub(crate) fn stop(self) {
        let seconds = self.drain_limit.as_secs();
        log::info!("the server stops; running connections may finish, for {seconds} s at most");
        let mut hurry = self.hurry.subscribe();
        self.runtime.block_on(async {
            if let Some(fleet) = self.tunnels.fleet() {
                fleet::leave(fleet, Leaving::Begins).await;
            }
            let draining = self.tunnels.begin_stop().await;
            let drain = async {
                if draining == Draining::Sessions {
                    self.tunnels.drained().await;
                }
            };
            tokio::select! {
                done = tokio::time::timeout(self.drain_limit, drain) => if done.is_err() {
                    log::warn!("some connections did not finish in time and are cut");
                },
                () = is_true(&mut hurry) => {}
            }
            self.tunnels.finish_stop().await;
            if let Some(fleet) = self.tunnels.fleet() {
                fleet::leave(fleet, Leaving::Done).await;
            }
            let _ = tokio::time::timeout(LAST_WORDS, self.tunnels.drained()).await;
            if draining == Draining::Sessions {
                // A client that lost its session asks for its tunnel's record at once.
                tokio::time::sleep(FAREWELL).await;
            }
        });
        drop(self.monitor);
        self.tunnels.stop_data_plane();
        // The workers were the channel's senders.
        join(self.event_thread, "event");
        self.stop_rest.send_replace(true);
        join(self.rest_thread, "REST");
        drop(self.lock);
        log::info!("the server has stopped");
    }
}

fn refuse_plain_rest(settings: &Settings) -> Result<(), StartError> {
    match settings.rest_security {
        RestSecurity::PlainOnLoopback if !settings.rest_address.ip().is_loopback() => {
            Err(StartError::PlainRest(settings.rest_address))
        }
        _ => Ok(()),
    }
}

/// Access keys go through a network in the clear, unless it is this machine's own.
fn warn_of_plain_keys(settings: &Settings, shared: Option<SocketAddr>) {
    let guarded = settings.ingress.own_ports == OwnPorts::Guarded;
    let own = guarded.then_some(settings.proxy_ip);
    let mut asked = shared.map(|address| address.ip()).into_iter().chain(own);
    if asked.any(|ip| !ip.is_loopback()) {
        log::warn!(
            "browsers send access keys to proxy ports unencrypted: let only a network that you \
             trust reach them (--proxy-networks)"
        );
    }
}

fn listen(
    address: SocketAddr,
    purpose: Purpose,
) -> Result<(std::net::TcpListener, SocketAddr), StartError> {
    let listened = ports::listen(address).and_then(|listener| {
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    listened.map_err(|source| StartError::Listen { address, purpose, source })
}

async fn open_registry(
    dir: &DataDir,
    fleet: Option<&FleetSettings>,
) -> Result<Registry, RegistryError> {
    let registry = Registry::open(dir, fleet.map(|fleet| &fleet.database)).await?;
    let before = match fleet {
        Some(_) => dir.last_member(),
        None => String::new(),
    };
    let now = registry.now();
    let left_over =
        registry.end_left_over_tunnels(&before, &EndReason::ServerRestart.at(now)).await?;
    registry.end_left_over_jobs(&before, now, JobEnd::ServerRestart.name()).await?;
    registry.forget_member(&before).await?;
    if left_over > 0 {
        log::info!("tunnels that an earlier run left open, now ended: {left_over}");
    }
    Ok(registry)
}

/// Becomes a member of the fleet, if there is to be one.
async fn join_fleet(
    settings: &Settings,
    registry: &Registry,
    dir: &DataDir,
    tunnel_port: u16,
) -> Result<Option<Arc<Fleet>>, StartError> {
    let Some(of_fleet) = settings.fleet.clone() else { return Ok(None) };
    let address = host_and_port(&settings.tunnel_host, tunnel_port);
    let joined = Fleet::join(registry.clone(), of_fleet, dir.clone(), address).await?;
    Ok(Some(Arc::new(joined)))
}

/// Nobody can dial "all addresses".
fn dialable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

/// Waits until a flag is raised.
async fn is_true(flag: &mut watch::Receiver<bool>) {
    // A flag whose owner is gone counts as raised.
    let _ = flag.wait_for(|raised| *raised).await;
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    let builder = std::thread::Builder::new().name(name.to_owned());
    builder.spawn(body).map_err(StartError::Threads)
}

fn join(thread: JoinHandle<()>, name: &str) {
    if thread.join().is_err() {
        log::error!("the server's {name} thread broke down");
    }
}

/// Takes in what the workers tell, until they are gone.
fn take_in(events: &Events, tunnels: &Arc<Tunnels>, runtime: &Handle) {
    for (worker, event) in events {
        match event {
            Event::AccessWanted { socket, peer, door, visitor } => {
                tunnels.consider(Question { worker, socket, peer, door, visitor }, runtime);
            }
            event => runtime.block_on(tunnels.on_event(worker, event)),
        }
    }
}

/// Samples the tunnels for their page, if there is one, as long as the server runs.
async fn sample(page: Option<Arc<Page>>) {
    match page {
        Some(page) => page.sample().await,
        None => std::future::pending().await,
    }
}

/// Ends what has to end, from time to time.
async fn keep_house(state: Arc<RestState>) {
    let (tunnels, registry) = (&state.tunnels, &state.registry);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    for tick in 0_u64.. {
        ticks.tick().await;
        state.strangers.sum_up();
        state.troubles.sum_up();
        tunnels.sum_up_strangers();
        tunnels.end_overdue(Instant::now()).await;
        look_after_jobs(tunnels).await;
        if tick % OWNER_TICKS == 0 {
            tunnels.end_of_removed_owners().await;
        }
        if tick % PRUNE_TICKS == 0 {
            let before = registry.now().saturating_sub(PRUNE_AGE);
            if let Err(error) = registry.prune_tunnels(before).await {
                log::warn!("old records of tunnels are not removed: {error}");
            }
            if let Err(error) = registry.prune_jobs(before).await {
                log::warn!("old records of jobs are not removed: {error}");
            }
            if let Err(error) = registry.prune_deeds(before).await {
                log::warn!("old records of who did what are not removed: {error}");
            }
        }
    }
}

/// Moves and ends jobs. Workers are asked about them on another thread: they may take a moment.
async fn look_after_jobs(tunnels: &Arc<Tunnels>) {
    if !tunnels.has_jobs() {
        return;
    }
    let asked = Arc::clone(tunnels);
    let Ok(Ok(workers)) = tokio::task::spawn_blocking(move || asked.workers()).await else {
        return;
    };
    let visits = workers.into_iter().flat_map(|worker| worker.visits).collect();
    tunnels.look_after_jobs(&visits, Instant::now()).await;
}

#[cfg(test)]
impl Running {
    /// Takes in an event as if a worker had told it.
    pub(super) fn tell(&self, event: Event) {
        self.runtime.block_on(self.tunnels.on_event(WorkerId(0), event));
    }

    /// Does what is due after `span`, without waiting for it.
    pub(super) fn after(&self, span: Duration) {
        let then = Instant::now() + span;
        self.runtime.block_on(async {
            self.tunnels.end_overdue(then).await;
            self.tunnels.end_of_removed_owners().await;
            self.tunnels.look_after_jobs(&std::collections::BTreeMap::new(), then).await;
        });
    }
}
