//! One socket on real loopback: readiness, ends, and ways to close.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream as Peer};
use std::time::Duration;

use mio::{Events, Poll};
use sc_proto::SocketClass;
use socket2::SockRef;

use super::*;
use crate::capacity::Capacity;
use crate::tcp::TRANSPORT_UNSENT;

const TOKEN: Token = Token(1);
const PATIENCE: Duration = Duration::from_secs(10);

/// A registered connection and its other end.
struct Pair {
    poll: Poll,
    ours: Connection,
    theirs: Peer,
}

impl Pair {
    fn new(class: SocketClass) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let theirs = Peer::connect(listener.local_addr().unwrap()).unwrap();
        theirs.set_read_timeout(Some(PATIENCE)).unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let permit = Capacity::new(1).to_accept().unwrap();
        let stream = TcpStream::from_std(stream);
        tcp::set_options(SockRef::from(&stream), class);
        let mut ours = Connection::new(stream, TOKEN, permit);
        let poll = Poll::new().unwrap();
        ours.register(poll.registry(), TOKEN).unwrap();
        let mut pair = Self { poll, ours, theirs };
        // The event of the registration: writable.
        pair.wait(Event::is_writable);
        pair
    }

    /// Notes events until one is `wanted`.
    #[track_caller]
    fn wait(&mut self, wanted: fn(&Event) -> bool) {
        let mut events = Events::with_capacity(8);
        for _ in 0..100 {
            self.poll.poll(&mut events, Some(PATIENCE)).unwrap();
            assert!(!events.is_empty(), "no event came");
            let mut found = false;
            for event in &events {
                self.ours.note(event);
                found |= wanted(event);
            }
            if found {
                return;
            }
        }
        panic!("other events only");
    }

    /// Waits for news unless there is something to read already.
    fn read_to_rest(&mut self) -> (Vec<u8>, Read) {
        let mut all = Vec::new();
        let mut space = [0; 64];
        loop {
            match self.ours.read(&mut space) {
                Read::Bytes(n) => all.extend_from_slice(&space[..n]),
                Read::Drained(n) => {
                    all.extend_from_slice(&space[..n]);
                    return (all, Read::Drained(n));
                }
                rest => return (all, rest),
            }
        }
    }
}

#[test]
fn a_short_read_drains_and_a_full_one_does_not() {
    let mut pair = Pair::new(SocketClass::Proxied);
    pair.theirs.write_all(b"0123456789").unwrap();
    pair.wait(Event::is_readable);
    let mut space = [0; 5];
    assert_eq!(pair.ours.read(&mut []), Read::WouldBlock);
    assert_eq!(pair.ours.read(&mut space), Read::Bytes(5));
    assert_eq!(pair.ours.read(&mut space), Read::Bytes(5));
    assert_eq!(pair.ours.read(&mut space), Read::WouldBlock);
    pair.theirs.write_all(b"01").unwrap();
    pair.wait(Event::is_readable);
    assert_eq!(pair.ours.read(&mut space), Read::Drained(2));
}

#[test]
fn an_end_that_came_with_data_is_not_lost() {
    let mut pair = Pair::new(SocketClass::Proxied);
    pair.theirs.write_all(b"last words").unwrap();
    pair.theirs.shutdown(Shutdown::Write).unwrap();
    pair.wait(Event::is_read_closed);
    assert_eq!(pair.read_to_rest(), (b"last words".to_vec(), Read::End));
}

#[test]
fn an_end_after_a_drained_read_makes_an_event() {
    let mut pair = Pair::new(SocketClass::Proxied);
    pair.theirs.write_all(b"words").unwrap();
    pair.wait(Event::is_readable);
    // The end arrives before the read, but after its event was taken.
    pair.theirs.shutdown(Shutdown::Write).unwrap();
    let (text, _) = pair.read_to_rest();
    assert_eq!(text, b"words");
    pair.wait(Event::is_read_closed);
    assert_eq!(pair.read_to_rest(), (Vec::new(), Read::End));
}

#[test]
fn a_reset_fails_reads_and_writes() {
    let pair = Pair::new(SocketClass::Proxied);
    let linger = SockRef::from(&pair.theirs).set_linger(Some(Duration::ZERO));
    linger.unwrap();
    let Pair { poll, ours, theirs } = pair;
    drop(theirs);
    let other = Pair::new(SocketClass::Proxied).theirs;
    let mut pair = Pair { poll, ours, theirs: other };
    pair.wait(Event::is_error);
    assert_eq!(pair.ours.read(&mut [0; 8]), Read::Failed);
    assert_eq!(pair.ours.write(&[IoSlice::new(b"x")], Time::ZERO), Write::Failed);
}

