//! The life of tunnels: collisions, clients that come and go, ports.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::time::Duration;

use sc_proto::Event;
use sc_proto::contract::{ConnectionNumber, SessionId, TransportLoss, TunnelEnd, TunnelId};
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, Connection as _};

use super::super::ports::PortRange;
use super::{TestServer, until};

const PEER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 7), 40_000));

fn up(tunnel: &Value, session: u8) -> Event {
    Event::TunnelUp {
        tunnel: id(tunnel),
        session: SessionId([session; 16]),
        connection: ConnectionNumber::ONLY,
        peer: PEER,
    }
}

fn down(tunnel: &Value, session: u8) -> Event {
    Event::TunnelDown {
        tunnel: id(tunnel),
        session: SessionId([session; 16]),
        connection: ConnectionNumber::ONLY,
        end: TunnelEnd::PeerDrained,
    }
}

fn id(tunnel: &Value) -> TunnelId {
    tunnel["id"].as_str().unwrap().parse().unwrap()
}

#[test]
fn the_same_name_collides_and_others_do_not() {
    let server = TestServer::start();
    let named = |name: &str| server.create(&json!({"tunnel_identifier": name}).to_string());
    let (a1, b, unnamed1) = (named("a"), named("b"), server.create("{}"));
    let (a2, unnamed2) = (named("a"), named(""));
    let (_, live) = server.get("/tunnels");
    let live = live.as_array().unwrap();
    assert_eq!(live.len(), 3);
    for tunnel in [&a2, &b, &unnamed2] {
        assert!(live.contains(&tunnel["id"]));
    }
    for tunnel in [&a1, &unnamed1] {
        let record = server.record(&tunnel["id"]);
        assert_eq!(record["status"], "terminated");
        assert_eq!(record["shutdown_reason"], "collision");
        assert_eq!(record["user_shutdown"], false);
    }
    server.stop();
}

