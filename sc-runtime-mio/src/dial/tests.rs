//! Dials on real loopback sockets.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};

use mio::{Events, Poll, Waker};
use sc_proto::{Read, Write};
use socket2::{Domain, SockAddr, Socket, Type};

use super::*;
use crate::clock::Clock;
use crate::token::{Source, WAKE};

const STAGGER: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(10);
const ID: SocketId = SocketId::from_parts(5, 1);

/// A worker reduced to its dials.
struct Bench {
    poll: Poll,
    tokens: Tokens,
    capacity: Arc<Capacity>,
    clock: Clock,
    dials: Dials,
    answers: Receiver<Answer>,
}

impl Bench {
    fn new(
        lookup: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        let poll = Poll::new().unwrap();
        let (sender, answers) = mpsc::sync_channel(8);
        let reply = ReplyTo {
            answers: sender,
            waker: Arc::new(Waker::new(poll.registry(), WAKE).unwrap()),
        };
        let resolver = Arc::new(Resolver::new(1, 1, Box::new(lookup)));
        Self {
            poll,
            tokens: Tokens::default(),
            capacity: Capacity::new(64),
            clock: Clock::start(),
            dials: Dials::new(resolver, None, reply, STAGGER),
            answers,
        }
    }

    fn parts(&mut self) -> (&mut Dials, Means<'_>) {
        let means = Means {
            registry: self.poll.registry(),
            tokens: &mut self.tokens,
            capacity: &self.capacity,
            now: self.clock.now(),
        };
        (&mut self.dials, means)
    }

    fn dial(&mut self, target: &str, patience: Duration) -> Option<Outcome> {
        self.dial_guarded(target, AddressGuard::Anywhere, patience)
    }

    fn dial_guarded(
        &mut self,
        target: &str,
        guard: AddressGuard,
        patience: Duration,
    ) -> Option<Outcome> {
        let target: Target = target.parse().unwrap();
        let deadline = self.clock.now().after(patience);
        let (dials, mut means) = self.parts();
        dials.start(&mut means, ID, &target, SocketClass::Proxied, guard, deadline)
    }

    /// Turns until a dial ends or none is left.
    fn run(&mut self) -> Option<Outcome> {
        let mut events = Events::with_capacity(8);
        while let Some(alarm) = self.dials.next_alarm() {
            let wait = alarm.since(self.clock.now());
            self.poll.poll(&mut events, Some(wait)).unwrap();
            for event in &events {
                let outcome = match Source::of(event.token()) {
                    Source::Socket(index) => {
                        let (dials, mut means) = self.parts();
                        dials.ready(&mut means, index, event)
                    }
                    _ => None,
                };
                if outcome.is_some() {
                    return outcome;
                }
            }
            while let Ok(answer) = self.answers.try_recv() {
                let (dials, mut means) = self.parts();
                if let Some(outcome) = dials.answered(&mut means, answer) {
                    return Some(outcome);
                }
            }
            let (dials, mut means) = self.parts();
            if let Some(outcome) = dials.expire(&mut means) {
                return Some(outcome);
            }
        }
        None
    }

    fn dial_and_run(&mut self, target: &str, patience: Duration) -> Outcome {
        let outcome = self.dial(target, patience);
        outcome.or_else(|| self.run()).unwrap()
    }
}

fn no_lookup(name: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
    panic!("{name} must not be looked up")
}

#[track_caller]
fn failure(outcome: Outcome) -> DialFailure {
    match outcome {
        Outcome::Failed { socket, failure } => {
            assert_eq!(socket, ID);
            failure
        }
        Outcome::Connected { peer, .. } => panic!("connected to {peer}"),
    }
}

#[track_caller]
fn connected(outcome: Outcome) -> (Connection, SocketAddr) {
    match outcome {
        Outcome::Connected { socket, connection, peer } => {
            assert_eq!(socket, ID);
            (connection, peer)
        }
        Outcome::Failed { failure, .. } => panic!("{failure}"),
    }
}

