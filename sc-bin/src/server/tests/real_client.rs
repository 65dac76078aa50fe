//! Clients that really connect: the core and the runtime of a client in this process.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use sc_proto::contract::{ClientId, Connect, ConnectFailure, ConnectionNumber, Target};
use sc_proto::tls::{TlsClient, Trust};
use sc_proto::{Command, Config, Core, Event, WorkerId};
use serde_json::{Value, json};

use super::{TestServer, until};
use crate::api::CreateAnswer;
use crate::runtime::{Runtime, RuntimeKind};

/// A client's data plane that connects as an answer to a create request says.
pub(super) struct Client {
    runtime: Runtime,
    events: Receiver<(WorkerId, Event)>,
}

impl Client {
    pub(super) fn connect(made: &Value) -> Self {
        let answer: CreateAnswer = serde_json::from_value(made.clone()).unwrap();
        let unix_time_at_zero = answer.tunnel.creation_time;
        let config = Config { unix_time_at_zero, ..Config::default() };
        let (sender, events) = mpsc::sync_channel(16);
        let core = Core::new(config, WorkerId(0), [7; 32]);
        let runtime = Runtime::start(RuntimeKind::default(), vec![core], None, sender).unwrap();
        let pin = answer.kgp.certificate_sha256.unwrap().0;
        let address = format!("{}:{}", answer.tunnel.host, answer.tunnel.ssh_port);
        let connect = Connect {
            client: ClientId([1; 16]),
            connection: ConnectionNumber::ONLY,
            tunnel: answer.tunnel.id,
            secret: answer.kgp.secret,
            server: address.parse::<Target>().unwrap(),
            server_name: answer.tunnel.host,
            tls: TlsClient::new(Trust::Pin(pin)).unwrap(),
        };
        let connect = Command::Connect(Box::new(connect));
        runtime.handle().command(WorkerId(0), connect).unwrap();
        Self { runtime, events }
    }

    fn next(&self) -> Event {
        self.events.recv_timeout(Duration::from_secs(20)).unwrap().1
    }
}

/// A browser's connection to a proxy address that has had an answer, and waits for its next request.
pub(super) struct Keeping(TcpStream);

impl Keeping {
    pub(super) fn open(of: &Value) -> Self {
        let site = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut user = TcpStream::connect(of["proxy_address"].as_str().unwrap()).unwrap();
        let address = site.local_addr().unwrap();
        write!(user, "GET http://{address}/ HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
        let mut site = site.accept().unwrap().0;
        let mut asked = [0; 4096];
        assert!(site.read(&mut asked).unwrap() > 0);
        site.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nend").unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"end") {
            let mut some = [0; 512];
            let count = user.read(&mut some).unwrap();
            assert!(count > 0, "closed after {answer:?}");
            answer.extend_from_slice(&some[..count]);
        }
        Self(user)
    }

    /// Whether the proxy has closed it.
    pub(super) fn is_closed(&mut self) -> bool {
        self.0.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        matches!(self.0.read(&mut [0]), Ok(0))
    }
}

/// A connection through the tunnel, which runs until it is dropped.
pub(super) struct Stream {
    _user: TcpStream,
    _site: TcpStream,
}

