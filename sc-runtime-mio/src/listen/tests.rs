//! Accepting on real loopback sockets, with lowered limits.

use std::net::TcpStream as Client;

use mio::{Events, Poll};
use sc_proto::contract::TunnelId;

use super::*;
use crate::token::Source;

const RETRY: Duration = Duration::from_millis(100);
const NOW: Time = Time::ZERO;
const ROLE: ListenerRole = ListenerRole::Ingress(TunnelId([7; 16]));

/// A worker reduced to its listeners.
struct Bench {
    poll: Poll,
    tokens: Tokens,
    listeners: Listeners,
}

impl Bench {
    fn new(max_sockets: usize) -> Self {
        Self {
            poll: Poll::new().unwrap(),
            tokens: Tokens::default(),
            listeners: Listeners::new(Capacity::new(max_sockets), RETRY),
        }
    }

    fn listen(&mut self, id: u32) -> SocketAddr {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let registry = self.poll.registry();
        self.listeners.add(registry, &mut self.tokens, ListenerId(id), ROLE, socket).unwrap();
        address
    }

    /// Takes the events that are there or come soon.
    fn poll(&mut self) {
        let mut events = Events::with_capacity(8);
        let wait = Some(Duration::from_secs(10));
        self.poll.poll(&mut events, wait).unwrap();
        for event in &events {
            if let Source::Listener(slot) = Source::of(event.token()) {
                self.listeners.ready(slot, event.token());
            }
        }
    }

    /// Accepts all it may.
    fn accept_all(&mut self, now: Time) -> Vec<Accepted> {
        let mut accepted = Vec::new();
        for _ in 0..1000 {
            match self.listeners.accept(now) {
                Step::Accepted(one) => accepted.push(one),
                Step::Skipped => {}
                Step::Idle => return accepted,
            }
        }
        panic!("accepting never comes to rest");
    }
}

fn connect(address: SocketAddr, count: usize) -> Vec<Client> {
    (0..count).map(|_| Client::connect(address).unwrap()).collect()
}

#[test]
fn an_accepted_socket_has_its_options() {
    let mut bench = Bench::new(8);
    let address = bench.listen(1);
    let _client = Client::connect(address).unwrap();
    bench.poll();
    let accepted = bench.accept_all(NOW);
    let socket = SockRef::from(&accepted[0].stream);
    assert!(socket.tcp_nodelay().unwrap());
    assert!(socket.keepalive().unwrap());
    #[cfg(target_os = "linux")]
    assert!(socket.tcp_keepalive_time().unwrap() < Duration::from_secs(7200), "the system's own");
}

#[test]
fn connections_are_accepted_with_their_peer_and_class() {
    let mut bench = Bench::new(64);
    let address = bench.listen(3);
    let clients = connect(address, 3);
    bench.poll();
    let accepted = bench.accept_all(NOW);
    assert_eq!(accepted.len(), 3);
    for (one, client) in accepted.iter().zip(&clients) {
        assert_eq!(one.listener, ListenerId(3));
        assert_eq!(one.peer, client.local_addr().unwrap());
    }
    assert!(!bench.listeners.has_work());
    assert_eq!(bench.listeners.next_retry(), None);
}

#[test]
fn listeners_take_turns() {
    let mut bench = Bench::new(64);
    let (a, b) = (bench.listen(0), bench.listen(1));
    let _clients = (connect(a, 2), connect(b, 2));
    bench.poll();
    let mut order = Vec::new();
    while order.len() < 4 {
        match bench.listeners.accept(NOW) {
            Step::Accepted(one) => order.push(one.listener.0),
            Step::Skipped => {}
            Step::Idle => bench.poll(),
        }
    }
    assert!(order == [0, 1, 0, 1] || order == [1, 0, 1, 0], "{order:?}");
}

