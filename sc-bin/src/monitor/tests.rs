//! Monitors on loopback, spoken to byte by byte.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use super::request::Request;
use super::socket::Socket;
use super::{Answer, BasicAuth, ListenAddress, Listener, Monitor, Options, Status};

const PATIENCE: Duration = Duration::from_secs(20);

fn start_at(address: &str, options: Options) -> Monitor {
    let listener = Listener::bind(&ListenAddress::parse(address).unwrap()).unwrap();
    let handler = Arc::new(|request: &Request| match request.path.as_str() {
        "/there" => Answer::bare(Status::Ok, "OK"),
        path => Answer::text(Status::NotFound, format!("no {path}")),
    });
    Monitor::start(listener, options, handler).unwrap()
}

fn start() -> Monitor {
    start_at("127.0.0.1:0", Options::default())
}

fn connect(monitor: &Monitor) -> Socket {
    let socket = Socket::connect(monitor.address(), PATIENCE).unwrap();
    socket.set_read_timeout(PATIENCE).unwrap();
    socket
}

/// Sends `text`, and reads until the other side ends.
fn talk(monitor: &Monitor, text: &str) -> String {
    let mut socket = connect(monitor);
    socket.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

/// Reads one answer with a body of two bytes.
fn one_answer(socket: &mut Socket) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\nOK") {
        let mut byte = [0];
        assert_eq!(socket.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&bytes));
        bytes.extend(byte);
    }
    String::from_utf8(bytes).unwrap()
}

const GET: &str = "GET /there HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST: &str = "GET /there HTTP/1.1\r\nConnection: close\r\n\r\n";

#[test]
fn requests_of_one_connection_are_answered_in_order() {
    let monitor = start();
    let answers = talk(&monitor, &format!("{GET}GET /gone?a=b HTTP/1.1\r\n\r\n{LAST}"));
    let lines: Vec<_> = answers.lines().filter(|line| line.contains("HTTP/1.1")).collect();
    assert_eq!(lines.len(), 3, "{answers}");
    assert!(lines[0].ends_with("HTTP/1.1 200 OK"));
    assert!(lines[1].ends_with("HTTP/1.1 404 Not Found"), "{answers}");
    assert!(answers.contains("no /gone\n") && answers.ends_with("\r\n\r\nOK"), "{answers}");
}

#[test]
fn what_is_no_request_for_us_is_refused_and_the_connection_ends() {
    let monitor = start();
    let long = format!("GET /there HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(9000));
    for (text, status) in [
        ("POST /there HTTP/1.1\r\nContent-Length: 2\r\n\r\nab", "413"),
        ("PUT /there HTTP/1.1\r\n\r\n", "405"),
        ("\u{16}\u{3}\u{1} hello\r\n\r\n", "400"),
        (&long, "431"),
    ] {
        let answer = talk(&monitor, text);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{text:?}: {answer}");
        assert!(answer.contains("Connection: close"), "{answer}");
    }
    let head = talk(&monitor, "HEAD /there HTTP/1.0\r\n\r\n");
    assert!(head.contains("Content-Length: 2\r\n") && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn an_idle_connection_makes_room_for_a_newcomer() {
    let monitor = start();
    let mut idle: Vec<Socket> = (0..16).map(|_| connect(&monitor)).collect();
    for socket in &mut idle {
        socket.write_all(GET.as_bytes()).unwrap();
        one_answer(socket);
    }
    assert!(talk(&monitor, LAST).starts_with("HTTP/1.1 200 "));
    // Who has been idle for longest had to go, and nobody else.
    assert_eq!(idle[0].read(&mut [0]).unwrap(), 0);
    idle[15].write_all(GET.as_bytes()).unwrap();
    one_answer(&mut idle[15]);
}

#[test]
fn idleness_has_an_end() {
    let options = Options { idle: Duration::from_millis(50), ..Options::default() };
    let monitor = start_at("127.0.0.1:0", options);
    let mut socket = connect(&monitor);
    socket.write_all(GET.as_bytes()).unwrap();
    one_answer(&mut socket);
    assert_eq!(socket.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_password_is_asked_for() {
    let auth = BasicAuth::parse("anna:pass").unwrap();
    let login = auth.authorization();
    let monitor = start_at("127.0.0.1:0", Options { auth: Some(auth), ..Options::default() });
    let answer = talk(&monitor, LAST);
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.contains("WWW-Authenticate: Basic "), "{answer}");
    let head = format!("Connection: close\r\nAuthorization: {login}");
    let answer = talk(&monitor, &LAST.replace("Connection: close", &head));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn its_end_frees_the_port_and_ends_connections() {
    let monitor = start();
    let address = monitor.address().clone();
    let mut socket = connect(&monitor);
    socket.write_all(GET.as_bytes()).unwrap();
    one_answer(&mut socket);
    drop(monitor);
    assert_eq!(socket.read(&mut [0]).unwrap_or(0), 0);
    assert!(TcpStream::connect(address.to_string()).is_err());
}

#[cfg(unix)]
#[test]
fn a_socket_in_the_file_system() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let address = format!("unix:{}", path.display());
    // Left behind by a process that was killed.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let monitor = start_at(&address, Options::default());
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(talk(&monitor, LAST).starts_with("HTTP/1.1 200 "));
    let second = Listener::bind(&ListenAddress::parse(&address).unwrap());
    assert!(second.is_err(), "one that is in use is left alone");
    drop(monitor);
    assert!(!path.exists());
}

#[test]
fn all_addresses_are_asked_for_by_a_bare_port() {
    let monitor = start_at(":0", Options::default());
    assert!(talk(&monitor, LAST).starts_with("HTTP/1.1 200 "));
}
