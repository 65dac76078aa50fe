//! Callers that do not behave.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use super::{TestServer, basic};

/// Sends bytes and reads until the server closes.
fn raw(server: &TestServer, request: &str) -> String {
    let mut stream = TcpStream::connect(server.running.rest_address()).unwrap();
    // The server may have answered and closed before it took all.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn broken_and_oversized_requests_are_refused() {
    let server = TestServer::start();
    let field = format!("X-Long: {}\r\n", "a".repeat(64 * 1024));
    let many = "X: y\r\n".repeat(200);
    for (request, status) in [
        ("nonsense\r\n\r\n".to_owned(), "400"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n"), "431"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"), "431"),
    ] {
        let answer = raw(&server, &request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer:?}");
    }
    // Said to be too large before it is sent.
    let authorization = basic(super::USER, &server.key);
    let announced = format!(
        "POST /rest/v1/jane/tunnels HTTP/1.1\r\nHost: a\r\nAuthorization: {authorization}\r\n\
         Connection: close\r\nContent-Length: 100000000\r\n\r\n"
    );
    let answer = raw(&server, &announced);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer:?}");
    server.stop();
}

#[test]
fn a_refusal_says_how_to_log_in() {
    let server = TestServer::start();
    let request = "GET /rest/v1/jane/tunnels HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = raw(&server, request).to_ascii_lowercase();
    assert!(answer.contains("www-authenticate: basic realm="), "{answer}");
    assert!(answer.contains("content-type: application/json"), "{answer}");
    server.stop();
}

#[test]
fn a_caller_who_hangs_up_disturbs_nobody() {
    let server = TestServer::start();
    let authorization = basic(super::USER, &server.key);
    for _ in 0..20 {
        let mut stream = TcpStream::connect(server.running.rest_address()).unwrap();
        let request = format!(
            "POST /rest/v1/jane/tunnels HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\
             Authorization: {authorization}\r\n\r\n{{}}"
        );
        stream.write_all(request.as_bytes()).unwrap();
    }
    // All are of one name: however many were made, at most one is left, and all is well.
    server.create("{}");
    let (_, live) = server.get("/tunnels");
    assert!(!live.as_array().unwrap().is_empty());
    server.stop();
}

/// Sends a head, waits until the server took it, and then sends the body byte by byte.
fn with_late_body(server: &TestServer, head: &str, body: &[u8]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(server.running.rest_address())?;
    stream.write_all(head.as_bytes())?;
    // Another call in between: by its answer the server has gone on.
    server.get("/tunnels");
    for byte in body {
        stream.write_all(&[*byte])?;
        stream.flush()?;
        server.get("/tunnels");
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn a_refusal_is_seen_by_a_caller_whose_body_comes_late() {
    let server = TestServer::start();
    for (path, status) in
        [("/jane/tunnels", "401"), ("/nothing", "404"), ("/jane/tunnels/a", "405")]
    {
        let head = format!(
            "POST /rest/v1{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
             Content-Length: 3\r\n\r\n"
        );
        let answer = with_late_body(&server, &head, b"{ }").unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer:?}");
    }
    server.stop();
}

#[test]
fn a_body_that_waits_to_be_asked_for_is_not_waited_for() {
    let server = TestServer::start();
    let head = "POST /rest/v1/jane/tunnels HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\
                Connection: close\r\nContent-Length: 3\r\n\r\n";
    let answer = with_late_body(&server, head, b"").unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer:?}");
    server.stop();
}

/// Connects from one of this machine's own addresses.
fn connect_from(source: [u8; 4], server: &TestServer) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect(&server.running.rest_address().into()).unwrap();
    socket.into()
}

// Elsewhere only 127.0.0.1 is there without being set up.
#[cfg(target_os = "linux")]
#[test]
fn a_flood_from_one_address_leaves_places_for_others() {
    let server = TestServer::start();
    let flood: Vec<_> = (0..300).map(|_| connect_from([127, 0, 0, 9], &server)).collect();
    let mut other = connect_from([127, 0, 0, 8], &server);
    other.write_all(b"GET /rest/v1/jane/tunnels HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut answer = String::new();
    other.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer:?}");
    assert!(answer.contains("connection: close"), "nobody keeps a place now: {answer:?}");
    let mut last = flood.last().unwrap();
    let closed = matches!(last.read(&mut [0]), Ok(0) | Err(_));
    assert!(closed, "one too many of its address");
    server.stop();
}