/// A read stops at the mark of urgent data; what is behind it must still be read.
#[cfg(target_os = "linux")]
#[test]
fn urgent_data_hides_nothing() {
    let mut pair = Pair::new(SocketClass::Proxied);
    pair.theirs.write_all(b"before").unwrap();
    SockRef::from(&pair.theirs).send_out_of_band(b"!").unwrap();
    pair.theirs.write_all(b"behind").unwrap();
    pair.theirs.write_all(b"it").unwrap();
    pair.wait(Event::is_priority);
    let mut all = Vec::new();
    while all.len() < b"beforebehindit".len() {
        let (some, rest) = pair.read_to_rest();
        all.extend(some);
        assert_eq!(rest, Read::WouldBlock, "after {all:?}");
        if all.len() < b"beforebehindit".len() {
            pair.wait(Event::is_readable);
        }
    }
    assert_eq!(all, b"beforebehindit");
}

#[test]
fn slices_are_written_in_order_until_the_kernel_is_full() {
    let mut pair = Pair::new(SocketClass::Transport);
    let block = [7; 60 * 1024];
    let slices = [IoSlice::new(b"head"), IoSlice::new(&block)];
    let mut written = 0;
    loop {
        match pair.ours.write(&slices, Time::ZERO) {
            Write::Bytes(n) => {
                assert_eq!(n, 4 + block.len());
                written += n;
            }
            Write::Blocked(n) => {
                written += n;
                break;
            }
            Write::Failed => panic!("failed"),
        }
    }
    assert_eq!(pair.ours.write(&slices, Time::ZERO), Write::Blocked(0));
    let mut back = vec![0; written];
    pair.theirs.read_exact(&mut back).unwrap();
    for chunk in back.chunks(4 + block.len()) {
        assert!(chunk.iter().zip(b"head").all(|(a, b)| a == b));
    }
    pair.wait(Event::is_writable);
    assert!(matches!(
        pair.ours.write(&slices, Time::ZERO),
        Write::Bytes(1..) | Write::Blocked(1..)
    ));
}

#[cfg(target_os = "linux")]
#[test]
fn the_class_decides_the_options() {
    let pair = Pair::new(SocketClass::Transport);
    let socket = SockRef::from(&pair.ours.stream);
    assert!(socket.tcp_nodelay().unwrap());
    assert_eq!(socket.tcp_notsent_lowat().unwrap(), TRANSPORT_UNSENT);
    assert!(!socket.keepalive().unwrap(), "KGP has its own");
    let pair = Pair::new(SocketClass::Proxied);
    let socket = SockRef::from(&pair.ours.stream);
    assert!(socket.tcp_nodelay().unwrap());
    assert_ne!(socket.tcp_notsent_lowat().unwrap(), TRANSPORT_UNSENT);
    assert!(socket.keepalive().unwrap());
}

/// Closing with unread bytes would reset the connection and destroy the answer.
#[test]
fn an_orderly_close_delivers_what_was_written() {
    let mut pair = Pair::new(SocketClass::Proxied);
    pair.theirs.write_all(&[1; 40 * 1024]).unwrap();
    pair.wait(Event::is_readable);
    let answer = vec![2; 60 * 1024];
    let (Write::Bytes(n) | Write::Blocked(n)) =
        pair.ours.write(&[IoSlice::new(&answer)], Time::ZERO)
    else {
        panic!("failed");
    };
    pair.ours.close(CloseMode::Graceful);
    let mut got = Vec::new();
    pair.theirs.read_to_end(&mut got).unwrap();
    assert_eq!(got, answer[..n]);
}

#[test]
fn an_abort_is_seen_as_a_failure() {
    let mut pair = Pair::new(SocketClass::Proxied);
    pair.ours.close(CloseMode::Abort);
    let error = pair.theirs.read(&mut [0; 8]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_half_close_leaves_the_other_half() {
    let mut pair = Pair::new(SocketClass::Proxied);
    pair.ours.shutdown_write();
    assert_eq!(pair.theirs.read(&mut [0; 8]).unwrap(), 0);
    pair.theirs.write_all(b"still here").unwrap();
    pair.wait(Event::is_readable);
    let (text, _) = pair.read_to_rest();
    assert_eq!(text, b"still here");
}
