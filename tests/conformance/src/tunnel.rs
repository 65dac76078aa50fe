//! A tunnel over one driver: a server's cores and a client's core.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use sc_proto::contract::{ClientId, Connect, ConnectionNumber, Stop, TunnelId, TunnelSecret};
use sc_proto::tls::{TlsClient, TlsServer, Trust};
use sc_proto::{Command, Config, Core, Event, ListenerId, ListenerRole, WorkerId};

use crate::driver::{Driver, Order, Running};
use crate::tiny;

/// Longer than any event may take; the time limit of the scenario comes first.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long the client may dial: short, because one scenario waits for it.
pub(crate) const DIAL_TIMEOUT: Duration = Duration::from_millis(500);

pub(crate) const TUNNEL: TunnelId = TunnelId([7; 16]);
pub(crate) const SECRET: TunnelSecret = TunnelSecret::new([9; 32]);
const KGP: ListenerId = ListenerId(0);
const PROXY: ListenerId = ListenerId(1);

/// The cloud's end: a tunnel that is expected, and its proxy port.
pub(crate) struct Server {
    running: Running,
    pub(crate) kgp: SocketAddr,
    pub(crate) proxy: SocketAddr,
    pub(crate) pin: [u8; 32],
}

/// The office's end.
pub(crate) struct Client {
    running: Running,
}

fn config() -> Config {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let unix_time_at_zero = unix.expect("the clock is right").as_secs();
    Config { unix_time_at_zero, ..Config::default() }
}

fn certificate() -> TlsServer {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    TlsServer::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap()
}

impl Server {
    /// The tunnel lives on the last worker; clients are accepted by the first.
    pub(crate) fn start(driver: &Driver, workers: u16) -> Self {
        let tls = certificate();
        let core = |id| {
            let config = Config { tls_server: Some(tls.clone()), ..config() };
            Core::new(config, WorkerId(id), [id as u8 + 1; 32])
        };
        let running = (driver.start)((0..workers).map(core).collect());
        let home = WorkerId(workers - 1);
        for id in 0..workers {
            let command = Command::AddTunnel { tunnel: TUNNEL, secret: SECRET, home };
            (running.order)(WorkerId(id), Order::Command(command));
        }
        let listen = |worker, id, role| {
            let (listener, address) = tiny::listener();
            (running.order)(worker, Order::Listen(id, role, listener));
            address
        };
        let kgp = listen(WorkerId(0), KGP, ListenerRole::Kgp);
        let proxy = listen(home, PROXY, ListenerRole::Ingress(TUNNEL));
        Self { running, kgp, proxy, pin: tls.leaf_sha256() }
    }

    /// Tells its only worker something.
    pub(crate) fn command(&self, command: Command) {
        (self.running.order)(WorkerId(0), Order::Command(command));
    }

    /// The next event, and the worker that told it.
    pub(crate) fn next_event(&self) -> (WorkerId, Event) {
        self.running.events.recv_timeout(PATIENCE).expect("the server tells something")
    }

    /// Waits until a client serves the tunnel.
    pub(crate) fn wait_up(&self) {
        let (_, event) = self.next_event();
        assert!(matches!(event, Event::TunnelUp { .. }), "{event:?}");
    }
}

impl Client {
    /// Connects to a server, perhaps by a way round.
    pub(crate) fn start(
        driver: &Driver,
        server: SocketAddr,
        pin: [u8; 32],
        secret: TunnelSecret,
    ) -> Self {
        let config = Config { dial_timeout: DIAL_TIMEOUT, ..config() };
        let running = (driver.start)(vec![Core::new(config, WorkerId(0), [99; 32])]);
        let connect = Connect {
            tunnel: TUNNEL,
            secret,
            client: ClientId([1; 16]),
            connection: ConnectionNumber::ONLY,
            server: server.to_string().parse().expect("an address is a target"),
            server_name: "localhost".into(),
            tls: TlsClient::new(Trust::Pin(pin)).expect("a pin is enough"),
        };
        let client = Self { running };
        client.command(Command::Connect(Box::new(connect)));
        client
    }

    pub(crate) fn command(&self, command: Command) {
        (self.running.order)(WorkerId(0), Order::Command(command));
    }

    pub(crate) fn next_event(&self) -> Event {
        self.running.events.recv_timeout(PATIENCE).expect("the client tells something").1
    }

    /// Waits until it serves the tunnel.
    pub(crate) fn wait_up(&self) {
        let event = self.next_event();
        assert!(matches!(event, Event::TunnelUp { .. }), "{event:?}");
    }

    /// Takes no new streams, and ends when those that there are have.
    pub(crate) fn drain(&self) {
        self.command(Command::Stop(Stop::Drain));
    }
}

/// Both ends on one driver, up.
pub(crate) fn tunnel(driver: &Driver) -> (Server, Client) {
    let server = Server::start(driver, 1);
    let client = Client::start(driver, server.kgp, server.pin, SECRET);
    server.wait_up();
    client.wait_up();
    (server, client)
}