/// An address where nothing listens. The socket keeps others from taking the port.
fn closed_port() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&SockAddr::from(any)).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// A listener whose backlog is full: the kernel ignores who knocks.
struct BlackHole {
    address: SocketAddr,
    _sockets: Vec<Socket>,
}

impl BlackHole {
    fn new() -> Self {
        let new = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let listener = new();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        listener.bind(&SockAddr::from(any)).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut sockets = vec![listener];
        for _ in 0..8 {
            let socket = new();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&address);
            sockets.push(socket);
        }
        Self { address: address.as_socket().unwrap(), _sockets: sockets }
    }
}

#[test]
fn an_address_is_dialled_without_a_lookup() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut bench = Bench::new(no_lookup);
    let outcome = bench.dial_and_run(&address.to_string(), PATIENCE);
    let (mut connection, peer) = connected(outcome);
    assert_eq!(peer, address);
    assert_eq!(bench.dials.next_alarm(), None);
    let (other_end, _) = listener.accept().unwrap();
    assert_eq!(connection.write(&[io::IoSlice::new(b"hello")], Time::ZERO), Write::Bytes(5));
    let mut text = [0; 5];
    io::Read::read_exact(&mut &other_end, &mut text).unwrap();
    assert_eq!(&text, b"hello");
    assert_eq!(connection.read(&mut text), Read::WouldBlock);
}

#[test]
fn a_guarded_dial_does_not_lead_to_the_machine_itself() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for host in ["127.0.0.1", "localhost", "inside.test"] {
        let mut bench = Bench::new(|_, port| Ok(vec![(Ipv4Addr::LOCALHOST, port).into()]));
        let target = format!("{host}:{port}");
        let outcome = bench.dial_guarded(&target, AddressGuard::public(), PATIENCE);
        let outcome = outcome.or_else(|| bench.run()).unwrap();
        assert_eq!(failure(outcome), DialFailure::Denied, "{host}");
    }
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody connected");
}

#[test]
fn localhost_falls_back_to_the_other_family() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut bench = Bench::new(no_lookup);
    let target = format!("localhost:{}", address.port());
    let (_, peer) = connected(bench.dial_and_run(&target, PATIENCE));
    assert_eq!(peer, address);
}

#[test]
fn a_closed_port_refuses() {
    let (_held, address) = closed_port();
    let mut bench = Bench::new(no_lookup);
    let outcome = bench.dial_and_run(&address.to_string(), PATIENCE);
    assert_eq!(failure(outcome), DialFailure::Refused);
}

#[test]
fn a_refusal_leads_to_the_next_address_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let good = listener.local_addr().unwrap();
    let (_held, bad) = closed_port();
    let mut bench = Bench::new(move |_, _| Ok(vec![bad, good]));
    let (_, peer) = connected(bench.dial_and_run("site.test:80", PATIENCE));
    assert_eq!(peer, good);
}

#[test]
fn silence_leads_to_the_next_address_after_the_stagger() {
    let hole = BlackHole::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (bad, good) = (hole.address, listener.local_addr().unwrap());
    let mut bench = Bench::new(move |_, _| Ok(vec![bad, good]));
    let start = bench.clock.now();
    let (_, peer) = connected(bench.dial_and_run("site.test:80", PATIENCE));
    assert_eq!(peer, good);
    assert!(bench.clock.now().since(start) >= STAGGER);
    // The loser is closed: nothing but the winner is left, and that is dropped here.
    assert!(bench.capacity.has_room_again());
}

#[test]
fn a_deadline_ends_a_dial() {
    let hole = BlackHole::new();
    let mut bench = Bench::new(no_lookup);
    let outcome = bench.dial_and_run(&hole.address.to_string(), Duration::from_millis(30));
    assert_eq!(failure(outcome), DialFailure::TimedOut);
    assert_eq!(bench.dials.next_alarm(), None);
}