impl Stream {
    pub(super) fn open(tunnel: &Value) -> Self {
        let site = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut user = TcpStream::connect(tunnel["proxy_address"].as_str().unwrap()).unwrap();
        let address = site.local_addr().unwrap();
        write!(user, "CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
        let mut status = [0; 12];
        user.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
        Self { _user: user, _site: site.accept().unwrap().0 }
    }
}

#[test]
fn a_real_client_connects_on_whatever_worker_and_is_ended_by_delete() {
    let server = TestServer::start_with(|settings| {
        settings.workers = 3.try_into().unwrap();
    });
    // More tunnels than workers, so that some live with the listener and some do not.
    let names = ["a", "b", "c", "d"];
    let tunnels = names.map(|name| server.create(&json!({"tunnel_identifier": name}).to_string()));
    for tunnel in &tunnels {
        let client = Client::connect(tunnel);
        let event = client.next();
        assert!(matches!(event, Event::TunnelUp { .. }), "{event:?}");
        until(|| server.record(&tunnel["id"])["is_ready"] == true);
        let path = format!("/tunnels/{}?wait_for_jobs=0", tunnel["id"].as_str().unwrap());
        assert_eq!(server.call("DELETE", &path, None).0, 200);
        let event = client.next();
        assert!(matches!(event, Event::TunnelDown { .. }), "{event:?}");
        drop(client.runtime);
    }
    server.stop();
}

#[test]
fn a_delete_that_waits_lets_the_client_finish() {
    let server = TestServer::start();
    let tunnel = server.create("{}");
    let client = Client::connect(&tunnel);
    assert!(matches!(client.next(), Event::TunnelUp { .. }));
    until(|| server.record(&tunnel["id"])["is_ready"] == true);
    let stream = Stream::open(&tunnel);
    let path = format!("/tunnels/{}", tunnel["id"].as_str().unwrap());
    let delete = |query: &str| server.call("DELETE", &format!("{path}{query}"), None).0;
    assert_eq!(delete("?wait_for_jobs=1&reason=first"), 200);
    assert_eq!(delete("?reason=second"), 200);
    let record = server.record(&tunnel["id"]);
    assert_eq!(record["status"], "halting");
    assert_eq!(record["is_ready"], false, "no job may use it any more");
    assert_eq!(record["shutdown_reason"], "first");
    let proxy: SocketAddr = tunnel["proxy_address"].as_str().unwrap().parse().unwrap();
    until(|| TcpStream::connect(proxy).is_err());

    drop(stream);
    until(|| server.record(&tunnel["id"])["status"] == "terminated");
    let record = server.record(&tunnel["id"]);
    assert_eq!(record["shutdown_reason"], "first");
    assert_eq!(record["user_shutdown"], true);
    drop(client.runtime);
    server.stop();
}

#[test]
fn a_halting_tunnel_ends_in_the_end() {
    let server = TestServer::start();
    let tunnel = server.create("{}");
    let client = Client::connect(&tunnel);
    until(|| server.record(&tunnel["id"])["is_ready"] == true);
    let _stream = Stream::open(&tunnel);
    let path = format!("/tunnels/{}", tunnel["id"].as_str().unwrap());
    assert_eq!(server.call("DELETE", &path, None).0, 200);
    server.running.after(Duration::from_secs(58));
    assert_eq!(server.record(&tunnel["id"])["status"], "halting");
    server.running.after(Duration::from_secs(60));
    let record = server.record(&tunnel["id"]);
    assert_eq!(
        (&record["status"], &record["shutdown_reason"]),
        (&json!("terminated"), &json!("request"))
    );
    drop(client.runtime);
    server.stop();
}

#[test]
fn a_newer_tunnel_of_the_name_lets_the_older_one_finish() {
    let server = TestServer::start();
    let old = server.create("{}");
    let client = Client::connect(&old);
    until(|| server.record(&old["id"])["is_ready"] == true);
    let stream = Stream::open(&old);
    let new = server.create("{}");
    assert_ne!(new["id"], old["id"]);
    let record = server.record(&old["id"]);
    assert_eq!(record["status"], "halting");
    assert_eq!(record["shutdown_reason"], "collision");
    let newer = Client::connect(&new);
    until(|| server.record(&new["id"])["is_ready"] == true);
    drop(stream);
    until(|| server.record(&old["id"])["status"] == "terminated");
    assert_eq!(server.record(&new["id"])["status"], "running");
    drop(client.runtime);
    drop(newer.runtime);
    server.stop();
}

#[test]
fn a_client_that_leaves_is_missed() {
    let server = TestServer::start();
    let tunnel = server.create("{}");
    let client = Client::connect(&tunnel);
    until(|| server.record(&tunnel["id"])["is_ready"] == true);
    drop(client.runtime);
    until(|| server.record(&tunnel["id"])["is_ready"] == false);
    assert_eq!(server.record(&tunnel["id"])["status"], "running");
    server.stop();
}

#[test]
fn a_stop_drains_a_connected_client() {
    let server = TestServer::start_with(|settings| {
        settings.drain_limit = Duration::from_secs(3600);
    });
    let tunnel = server.create("{}");
    let client = Client::connect(&tunnel);
    until(|| server.record(&tunnel["id"])["is_ready"] == true);
    let begun = Instant::now();
    server.stop();
    assert!(begun.elapsed() < Duration::from_secs(60), "nothing ran that had to finish");
    assert!(matches!(client.next(), Event::TunnelUp { .. }));
    let event = client.next();
    assert!(matches!(event, Event::TunnelDown { .. }), "{event:?}");
    drop(client.runtime);
}

#[test]
fn a_wrong_secret_or_pin_does_not_connect() {
    let server = TestServer::start();
    let made = server.create("{}");
    for field in ["secret", "certificate_sha256"] {
        let mut wrong = made.clone();
        wrong["kgp"][field] = json!("ab".repeat(32));
        let client = Client::connect(&wrong);
        let event = client.next();
        let failed =
            matches!(event, Event::ConnectFailed { failure: ConnectFailure::Transport(_), .. });
        assert!(failed, "{field}: {event:?}");
        drop(client.runtime);
    }
    assert_eq!(server.record(&made["id"])["is_ready"], false);
    server.stop();
}
