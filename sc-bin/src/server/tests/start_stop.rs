//! Starting and stopping.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use sc_proto::Event;
use sc_proto::contract::{ConnectionNumber, SessionId};
use serde_json::json;

use super::super::certificate::CertificateFiles;
use super::super::settings::RestSecurity;
use super::super::{Settings, StartError, start};
use super::{TestServer, USER, basic, request};

#[test]
fn plain_http_beyond_loopback_needs_a_word() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = Settings::local(dir.path().to_owned());
    settings.rest_address = "0.0.0.0:0".parse().unwrap();
    let refused = start(settings.clone());
    let text = refused.as_ref().unwrap_err().to_string();
    assert!(matches!(refused, Err(StartError::PlainRest(_))), "{text}");
    assert!(text.contains("--insecure-rest") && text.contains("--rest-tls-cert"), "{text}");
    settings.rest_security = RestSecurity::PlainAnywhere;
    let running = start(settings).unwrap();
    assert!(running.rest_url().starts_with("http://127.0.0.1:"), "one can dial it");
    running.stop();
}

#[test]
fn what_is_taken_is_said() {
    let server = TestServer::start();
    let same_dir = start(Settings::local(server.data_dir()));
    assert!(matches!(same_dir, Err(StartError::DataDir(_))), "{same_dir:?}");
    let dir = tempfile::tempdir().unwrap();
    let mut settings = Settings::local(dir.path().to_owned());
    settings.rest_address = server.running.rest_address();
    let text = start(settings).unwrap_err().to_string();
    assert!(text.contains(&server.running.rest_address().to_string()), "{text}");
    assert!(text.contains("--rest-address"), "{text}");
    server.stop();
}

#[test]
fn a_proxy_host_of_another_machine_is_said_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = Settings::local(dir.path().to_owned());
    // TEST-NET-1: nobody's.
    settings.proxy_ip = "192.0.2.1".parse().unwrap();
    let text = start(settings).unwrap_err().to_string();
    assert!(text.contains("192.0.2.1") && text.contains("--proxy-host"), "{text}");
}

#[test]
fn a_restart_ends_what_was_left_over() {
    let server = TestServer::start();
    let made = server.create("{}");
    let (key, data) = (server.key.clone(), server.data_dir());
    // As a crash would leave it: a copy of the files while the tunnel runs.
    let crashed = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(&data).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), crashed.path().join(entry.file_name())).unwrap();
    }
    let dir = server.stop();

    let path = format!("/{USER}/tunnels/{}", made["id"].as_str().unwrap());
    for (data, reason) in
        [(dir.path().join("data"), "serverShutdown"), (crashed.path().to_owned(), "serverRestart")]
    {
        let running = start(Settings::local(data)).unwrap();
        let basic = basic(USER, &key);
        let (status, record) = request(&running, "GET", &path, Some(&basic), None);
        assert_eq!(status, 200);
        assert_eq!(record["status"], "terminated");
        assert_eq!(record["shutdown_reason"], reason);
        let list = format!("/{USER}/tunnels");
        assert_eq!(request(&running, "GET", &list, Some(&basic), None).1, json!([]));
        // Another name does not get what is kept for this one.
        let other = r#"{"tunnel_identifier": "other"}"#;
        let other = request(&running, "POST", &list, Some(&basic), Some(other)).1;
        let again = request(&running, "POST", &list, Some(&basic), Some("{}")).1;
        for field in ["id", "proxy_address", "creation_time"] {
            assert_eq!(again[field], made[field], "{field} after {reason}");
        }
        assert_ne!(other["id"], made["id"]);
        assert_ne!(again["kgp"]["secret"], made["kgp"]["secret"]);
        running.stop();
    }
}

