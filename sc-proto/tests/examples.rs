//! Each example is run as the program that it is. The drivers among them serve a tunnel of a
//! server that the blocking one drives, here in the test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test may fail loudly"
)]

#[path = "../examples/blocking.rs"]
#[allow(dead_code, reason = "its main is not used")]
mod blocking;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use blocking::sockets::threads::{self, Input, Inputs};
use sc_proto::contract::{Stop, TunnelId, TunnelSecret};
use sc_proto::tls::TlsServer;
use sc_proto::{Command as CoreCommand, Config, Core, ListenerId, ListenerRole, WorkerId};

const PATIENCE: Duration = Duration::from_secs(60);
const TUNNEL: TunnelId = TunnelId([7; 16]);
const SECRET: TunnelSecret = TunnelSecret::new([9; 32]);

/// An example, which cargo builds along with the tests of a package.
fn program(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let target: PathBuf = test.parent().unwrap().parent().unwrap().into();
    let program = target.join("examples").join(name);
    assert!(program.exists(), "run all tests of the package, or build its examples first");
    Command::new(program)
}

/// Ends the process with the test.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The way to a server with one tunnel, where it is, and the pin of its certificate.
fn server() -> (Inputs, SocketAddr, SocketAddr, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["server".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    let tls = TlsServer::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes());
    let tls = tls.unwrap();
    let pin = tls.leaf_sha256().iter().map(|byte| format!("{byte:02x}")).collect();
    let core =
        Core::new(Config { tls_server: Some(tls), ..Config::default() }, WorkerId(0), [1; 32]);
    let (inputs, inbox) = threads::inputs(|| {});
    let own = inputs.clone();
    thread::spawn(move || blocking::run(core, own, &inbox, |_| ControlFlow::Continue(())));
    let command = CoreCommand::AddTunnel { tunnel: TUNNEL, secret: SECRET, home: WorkerId(0) };
    inputs.send(Input::Command(command)).unwrap();
    let listen = |id, role| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        inputs.send(Input::Listen(ListenerId(id), role, listener)).unwrap();
        address
    };
    let (kgp, proxy) = (listen(0, ListenerRole::Kgp), listen(1, ListenerRole::Ingress(TUNNEL)));
    (inputs, kgp, proxy, pin)
}

/// A site that sends back what it gets.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        std::io::copy(&mut &stream, &mut &stream).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
    });
    address
}

/// Has an example serve a tunnel, talks through it and ends it.
fn serves_a_tunnel(name: &str) {
    let (inputs, kgp, proxy, pin) = server();
    let mut program = program(name);
    program.args([TUNNEL.to_string(), SECRET.to_hex(), kgp.to_string(), pin]);
    let mut child = Guard(program.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    if let Some(reason) = first.strip_prefix("skipped: ") {
        eprintln!("{name} did not run: {reason}");
        return;
    }
    assert!(first.starts_with("TunnelUp"), "{first}");
    let target = echo();
    let mut browser = TcpStream::connect(proxy).unwrap();
    browser.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(browser, "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\nhello").unwrap();
    let mut answer = [0; "HTTP/1.1 200 Connection Established\r\n\r\nhello".len()];
    browser.read_exact(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nhello"), "{answer}");
    browser.shutdown(Shutdown::Write).unwrap();
    assert_eq!(browser.read(&mut [0]).unwrap(), 0, "the end comes back, too");
    inputs.send(Input::Command(CoreCommand::Stop(Stop::Drain))).unwrap();
    let last = lines.next().unwrap().unwrap();
    assert!(last.starts_with("TunnelDown"), "{last}");
    assert!(child.0.wait().unwrap().success());
}

#[test]
fn blocking_serves_a_tunnel() {
    serves_a_tunnel("blocking");
}

#[test]
fn tokio_serves_a_tunnel() {
    serves_a_tunnel("tokio");
}

#[test]
fn io_uring_serves_a_tunnel() {
    serves_a_tunnel("io_uring");
}

#[test]
fn in_memory_tells_its_story() {
    let output = program("in_memory").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "0.000000s server: TunnelUp",
        "0.000000s client: TunnelUp",
        "600.000000s site got \"GET / HTTP/1.1\\r\\nHost: app.test\\r\\n",
        "600.000000s browser got \"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n",
    ] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
}

/// Who reads one reads all of it.
#[test]
fn each_file_fits_on_a_few_screens() {
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines < 150, "{} has {lines} lines", path.display());
            files += 1;
        }
    }
    assert!(files >= 4);
}
