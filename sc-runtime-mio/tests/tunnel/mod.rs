//! A whole tunnel in one process: server and client on a runtime each, and a site that echoes.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
#![allow(dead_code, reason = "not every test uses all of it")]

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, SystemTime};

use sc_proto::contract::{ClientId, Connect, ConnectionNumber, TunnelId, TunnelSecret};
use sc_proto::tls::{TlsClient, TlsServer, Trust};
use sc_proto::{Command, Config, Core, Event, ListenerId, ListenerRole, WorkerId};
use sc_runtime_mio::{Options, Runtime};
use socket2::SockRef;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const TUNNEL: TunnelId = TunnelId([7; 16]);
pub(crate) const SECRET: TunnelSecret = TunnelSecret::new([9; 32]);
const KGP: ListenerId = ListenerId(0);
const PROXY: ListenerId = ListenerId(1);

pub(crate) type Events = Receiver<(WorkerId, Event)>;

/// The cloud's end: a tunnel that is announced, and its proxy port.
pub(crate) struct Server {
    pub(crate) runtime: Runtime,
    pub(crate) events: Events,
    pub(crate) kgp: SocketAddr,
    pub(crate) proxy: SocketAddr,
    pub(crate) pin: [u8; 32],
}

fn config() -> Config {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Config { unix_time_at_zero: unix.unwrap().as_secs(), ..Config::default() }
}

fn certificate() -> TlsServer {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    TlsServer::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap()
}

impl Server {
    /// The tunnel lives on worker `home`; clients are accepted by worker 0.
    pub(crate) fn start(workers: u16, home: u16, options: Options) -> Self {
        let tls = certificate();
        let core = |id| {
            let config = Config { tls_server: Some(tls.clone()), ..config() };
            Core::new(config, WorkerId(id), [id as u8 + 1; 32])
        };
        let (sender, events) = mpsc::sync_channel(1);
        let runtime = Runtime::start((0..workers).map(core).collect(), options, sender).unwrap();
        let handle = runtime.handle();
        for id in 0..workers {
            let command =
                Command::AddTunnel { tunnel: TUNNEL, secret: SECRET, home: WorkerId(home) };
            handle.command(WorkerId(id), command).unwrap();
        }
        let listen = |worker, id, role| {
            let socket = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = socket.local_addr().unwrap();
            handle.listen(WorkerId(worker), id, role, socket).unwrap();
            address
        };
        Self {
            kgp: listen(0, KGP, ListenerRole::Kgp),
            proxy: listen(home, PROXY, ListenerRole::Ingress(TUNNEL)),
            runtime,
            events,
            pin: tls.leaf_sha256(),
        }
    }

    /// Waits until a client serves the tunnel.
    pub(crate) fn wait_up(&self, home: u16) {
        let (worker, event) = self.events.recv_timeout(PATIENCE).unwrap();
        assert_eq!(worker, WorkerId(home));
        assert!(matches!(event, Event::TunnelUp { .. }), "{event:?}");
    }
}

/// The office's end.
pub(crate) struct Client {
    pub(crate) runtime: Runtime,
    pub(crate) events: Events,
}

impl Client {
    pub(crate) fn start(server: &Server, secret: TunnelSecret, options: Options) -> Self {
        let core = Core::new(config(), WorkerId(0), [99; 32]);
        let (sender, events) = mpsc::sync_channel(1);
        let runtime = Runtime::start(vec![core], options, sender).unwrap();
        let connect = Connect {
            tunnel: TUNNEL,
            secret,
            client: ClientId([1; 16]),
            connection: ConnectionNumber::ONLY,
            server: server.kgp.to_string().parse().unwrap(),
            server_name: "localhost".into(),
            tls: TlsClient::new(Trust::Pin(server.pin)).unwrap(),
        };
        runtime.handle().command(WorkerId(0), Command::Connect(Box::new(connect))).unwrap();
        Self { runtime, events }
    }

    pub(crate) fn next_event(&self) -> Event {
        self.events.recv_timeout(PATIENCE).unwrap().1
    }
}

/// Both ends, up.
pub(crate) fn tunnel(workers: u16, home: u16) -> (Server, Client) {
    let server = Server::start(workers, home, Options::default());
    let client = Client::start(&server, SECRET, Options::default());
    server.wait_up(home);
    let event = client.next_event();
    assert!(matches!(event, Event::TunnelUp { .. }), "{event:?}");
    (server, client)
}

/// Serves each connection on a thread of its own.
pub(crate) fn site(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // Room for all who come at once.
    SockRef::from(&listener).listen(4096).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    address
}

/// A site that sends back what it gets, and its end after the other's.
pub(crate) fn echo() -> SocketAddr {
    site(|stream| {
        let _ = io::copy(&mut &stream, &mut &stream);
        let _ = stream.shutdown(Shutdown::Write);
    })
}

/// Asks a proxy for a connection. Gives the status and the stream behind the answer's head.
pub(crate) fn connect(proxy: SocketAddr, target: &str) -> (u16, TcpStream) {
    let mut stream = TcpStream::connect(proxy).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n").unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, stream)
}

/// Bytes that differ at each place, so that a lost or doubled piece shows.
pub(crate) fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Sends `bytes` and the end, receives until the end, both at once.
pub(crate) fn exchange(stream: &TcpStream, bytes: &[u8]) -> Vec<u8> {
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = stream;
            writer.write_all(bytes).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        });
        let mut back = Vec::with_capacity(bytes.len());
        let mut reader = stream;
        reader.read_to_end(&mut back).unwrap();
        back
    })
}
