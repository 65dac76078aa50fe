//! Somebody scans ports and guesses keys; other users go on as if nothing were.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sc_tests::deployment::{Server, Tunnel};
use sc_tests::figures;
use sc_tests::http::{self, Connection};
use sc_tests::latency::Latencies;
use sc_tests::site::Site;
use sc_tests::wait;
use socket2::{Domain, Socket, Type};

/// Wrong keys in all, and how many guess at once.
const GUESSES: usize = 10_000;
const GUESSERS: usize = 4;
/// Calls of the honest user before, and the fewest meanwhile.
const CALLS: usize = 200;
/// What an honest call may take in the crowd: 99 of 100, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(1);

/// Somebody else than the users: loopback has many addresses.
const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);

fn connect_as_attacker(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((ATTACKER, 0)).into())?;
    socket.connect_timeout(&to.into(), wait::PATIENCE)?;
    socket.set_read_timeout(Some(wait::PATIENCE))?;
    Ok(socket.into())
}

/// What was tried, and what came of it.
#[derive(Debug, Default)]
struct Attack {
    tried: AtomicUsize,
    refused: AtomicUsize,
    slowed: AtomicUsize,
    is_over: AtomicBool,
}

impl Attack {
    /// One wrong key after another, at the users' own names and at others.
    fn guess(&self, rest: SocketAddr) {
        let mut open: Option<Connection> = None;
        loop {
            let number = self.tried.fetch_add(1, Ordering::Relaxed);
            if number >= GUESSES {
                return;
            }
            let user = ["jane", "bob", "root"][number % 3];
            let word = BASE64_STANDARD.encode(format!("{user}:guess-{number}"));
            let request = format!(
                "GET /rest/v1/{user}/tunnels HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {word}\r\n\r\n"
            );
            let answer = loop {
                let connection = match open.take() {
                    Some(connection) => Ok(connection),
                    None => connect_as_attacker(rest).map(Connection::from),
                };
                let answer = connection.and_then(|mut connection| {
                    let answer = connection.exchange(&request)?;
                    open = Some(connection);
                    Ok(answer)
                });
                // The server may close a connection that it has had for long.
                if let Ok(answer) = answer {
                    break answer;
                }
            };
            match answer.status() {
                401 => self.refused.fetch_add(1, Ordering::Relaxed),
                429 => self.slowed.fetch_add(1, Ordering::Relaxed),
                other => panic!("a wrong key is answered {other}"),
            };
        }
    }

    /// Comes to all ports again and again, says nothing or nonsense, and keeps some connections.
    fn scan(&self, ports: &[SocketAddr]) -> usize {
        let (mut kept, mut visits) = (Vec::new(), 0);
        while !self.is_over.load(Ordering::Relaxed) {
            for port in ports {
                let Ok(mut stream) = connect_as_attacker(*port) else { continue };
                visits += 1;
                if visits % 2 == 0 {
                    let _ = stream.write_all(b"\x16\x03\x01\x00\x00GET / nonsense\r\n\r\n");
                }
                if visits % 8 == 0 && kept.len() < 300 {
                    kept.push(stream);
                }
            }
        }
        visits
    }
}

/// Whether an honest call works, and how long it takes.
fn call(latencies: &mut Latencies, tunnel: &Tunnel) {
    let rest = tunnel.server.rest(&tunnel.user);
    let answer = latencies.time(|| rest.call("GET", "/tunnels", ""));
    assert_eq!(answer.expect("an answer").status(), 200);
}

#[test]
fn a_port_scan_and_ten_thousand_wrong_keys_slow_nobody_else() {
    let (server, site) = (Server::start(), Site::start());
    // One who has never called before, and is guessed at, too.
    let bob = server.add_user("bob");
    let tunnel = Tunnel::start_on(server, |command| command);
    let server = &tunnel.server;
    let (mut before, mut meanwhile, mut by_tunnel) =
        (Latencies::default(), Latencies::default(), Latencies::default());
    for _ in 0..CALLS {
        call(&mut before, &tunnel);
    }
    let attack = Attack::default();
    let ports = [server.rest_address(), server.tunnel_address(), tunnel.proxy];
    let visits = thread::scope(|scope| {
        let guessers: Vec<_> =
            (0..GUESSERS).map(|_| scope.spawn(|| attack.guess(server.rest_address()))).collect();
        let scanner = scope.spawn(|| attack.scan(&ports));
        while guessers.iter().any(|guesser| !guesser.is_finished()) || meanwhile.count() < CALLS {
            call(&mut meanwhile, &tunnel);
            let page = by_tunnel.time(|| http::get(tunnel.proxy, &site.url("/hello")));
            assert_eq!(page.expect("the page").status(), 200);
        }
        attack.is_over.store(true, Ordering::Relaxed);
        scanner.join().expect("the scan ends")
    });
    let [refused, slowed] =
        [&attack.refused, &attack.slowed].map(|count| count.load(Ordering::Relaxed));
    figures::tell(&format!(
        "{GUESSES} wrong keys ({refused} looked at, {slowed} answered 429) and {visits} visits of a \
         scan; REST of another user: {before} before, {meanwhile} meanwhile; a page through its \
         tunnel: {by_tunnel}"
    ));
    assert_eq!(refused + slowed, GUESSES);
    // Each key that is looked at costs a look into the registry, so few are.
    assert!(refused < GUESSES / 20, "{refused} keys were looked at");
    assert!(meanwhile.percentile(99) < PATIENCE, "{meanwhile}");
    assert!(by_tunnel.percentile(99) < PATIENCE, "{by_tunnel}");
    // His account was guessed at more often than is free, by somebody else: he waits 2 s at most.
    let mut first = Latencies::default();
    wait::until_within(Duration::from_secs(4), "bob's first call", || {
        let answer = first.time(|| server.rest(&bob).call("GET", "/tunnels", "")).ok()?;
        (answer.status() == 200).then_some(())
    });
}