#[test]
fn members_of_a_pool_live_side_by_side_until_another_takes_their_name() {
    let server = TestServer::start();
    let member = || server.create(r#"{"tunnel_identifier": "a", "tunnel_pool": true}"#);
    let alone = server.create(r#"{"tunnel_identifier": "a"}"#);
    let (first, second) = (member(), member());
    let told = second["messages"]["info"].to_string();
    assert!(told.contains("one of 2"), "{told}");
    assert_eq!(server.record(&alone["id"])["shutdown_reason"], "collision");
    assert_eq!(server.record(&first["id"])["tunnel_pool"], true);
    assert_eq!(server.get("/tunnels").1.as_array().unwrap().len(), 2);
    let thinned = server.get("/tunnels?filter=one_per_pool").1;
    let thinned = thinned.as_array().unwrap();
    assert!(thinned.len() == 1 && [&first["id"], &second["id"]].contains(&&thinned[0]));
    // Whoever does not say that it is a pool has the name alone.
    let alone = server.create(r#"{"tunnel_identifier": "a"}"#);
    assert_eq!(server.get("/tunnels").1, json!([alone["id"]]));
    for member in [&first, &second] {
        assert_eq!(server.record(&member["id"])["shutdown_reason"], "collision");
    }
    server.stop();
}

#[test]
fn a_member_of_a_pool_that_was_given_up_comes_back() {
    let server = TestServer::start();
    let member = || server.create(r#"{"tunnel_identifier": "a", "tunnel_pool": true}"#);
    let (lost, well) = (member(), member());
    server.running.tell(up(&well, 1));
    server.running.after(Duration::from_secs(60));
    assert_eq!(server.record(&lost["id"])["shutdown_reason"], "serverTimeout");
    let back = member();
    assert_eq!(back["id"], lost["id"]);
    assert_eq!(back["proxy_address"], lost["proxy_address"]);
    let new = member();
    assert!(new["id"] != lost["id"] && new["id"] != well["id"]);
    server.stop();
}

#[test]
fn starts_of_one_name_at_once_leave_one() {
    let server = TestServer::start();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| server.create(r#"{"tunnel_identifier": "a"}"#));
        }
    });
    assert_eq!(server.get("/tunnels").1.as_array().unwrap().len(), 1);
    assert_eq!(server.get("/all_tunnels").1["tunnels"].as_array().unwrap().len(), 8);
    server.stop();
}

#[test]
fn a_tunnel_is_ready_while_it_has_its_client() {
    let server = TestServer::start();
    let tunnel = server.create("{}");
    let is_ready = || server.record(&tunnel["id"])["is_ready"].as_bool().unwrap();
    assert!(!is_ready());
    server.running.tell(up(&tunnel, 1));
    assert!(is_ready());
    assert!(server.record(&tunnel["id"])["last_connected"].is_u64());
    // The client comes again before the loss of its first session is seen.
    server.running.tell(up(&tunnel, 2));
    server.running.tell(down(&tunnel, 1));
    assert!(is_ready());
    server.running.after(Duration::from_secs(600));
    assert!(is_ready(), "a connected tunnel lasts");
    server.running.tell(down(&tunnel, 2));
    server.running.tell(down(&tunnel, 2));
    assert!(!is_ready());
    assert_eq!(server.record(&tunnel["id"])["status"], "running");
    // Events of tunnels that are not there are nothing.
    server.running.tell(up(&json!({"id": "00".repeat(16)}), 1));
    server.stop();
}

#[test]
fn a_tunnel_is_ready_while_one_of_its_connections_is() {
    let server = TestServer::start();
    let tunnel = server.create("{}");
    let id = id(&tunnel);
    let number = |index| ConnectionNumber::new(index, 3).unwrap();
    let session = |index| SessionId([index; 16]);
    let is_ready = || server.record(&tunnel["id"])["is_ready"].as_bool().unwrap();
    for index in 0..3 {
        let (session, connection) = (session(index), number(index));
        server.running.tell(Event::TunnelUp { tunnel: id, session, connection, peer: PEER });
        assert!(is_ready());
    }
    for index in 0..3 {
        assert!(is_ready());
        let (session, connection) = (session(index), number(index));
        let cause = TransportLoss::Silent;
        server.running.tell(Event::TunnelInterrupted { tunnel: id, session, connection, cause });
    }
    assert!(!is_ready());
    server.running.tell(Event::TunnelResumed {
        tunnel: id,
        session: session(1),
        connection: number(1),
        replayed: 1,
        streams: 2,
        outage: Duration::from_secs(3),
    });
    assert!(is_ready());
    let (tunnel, end) = (id, TunnelEnd::PeerDrained);
    let (session, connection) = (session(1), number(1));
    server.running.tell(Event::TunnelDown { tunnel, session, connection, end });
    assert!(!is_ready(), "the others still wait for their client");
    server.stop();
}

#[test]
fn an_interrupted_tunnel_is_not_ready_and_its_minute_counts_from_there() {
    let server = TestServer::start();
    let tunnel = server.create("{}");
    let (id, session) = (id(&tunnel), SessionId([1; 16]));
    let connection = ConnectionNumber::ONLY;
    let interrupted = || Event::TunnelInterrupted {
        tunnel: id,
        session,
        connection,
        cause: TransportLoss::Silent,
    };
    let resumed = || Event::TunnelResumed {
        tunnel: id,
        session,
        connection,
        replayed: 1,
        streams: 2,
        outage: Duration::from_secs(3),
    };
    let is_ready = || server.record(&tunnel["id"])["is_ready"].as_bool().unwrap();
    server.running.tell(up(&tunnel, 1));
    server.running.tell(interrupted());
    assert!(!is_ready());
    server.running.tell(resumed());
    assert!(is_ready());
    server.running.after(Duration::from_secs(600));
    assert!(is_ready());
    server.running.tell(interrupted());
    server.running.after(Duration::from_secs(58));
    assert_eq!(server.record(&tunnel["id"])["status"], "running");
    server.running.after(Duration::from_secs(60));
    assert_eq!(server.record(&tunnel["id"])["shutdown_reason"], "serverTimeout");
    // Its client comes back for it: the same id and port, another secret.
    let again = server.create("{}");
    assert_eq!(again["id"], tunnel["id"]);
    assert_eq!(again["proxy_address"], tunnel["proxy_address"]);
    assert_ne!(again["kgp"]["secret"], tunnel["kgp"]["secret"]);
    assert_eq!(server.record(&tunnel["id"])["status"], "running");
    // What its owner ended does not come back.
    let path = format!("/tunnels/{}", tunnel["id"].as_str().unwrap());
    assert_eq!(server.call("DELETE", &path, None).0, 200);
    assert_ne!(server.create("{}")["id"], tunnel["id"]);
    server.stop();
}

#[test]
fn without_its_client_a_tunnel_ends_after_a_minute() {
    let server = TestServer::start();
    let never = server.create(r#"{"tunnel_identifier": "never"}"#);
    let lost = server.create(r#"{"tunnel_identifier": "lost"}"#);
    server.running.tell(up(&lost, 1));
    server.running.tell(down(&lost, 1));
    let heartbeat = json!({"kgp_is_connected": true, "kgp_seconds_since_last_status_change": 1});
    let path = format!("/tunnels/{}/connected", never["id"].as_str().unwrap());
    assert_eq!(server.call("POST", &path, Some(&heartbeat.to_string())).0, 200);
    server.running.after(Duration::from_secs(58));
    for tunnel in [&never, &lost] {
        assert_eq!(server.record(&tunnel["id"])["status"], "running");
    }
    server.running.after(Duration::from_secs(60));
    for tunnel in [&never, &lost] {
        let record = server.record(&tunnel["id"]);
        assert_eq!(record["status"], "terminated");
        assert_eq!(record["shutdown_reason"], "serverTimeout");
        assert_eq!(record["user_shutdown"], false);
        assert_eq!(record["is_ready"], false);
    }
    server.stop();
}

#[test]
fn the_proxy_port_listens_and_is_released() {
    let server = TestServer::start();
    let tunnel = server.create("{}");
    let address: SocketAddr = tunnel["proxy_address"].as_str().unwrap().parse().unwrap();
    TcpStream::connect(address).unwrap();
    let path = format!("/tunnels/{}", tunnel["id"].as_str().unwrap());
    assert_eq!(server.call("DELETE", &path, None).0, 200);
    // Its worker closes it in its own time.
    until(|| TcpStream::connect(address).is_err());
    server.stop();
}

#[test]
fn a_full_range_is_said_and_a_freed_port_used_again() {
    // One port that is free at this moment.
    let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = probe.local_addr().unwrap().port();
    drop(probe);
    let server = TestServer::start_with(|settings| {
        settings.proxy_ports = PortRange::Between(port, port);
    });
    let first = server.create(r#"{"tunnel_identifier": "a"}"#);
    let full = server.call("POST", "/tunnels", Some(r#"{"tunnel_identifier": "b"}"#));
    let error = full.1["error"].as_str().unwrap();
    assert_eq!(full.0, 503, "{error}");
    assert!(error.contains(&port.to_string()) && error.contains("--proxy-ports"), "{error}");
    assert_eq!(server.get("/tunnels").1, json!([first["id"]]));
    // A collision frees the port that the new tunnel needs.
    let second = server.create(r#"{"tunnel_identifier": "a"}"#);
    assert_eq!(second["proxy_address"], first["proxy_address"]);
    server.stop();
}

/// Whoever lost its tunnel asks at once why.
#[test]
fn the_reason_of_an_end_is_told_before_it_is_on_disk() {
    let server = TestServer::start();
    let tunnel = server.create("{}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let file = server.data_dir().join("registry.sqlite");
    let mut writer = runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
        let mut writer = options.connect().await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut writer).await.unwrap();
        writer
    });
    let path = format!("/tunnels/{}?reason=webui", tunnel["id"].as_str().unwrap());
    std::thread::scope(|scope| {
        let deleting = scope.spawn(|| server.call("DELETE", &path, None).0);
        until(|| server.record(&tunnel["id"])["status"] == "terminated");
        let record = server.record(&tunnel["id"]);
        assert_eq!(record["shutdown_reason"], "webui");
        assert_eq!(record["user_shutdown"], true);
        assert!(!deleting.is_finished());
        runtime.block_on(async {
            sqlx::query("ROLLBACK").execute(&mut writer).await.unwrap();
            writer.close().await.unwrap();
        });
        assert_eq!(deleting.join().unwrap(), 200);
    });
    assert_eq!(server.record(&tunnel["id"])["shutdown_reason"], "webui");
    server.stop();
}