#[test]
fn accepting_pauses_at_the_limit_and_goes_on_below_it() {
    let mut bench = Bench::new(16);
    let address = bench.listen(0);
    let _clients = connect(address, 20);
    bench.poll();
    let mut accepted = bench.accept_all(NOW);
    assert_eq!(accepted.len(), 15);
    assert!(!bench.listeners.has_work(), "it would spin");
    let retry = bench.listeners.next_retry().unwrap();
    assert_eq!(retry, NOW.after(RETRY));

    // One place is not enough: the limits for stopping and going on differ.
    accepted.truncate(15);
    bench.listeners.socket_closed();
    bench.listeners.retry(retry);
    assert!(!bench.listeners.has_work());
    assert!(bench.listeners.next_retry().unwrap() > retry);

    accepted.truncate(14);
    bench.listeners.socket_closed();
    assert!(bench.listeners.has_work());
    assert_eq!(bench.accept_all(NOW).len(), 1);

    // Places freed by another worker are seen by the timer.
    accepted.truncate(5);
    let retry = bench.listeners.next_retry().unwrap();
    bench.listeners.retry(retry);
    assert_eq!(bench.accept_all(retry).len(), 4);
    assert!(!bench.listeners.has_work());
    assert_eq!(bench.listeners.next_retry(), None);
}

#[test]
fn a_removed_listener_leaves_its_slot_clean() {
    let mut bench = Bench::new(64);
    let old = bench.listen(0);
    let _client = connect(old, 1);
    bench.poll();
    bench.listeners.remove(bench.poll.registry(), ListenerId(0));
    assert!(!bench.listeners.has_work());
    let new = bench.listen(1);
    let _client = connect(new, 1);
    bench.poll();
    assert_eq!(bench.accept_all(NOW).len(), 1);
}

#[test]
fn a_removed_listener_hears_nothing_of_its_duplicate() {
    let mut bench = Bench::new(64);
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, duplicate) = (socket.local_addr().unwrap(), socket.try_clone().unwrap());
    let registry = bench.poll.registry();
    bench.listeners.add(registry, &mut bench.tokens, ListenerId(0), ROLE, socket).unwrap();
    bench.listeners.remove(bench.poll.registry(), ListenerId(0));
    let _client = connect(address, 1);
    let mut events = Events::with_capacity(8);
    bench.poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
    assert!(events.is_empty());
    assert!(duplicate.accept().is_ok(), "whoever has it gets the connection");
}

#[test]
fn a_connection_that_is_gone_disturbs_nothing() {
    let mut bench = Bench::new(64);
    let address = bench.listen(0);
    let mut clients = connect(address, 2);
    let linger = SockRef::from(&clients[0]).set_linger(Some(Duration::ZERO));
    linger.unwrap();
    drop(clients.remove(0));
    bench.poll();
    let accepted = bench.accept_all(NOW);
    assert!((1..=2).contains(&accepted.len()));
    assert_eq!(bench.listeners.next_retry(), None);
}

/// Run by [`accepting_survives_the_descriptor_limit`] in a process with a small limit.
#[cfg(unix)]
#[test]
fn child_at_the_descriptor_limit() {
    if std::env::var_os("SC_CHILD").is_none() {
        return;
    }
    let mut bench = Bench::new(1000);
    let address = bench.listen(0);
    let _clients = connect(address, 3);
    let mut fill = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        fill.push(file);
    }
    bench.poll();
    assert!(bench.accept_all(NOW).is_empty());
    assert!(!bench.listeners.has_work(), "it would spin");
    assert_eq!(bench.listeners.next_retry(), Some(NOW.after(RETRY)));

    // By the timer: still none, the pause begins anew.
    let later = NOW.after(RETRY);
    bench.listeners.retry(later);
    assert!(bench.listeners.has_work());
    assert!(bench.accept_all(later).is_empty());
    assert_eq!(bench.listeners.next_retry(), Some(later.after(RETRY)));

    // By a socket that closes.
    fill.truncate(fill.len() - 2);
    bench.listeners.socket_closed();
    assert_eq!(bench.accept_all(later).len(), 2);
    drop(fill);
    bench.listeners.retry(later.after(RETRY));
    assert_eq!(bench.accept_all(later.after(RETRY)).len(), 1);
    println!("child passed");
}

#[cfg(unix)]
#[test]
fn accepting_survives_the_descriptor_limit() {
    let child = std::process::Command::new("sh")
        .arg("-c")
        .arg("ulimit -n 64 && exec \"$0\" --exact \"$1\" --nocapture")
        .arg(std::env::current_exe().unwrap())
        .arg("listen::tests::child_at_the_descriptor_limit")
        .env("SC_CHILD", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && said.contains("child passed"),
        "{said}{}",
        String::from_utf8_lossy(&child.stderr)
    );
}