#[test]
fn the_pin_stays_over_a_restart() {
    let server = TestServer::start();
    let first = server.create("{}")["kgp"]["certificate_sha256"].clone();
    let key = server.key.clone();
    let dir = server.stop();
    let running = start(Settings::local(dir.path().join("data"))).unwrap();
    let path = format!("/{USER}/tunnels");
    let (_, made) = request(&running, "POST", &path, Some(&basic(USER, &key)), Some("{}"));
    assert_eq!(made["kgp"]["certificate_sha256"], first);
    running.stop();
}

/// Files of a certificate that a server made for itself.
fn some_certificate(dir: &std::path::Path) -> CertificateFiles {
    start(Settings::local(dir.to_owned())).unwrap().stop();
    CertificateFiles { certificate: dir.join("tunnel.pem"), key: dir.join("tunnel-key.pem") }
}

#[test]
fn with_a_given_certificate_there_is_no_pin() {
    let other = tempfile::tempdir().unwrap();
    let files = some_certificate(other.path());
    let server = TestServer::start_with(|settings| {
        settings.tunnel_certificate = Some(files);
    });
    assert!(server.create("{}")["kgp"]["certificate_sha256"].is_null());
    server.stop();
}

/// What the server answers over TLS, whose CA is in `dir`.
fn over_tls(server: &TestServer, dir: &std::path::Path, request: &str) -> String {
    let mut roots = rustls::RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(dir.join("ca.pem")).unwrap();
    roots.add(ca).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let session = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let port = server.running.rest_address().port();
    let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut stream = rustls::StreamOwned::new(session, socket);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    // The server may close without a goodbye of TLS once the answer is out.
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn rest_speaks_https_with_a_given_certificate() {
    let other = tempfile::tempdir().unwrap();
    let files = some_certificate(other.path());
    let missing =
        CertificateFiles { certificate: other.path().join("none.pem"), key: files.key.clone() };
    let mut settings = Settings::local(other.path().join("b"));
    settings.rest_security = RestSecurity::Tls(missing);
    assert!(start(settings).unwrap_err().to_string().contains("none.pem"));

    let server = TestServer::start_with(|settings| {
        settings.rest_security = RestSecurity::Tls(files);
        settings.rest_address = "0.0.0.0:0".parse().unwrap();
    });
    assert!(server.running.rest_url().starts_with("https://"));
    let authorization = basic(USER, &server.key);
    let ask = |request: &str| over_tls(&server, other.path(), request);
    let answer = ask(&format!(
        "GET /rest/v1/{USER}/tunnels HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Authorization: {authorization}\r\n\r\n"
    ));
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("[]"), "{answer}");
    // Whoever signs in to the page gets a cookie that never leaves TLS.
    let form = format!("user={USER}&key={}", server.key);
    let answer = ask(&format!(
        "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    ));
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.starts_with("__Host-sc-session="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure"), "{cookie}");
    let (pair, _) = cookie.split_once(';').unwrap();
    let list = |cookie: &str| {
        ask(&format!(
            "GET /tunnels HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n"
        ))
    };
    assert!(list(pair).starts_with("HTTP/1.1 200 "));
    assert!(list(&pair.replace("__Host-", "")).starts_with("HTTP/1.1 303 "), "not by another name");
    server.stop();
}

#[test]
fn a_drain_ends_at_its_limit_or_when_told() {
    let peer: SocketAddr = "192.0.2.7:40000".parse().unwrap();
    let connected = |limit| {
        let server = TestServer::start_with(|settings| settings.drain_limit = limit);
        let id = server.create("{}")["id"].as_str().unwrap().parse().unwrap();
        let (session, connection) = (SessionId([1; 16]), ConnectionNumber::ONLY);
        server.running.tell(Event::TunnelUp { tunnel: id, session, connection, peer });
        server
    };
    connected(Duration::from_millis(50)).stop();
    let server = connected(Duration::from_secs(3600));
    server.running.stopper().now();
    let begun = Instant::now();
    server.stop();
    assert!(begun.elapsed() < Duration::from_secs(60));
}
