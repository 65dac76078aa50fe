//! Descriptors and processor time of a running tunnel. Tests here look at whole processes, so each
//! runs in one of its own: the test binary starts itself again with a limit on descriptors.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly"
)]

mod tunnel;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use sc_runtime_mio::Options;

use tunnel::{Client, SECRET, Server, assert_idle, connect, echo, exchange, pattern, side_by_side};

/// A tunnel in a process of its own, and the echoing site.
struct Process {
    child: Child,
    proxy: SocketAddr,
}

impl Process {
    fn start(descriptors: usize) -> Self {
        let mut child = Command::new("sh")
            .arg("-c")
            .arg("ulimit -n \"$0\" && exec \"$1\" --exact \"$2\" --nocapture")
            .arg(descriptors.to_string())
            .arg(std::env::current_exe().unwrap())
            .arg(process_test())
            .env("SC_PROCESS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let proxy = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("proxy ")?.parse().ok())
            .expect("the process says where its proxy is");
        Self { child, proxy }
    }

    fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(folder).unwrap().count()
    }

    /// Waits, but not for ever, until no more than `count` descriptors are open.
    fn wait_for_descriptors(&self, count: usize) {
        for _ in 0..1000 {
            if self.descriptors() <= count {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("{} descriptors are open, not {count}", self.descriptors());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The name of [`process`] for the test runner: without the crate's.
fn process_test() -> &'static str {
    let path = concat!(module_path!(), "::process");
    path.split_once("::").unwrap().1
}

/// The process of [`Process::start`]: lives until its standard input ends.
#[test]
fn process() {
    if std::env::var_os("SC_PROCESS").is_none() {
        return;
    }
    let options = Options {
        // More than there are descriptors, so that it runs into the limit itself.
        max_sockets: Some(1_000_000),
        ..Options::default()
    };
    let server = Server::start(1, 0, options.clone());
    let _client = Client::start(&server, SECRET, options);
    server.wait_up(0);
    println!("\nproxy {}", server.proxy);
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

#[test]
fn descriptors_come_back_after_many_connections() {
    const ROUNDS: u64 = 40;
    let process = Process::start(4096);
    let target = echo().to_string();
    let before = process.descriptors();
    for round in 0..ROUNDS {
        side_by_side((0..50).collect(), |number| {
            let (status, stream) = connect(process.proxy, &target);
            assert_eq!(status, 200);
            match number % 5 {
                // Some just go away.
                0 => {}
                1 => {
                    let now = Some(std::time::Duration::ZERO);
                    socket2::SockRef::from(&stream).set_linger(now).unwrap();
                }
                _ => {
                    let bytes = pattern(round * 50 + number + 1, 5_000);
                    assert!(exchange(&stream, &bytes) == bytes);
                }
            }
        });
    }
    process.wait_for_descriptors(before);
    assert_idle(process.child.id());
}

#[test]
fn running_out_of_descriptors_neither_spins_nor_kills() {
    let process = Process::start(64);
    let target = echo().to_string();
    let before = process.descriptors();
    // Each takes a descriptor of the server, so most of them wait in the backlog, and some are
    // answered that their site cannot be reached.
    let mut browsers = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(process.proxy).unwrap();
        write!(stream, "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n").unwrap();
        browsers.push(stream);
    }
    for _ in 0..3 {
        assert_idle(process.child.id());
    }
    drop(browsers);
    process.wait_for_descriptors(before);
    let (status, stream) = connect(process.proxy, &target);
    assert_eq!(status, 200);
    assert_eq!(exchange(&stream, b"as before"), b"as before");
    assert_idle(process.child.id());
}
