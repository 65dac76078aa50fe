//! Metrics as someone scrapes them.

use std::time::Duration;

use sc_proto::Event;
use sc_proto::contract::{ConnectionNumber, SessionId, TransportLoss, TunnelId};

use super::TestServer;
use crate::monitor::{BasicAuth, ListenAddress, ask};
use crate::server::metrics::MetricsServer;

const PATIENCE: Duration = Duration::from_secs(20);

fn start(auth: Option<BasicAuth>) -> TestServer {
    let address = ListenAddress::parse("127.0.0.1:0").unwrap();
    TestServer::start_with(|settings| settings.metrics = Some(MetricsServer { address, auth }))
}

fn scrape(server: &TestServer) -> String {
    let address = server.running.metrics_address().unwrap();
    let said = ask(address, "/metrics", None, PATIENCE).unwrap();
    assert_eq!(said.code, 200);
    said.body
}

fn expect(text: &str, line: &str) {
    assert!(text.lines().any(|got| got == line), "{line} in {text}");
}

#[test]
fn a_tunnels_figures_come_and_go_with_it() {
    let server = start(None);
    let text = scrape(&server);
    expect(&text, "sc_server_tunnels{status=\"running\"} 0");
    expect(&text, "sc_server_sessions_total 0");
    assert!(!text.contains("tunnel_info"), "{text}");

    let tunnel = server.create(r#"{"tunnel_identifier": "a \"b\""}"#);
    let id = tunnel["id"].as_str().unwrap();
    let known: TunnelId = id.parse().unwrap();
    let (session, connection) = (SessionId([1; 16]), ConnectionNumber::ONLY);
    let peer = ([127, 0, 0, 1], 1).into();
    server.running.tell(Event::TunnelUp { tunnel: known, session, connection, peer });
    let cause = TransportLoss::Silent;
    server.running.tell(Event::TunnelInterrupted { tunnel: known, session, connection, cause });
    let text = scrape(&server);
    let info =
        format!("sc_server_tunnel_info{{id=\"{id}\",name=\"a \\\"b\\\"\",owner=\"jane\"}} 1");
    expect(&text, &info);
    expect(&text, &format!("sc_server_tunnel_link_state{{id=\"{id}\",state=\"interrupted\"}} 1"));
    expect(&text, &format!("sc_server_tunnel_link_state{{id=\"{id}\",state=\"connected\"}} 0"));
    server.running.tell(Event::TunnelResumed {
        tunnel: known,
        session,
        connection,
        replayed: 70,
        streams: 1,
        outage: Duration::from_secs(1),
    });
    let text = scrape(&server);
    for (name, value) in [
        ("sessions_total", 1),
        ("interruptions_total", 1),
        ("resumes_total", 1),
        ("replayed_bytes_total", 70),
    ] {
        expect(&text, &format!("sc_server_tunnel_{name}{{id=\"{id}\"}} {value}"));
    }
    expect(&text, "sc_server_tunnels{status=\"running\"} 1");
    server.call("DELETE", &format!("/tunnels/{id}?wait_for_jobs=0"), None);
    assert!(!scrape(&server).contains(id));
    server.stop();
}

#[test]
fn the_password_is_asked_for_and_the_server_says_that_it_works() {
    let auth = BasicAuth::parse("anna:pass").unwrap();
    let server = start(Some(auth.clone()));
    let address = server.running.metrics_address().unwrap().clone();
    let code = |path: &str, auth| ask(&address, path, auth, PATIENCE).unwrap().code;
    assert_eq!(code("/metrics", None), 401);
    assert_eq!(code("/metrics", Some(&auth)), 200);
    assert_eq!(code("/healthz", Some(&auth)), 200);
    assert_eq!(code("/", Some(&auth)), 404);
    server.stop();
    assert!(ask(&address, "/metrics", None, PATIENCE).is_err(), "it ends with the server");
}
