//! How much a session has on its way, by the round trip of its path.

use super::super::*;

const SETTINGS: fn() -> Settings = Settings::default;

/// A client whose first PING was answered after `rtt`, with so many streams that may send much.
fn client(rtt: Duration, streams: usize) -> (Session, Pool, Vec<StreamKey>) {
    let peer = Parameters::of(&SETTINGS());
    let mut session = Session::new(SessionId([0; 16]), Side::Client, SETTINGS(), peer);
    let (mut pool, now) = (Pool::new(1), Time::ZERO);
    session.attach(now);
    while let Some(frame) = session.next_control(now) {
        if let Ok(Some((Frame::Ping { token }, n))) = Frame::decode(frame.as_slice()) {
            let answered = now.after(rtt);
            session.receive(Frame::Pong { token }, n, &mut pool, answered).unwrap();
        }
    }
    let open = |index| {
        let owner = SocketId { index: index as u32, generation: 0 };
        let target = "site.test:80".parse().unwrap();
        let key = session.open(owner, StreamKind::Connect, target, &mut pool, now).unwrap();
        let stream = StreamId::new(1 + 2 * index as u64).unwrap();
        session.receive(Frame::Opened { stream, window: 1 << 30 }, 12, &mut pool, now).unwrap();
        key
    };
    let keys = (0..streams).map(open).collect();
    (session, pool, keys)
}

/// Reads sources and sends until no more is wanted; says what went.
fn send_all(session: &mut Session, pool: &mut Pool) -> u64 {
    let before = session.ring.sent();
    loop {
        while let Some((key, max)) = session.next_source() {
            let n = session.reserve(key, max, pool).len();
            session.commit(key, n, pool).unwrap();
        }
        if session.unsent().is_empty() {
            return session.ring.sent() - before;
        }
        session.mark_sent(usize::MAX);
    }
}

#[test]
fn on_a_short_path_bulk_waits_for_acknowledgements_and_small_flows_do_not() {
    let (mut session, mut pool, keys) = client(Duration::from_micros(100), 2);
    let limit = SETTINGS().prompt_bytes;
    session.source_ready(keys[0]);
    let sent = send_all(&mut session, &mut pool);
    assert!((limit..limit + 2 * MAX_UNSENT).contains(&sent), "{sent}");
    assert!(!session.has_sources());
    // A stream that was silent goes at once, and others may be opened.
    session.source_ready(keys[1]);
    assert!(session.has_sources() && session.may_open());
    let (key, max) = session.next_source().unwrap();
    assert_eq!(key, keys[1]);
    session.reserve(key, max, &mut pool);
    session.commit(key, 1000, &mut pool).unwrap();
    session.source_dry(key);
    assert!(!session.has_sources());
    // An acknowledgement lets bulk go on.
    let ack = Frame::Ack { received: session.ring.sent() };
    session.receive(ack, 16, &mut pool, Time::ZERO).unwrap();
    assert!(send_all(&mut session, &mut pool) >= limit);
}

#[test]
fn a_long_path_is_filled_as_far_as_bytes_may_be_kept() {
    let (mut session, mut pool, keys) = client(Duration::from_millis(50), 1);
    session.source_ready(keys[0]);
    assert!(send_all(&mut session, &mut pool) >= SETTINGS().max_retained);
}

#[test]
fn several_connections_acknowledge_sooner() {
    let settings = SETTINGS().share(4);
    let peer = Parameters::of(&settings);
    let mut session = Session::new(SessionId([0; 16]), Side::Server, settings, peer);
    assert!(session.ack_bytes() * 3 <= settings.prompt_bytes);
    session.received = session.ack_bytes();
    session.ack_deadline = Some(Time::ZERO.after(ACK_DELAY));
    assert!(session.wants_to_send());
}
