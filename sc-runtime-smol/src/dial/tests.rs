//! Dials on real loopback sockets.

use std::net::{Ipv4Addr, TcpListener};

use socket2::{Domain, SockAddr, Socket, Type};

use super::*;

const STAGGER: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(10);

fn dialler(places: usize) -> Dialler {
    Dialler {
        reactor: Reactor::new().unwrap(),
        resolver: Arc::new(Resolver::new(1, 1)),
        name_servers: None,
        places: Arc::new(Places::new(places)),
        stagger: STAGGER,
    }
}

fn dial(target: Target, patience: Duration) -> Result<SocketAddr, DialFailure> {
    dial_guarded(target, AddressGuard::Anywhere, patience)
}

#[allow(clippy::unwrap_in_result, reason = "what the tests are about is in the result")]
fn dial_guarded(
    target: Target,
    guard: AddressGuard,
    patience: Duration,
) -> Result<SocketAddr, DialFailure> {
    let deadline = Instant::now() + patience;
    let dialler = dialler(8);
    let reactor = Rc::clone(&dialler.reactor);
    let dialled = reactor.block_on(dialler.dial(target, SocketClass::Proxied, guard, deadline));
    dialled.unwrap().map(|(_, peer)| peer)
}

fn target(address: SocketAddr) -> Target {
    address.to_string().parse().unwrap()
}

#[allow(clippy::unwrap_in_result, reason = "what the tests are about is in the result")]
fn first_of(addresses: &[SocketAddr]) -> Result<SocketAddr, DialFailure> {
    let dialler = dialler(8);
    let first = dialler.first_of(addresses.iter().copied().collect());
    dialler.reactor.block_on(first).unwrap().map(|(_, peer, _)| peer)
}

fn bound() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&SockAddr::from(any)).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// A listener whose backlog is full: the kernel ignores who knocks.
fn black_hole() -> (Vec<Socket>, SocketAddr) {
    let (listener, address) = bound();
    listener.listen(0).unwrap();
    let mut sockets = vec![listener];
    for _ in 0..8 {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        let _ = socket.connect(&address.into());
        sockets.push(socket);
    }
    (sockets, address)
}

#[test]
fn an_address_and_a_name_lead_to_the_same_place() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    assert_eq!(dial(target(address), PATIENCE), Ok(address));
    let localhost = format!("localhost:{}", address.port()).parse().unwrap();
    assert_eq!(dial(localhost, PATIENCE), Ok(address));
}

#[test]
fn a_closed_port_refuses_and_the_next_address_is_tried_at_once() {
    let (_held, closed) = bound();
    assert_eq!(dial(target(closed), PATIENCE), Err(DialFailure::Refused));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let good = listener.local_addr().unwrap();
    assert_eq!(first_of(&[closed, good]), Ok(good));
}

#[test]
fn silence_leads_to_the_next_address_after_the_stagger() {
    let (_held, silent) = black_hole();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let good = listener.local_addr().unwrap();
    let start = Instant::now();
    assert_eq!(first_of(&[silent, good]), Ok(good));
    assert!(start.elapsed() >= STAGGER);
}

#[test]
fn a_guarded_dial_does_not_lead_to_the_machine_itself() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for host in ["127.0.0.1", "localhost"] {
        let target = format!("{host}:{port}").parse().unwrap();
        let outcome = dial_guarded(target, AddressGuard::public(), PATIENCE);
        assert_eq!(outcome, Err(DialFailure::Denied), "{host}");
    }
}

#[test]
fn a_deadline_ends_a_dial() {
    let (_held, silent) = black_hole();
    let outcome = dial(target(silent), Duration::from_millis(30));
    assert_eq!(outcome, Err(DialFailure::TimedOut));
}

#[test]
fn nothing_to_try_and_no_place_are_typed_failures() {
    assert_eq!(first_of(&[]), Err(DialFailure::Other));
    let dialler = dialler(1);
    let _taken = dialler.places.to_dial();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    let outcome = dialler.reactor.block_on(dialler.first_of([address].into())).unwrap();
    assert_eq!(outcome.err(), Some(DialFailure::Resources));
}

/// The second name finds the one thread busy and the one place in the queue taken.
#[test]
fn a_full_resolver_refuses() {
    let resolver = Resolver::new(1, 1);
    let mut first = Box::pin(resolver.lookup("127.0.0.1", 1));
    let mut second = Box::pin(resolver.lookup("127.0.0.1", 2));
    future::block_on(async {
        assert!(future::poll_once(&mut second).await.is_none());
        let _ = future::poll_once(&mut first).await;
        assert!(matches!(resolver.lookup("127.0.0.1", 3).await, Err(LookupFailure::Busy)));
        drop(first);
        assert_eq!(second.await.unwrap(), ["127.0.0.1:2".parse().unwrap()]);
    });
}
