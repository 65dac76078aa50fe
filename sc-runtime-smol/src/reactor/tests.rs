//! Readiness and time on real sockets.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use futures_lite::future::{or, poll_once};

use super::*;

const SOON: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(10);

/// A watched socket and its other end.
fn pair(reactor: &Rc<Reactor>) -> (Watched<TcpStream>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().unwrap();
    ours.set_nonblocking(true).unwrap();
    (Watched::new(reactor, ours).unwrap(), theirs)
}

/// Whether `direction` is ready before `patience` is over.
fn is_ready(ours: &Watched<TcpStream>, direction: Direction, patience: Duration) -> bool {
    let reactor = Rc::clone(&ours.registration.reactor);
    let ready = async {
        ours.ready(direction).await.unwrap();
        true
    };
    let late = async {
        reactor.sleep(patience).await;
        false
    };
    reactor.block_on(or(ready, late)).unwrap()
}

#[test]
fn a_socket_is_ready_when_something_came_and_each_time_anew() {
    let reactor = Reactor::new().unwrap();
    let (ours, mut theirs) = pair(&reactor);
    assert!(!is_ready(&ours, Direction::Read, SOON));
    theirs.write_all(b"ab").unwrap();
    for byte in [b"a", b"b"] {
        // What was not taken is told again.
        assert!(is_ready(&ours, Direction::Read, PATIENCE));
        let mut got = [0];
        ours.get_ref().read_exact(&mut got).unwrap();
        assert_eq!(&got, byte);
    }
    assert!(!is_ready(&ours, Direction::Read, SOON));
    drop(theirs);
    assert!(is_ready(&ours, Direction::Read, PATIENCE));
}

/// The system tells once and forgets both: who waits for the other must not be left.
#[test]
fn two_directions_do_not_take_from_one_another() {
    let reactor = Reactor::new().unwrap();
    let (ours, mut theirs) = pair(&reactor);
    let mut left = vec![Direction::Read, Direction::Write];
    let both = poll_fn(|cx| {
        left.retain(|direction| ours.poll_ready(*direction, cx).is_pending());
        if left == [Direction::Read] {
            // Only now, so that the events come one after the other.
            theirs.write_all(b"x").unwrap();
        }
        if left.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    });
    let late = async {
        reactor.sleep(PATIENCE).await;
        panic!("a direction was forgotten");
    };
    reactor.block_on(or(both, late)).unwrap();
}

#[test]
fn sleepers_wake_in_their_order_and_not_too_early() {
    let reactor = Reactor::new().unwrap();
    let order = RefCell::new(Vec::new());
    let sleep = async |span: Duration| {
        reactor.sleep(span).await;
        order.borrow_mut().push(span);
    };
    let began = Instant::now();
    let (mut long, short) = (pin!(sleep(SOON * 2)), pin!(sleep(SOON)));
    reactor
        .block_on(async {
            assert!(poll_once(&mut long).await.is_none());
            short.await;
            long.await;
        })
        .unwrap();
    assert!(began.elapsed() >= SOON * 2);
    assert_eq!(*order.borrow(), [SOON, SOON * 2]);
    assert!(reactor.sleepers.borrow().is_empty());
}

#[test]
fn another_thread_wakes_a_reactor_that_waits() {
    let reactor = Reactor::new().unwrap();
    let (sender, receiver) = async_channel::bounded(1);
    let thread = thread::spawn(move || {
        thread::sleep(SOON);
        sender.send_blocking(7).unwrap();
    });
    assert_eq!(reactor.block_on(receiver.recv()).unwrap(), Ok(7));
    thread.join().unwrap();
}

#[test]
fn nothing_is_left_of_a_socket_that_is_gone() {
    let reactor = Reactor::new().unwrap();
    let (ours, mut theirs) = pair(&reactor);
    assert!(!is_ready(&ours, Direction::Read, SOON));
    let ours = ours.into_inner().unwrap();
    assert!(reactor.sources.borrow().is_empty());
    theirs.write_all(b"x").unwrap();
    reactor.block_on(reactor.sleep(SOON)).unwrap();
    // It can be watched again, here or by another worker.
    let other = Reactor::new().unwrap();
    let ours = Watched::new(&other, ours).unwrap();
    assert!(is_ready(&ours, Direction::Read, PATIENCE));
}