#[test]
fn a_deadline_ends_a_lookup() {
    let (hold, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let mut bench = Bench::new(move |_, _| {
        let _ = gate.lock().unwrap().recv();
        Ok(vec![SocketAddr::from(([127, 0, 0, 1], 9))])
    });
    let outcome = bench.dial_and_run("slow.test:80", Duration::from_millis(30));
    assert_eq!(failure(outcome), DialFailure::TimedOut);
    // The late answer finds nobody.
    drop(hold);
    if let Ok(answer) = bench.answers.recv_timeout(PATIENCE) {
        let (dials, mut means) = bench.parts();
        assert!(dials.answered(&mut means, answer).is_none());
    }
}

#[test]
fn a_missing_name_is_told_from_a_missing_host() {
    let error = || io::Error::other("Name or service not known");
    let mut bench = Bench::new(move |_, _| Err(error()));
    let outcome = bench.dial_and_run("none.test:80", PATIENCE);
    assert_eq!(failure(outcome), DialFailure::NameNotFound);
}

#[test]
fn a_full_resolver_refuses() {
    let (_hold, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let (entered, inside) = mpsc::channel();
    let mut bench = Bench::new(move |_, _| {
        entered.send(()).unwrap();
        let _ = gate.lock().unwrap().recv();
        Ok(Vec::new())
    });
    let mut dial = |number| {
        let deadline = bench.clock.now().after(PATIENCE);
        let (dials, mut means) = bench.parts();
        let id = SocketId::from_parts(number, 0);
        let target = "slow.test:80".parse().unwrap();
        dials.start(&mut means, id, &target, SocketClass::Proxied, AddressGuard::Anywhere, deadline)
    };
    assert!(dial(0).is_none());
    inside.recv_timeout(PATIENCE).unwrap();
    assert!(dial(1).is_none());
    let outcome = dial(2);
    assert!(matches!(outcome, Some(Outcome::Failed { failure: DialFailure::Resources, .. })));
}

#[test]
fn a_cancelled_dial_is_forgotten() {
    let hole = BlackHole::new();
    let mut bench = Bench::new(no_lookup);
    assert!(bench.dial(&hole.address.to_string(), PATIENCE).is_none());
    bench.dials.cancel(SocketId::from_parts(5, 0));
    assert!(bench.dials.next_alarm().is_some(), "an older id means nothing");
    bench.dials.cancel(ID);
    assert_eq!(bench.dials.next_alarm(), None);
    assert!(bench.run().is_none());
}

#[test]
fn no_room_is_a_typed_failure() {
    let mut bench = Bench::new(no_lookup);
    bench.capacity = Capacity::new(1);
    let _taken = bench.capacity.to_dial();
    let outcome = bench.dial("127.0.0.1:9", PATIENCE).unwrap();
    assert_eq!(failure(outcome), DialFailure::Resources);
}

/// A connect to its own source port succeeds by TCP's rules; it must not count.
#[cfg(unix)]
#[test]
fn a_connection_to_itself_is_a_refusal() {
    use mio::net::TcpStream;

    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&SockAddr::from(any)).unwrap();
    let own = socket.local_addr().unwrap();
    socket.connect(&own).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut bench = Bench::new(no_lookup);
    let mut stream = TcpStream::from_std(socket.into());
    let token = bench.tokens.socket(0);
    let registry = bench.poll.registry();
    registry.register(&mut stream, token, crate::connection::interest()).unwrap();
    let permit = bench.capacity.to_dial().unwrap();
    let attempt = Attempt::for_test(stream, token, own.as_socket().unwrap(), permit);
    let mut events = Events::with_capacity(8);
    bench.poll.poll(&mut events, Some(PATIENCE)).unwrap();
    let event = events.iter().find(|e| e.token() == token).unwrap();
    assert_eq!(attempt.progress(event), Progress::Failed(DialFailure::Refused));
}
