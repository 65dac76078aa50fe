//! What a session does as time passes.

use super::super::world::{CLIENT, End, SERVER, World};
use super::super::*;
use crate::contract::TransportLoss;
use crate::kgp::frame::{FrameType, HEADER};

fn at(ms: u64) -> Time {
    Time::from_nanos(ms * 1_000_000)
}

/// What a session sends now besides the ring.
fn controls(session: &mut Session, now: Time) -> Vec<Vec<u8>> {
    core::iter::from_fn(|| session.next_control(now))
        .map(|frame| frame.as_slice().to_vec())
        .collect()
}

fn receive_data(end: &mut End, id: u64, n: usize, now: Time) {
    let payload = std::vec![0; n];
    let stream = StreamId::new(id).unwrap();
    let payload = payload.as_slice();
    let frame = Frame::Data { stream, payload };
    end.session.receive(frame, HEADER + n, &mut end.pool, now).unwrap();
}

/// A server with one stream of the client, at rest.
fn server_with_a_stream() -> World {
    let mut w = super::world();
    w.open(CLIENT).unwrap();
    w.run_on(1).unwrap();
    w.run_on(1).unwrap();
    w
}

#[test]
fn an_acknowledgement_that_is_due_is_not_put_off_by_more_data() {
    let mut w = server_with_a_stream();
    let now = w.now;
    let end = &mut w.ends[SERVER];
    receive_data(end, 1, 10, now);
    let due = now.after(ACK_DELAY);
    assert_eq!(end.session.deadline(), Some(due));
    assert!(!end.session.wants_to_send());
    end.session.handle_timeout(due).unwrap();
    assert!(end.session.deadline().unwrap() > due);
    // The transport takes nothing; meanwhile more comes.
    receive_data(end, 1, 10, due);
    assert!(end.session.wants_to_send());
    let received = end.session.received;
    let ack = Frame::Ack { received }.encode();
    assert_eq!(controls(&mut end.session, due), [ack.as_slice()]);
    assert!(!end.session.wants_to_send());
}

#[test]
fn many_bytes_are_acknowledged_at_once_and_few_with_the_next_frame() {
    let mut w = server_with_a_stream();
    let now = w.now;
    let end = &mut w.ends[SERVER];
    let key = end.session.streams.keys()[0];
    let is_ack = |frame: &Vec<u8>| frame[0] == FrameType::Ack as u8;
    for i in 1..=5 {
        receive_data(end, 1, 60_000, now);
        end.session.consumed(key, 60_000, now);
        let acks = controls(&mut end.session, now).into_iter().filter(is_ack);
        assert_eq!(acks.count(), usize::from(i == 5), "{i}");
    }
    receive_data(end, 1, 10, now);
    assert!(!end.session.wants_to_send());
    end.session.finish(key, &mut end.pool);
    let frames = controls(&mut end.session, now);
    assert!(frames.iter().any(is_ack), "an ACK goes along with the FIN");
}

#[test]
fn the_round_trip_time_does_not_hold_the_wait_for_the_transport() {
    let mut session = Session::new(
        SessionId([0; 16]),
        Side::Client,
        Settings::default(),
        Parameters::of(&Settings::default()),
    );
    let mut pool = Pool::new(1);
    session.attach(at(0));
    session.handle_timeout(at(10_000)).unwrap();
    assert!(session.wants_to_send());
    let ping = session.next_control(at(12_000)).unwrap();
    let (Frame::Ping { token }, n) = Frame::decode(ping.as_slice()).unwrap().unwrap() else {
        panic!("not a PING");
    };
    session.receive(Frame::Pong { token }, n, &mut pool, at(12_030)).unwrap();
    assert_eq!(session.rtt(), Duration::from_millis(30));
}

#[test]
fn a_peer_that_went_silent_is_given_up_and_a_lively_one_is_not() {
    let mut w = super::world();
    // Alive: hours of keepalives.
    w.run_on(5000).unwrap();
    assert!(w.now > at(3_600_000), "{:?}", w.now);
    // Dead: nothing arrives from the server any more.
    w.ends[SERVER].is_blocked = true;
    let went = w.now;
    let loss = loop {
        if let Err(loss) = w.run_on(1) {
            break loss;
        }
    };
    assert_eq!(loss, TransportLoss::Silent);
    let settings = Settings::default();
    let longest = settings.keepalive * (settings.max_missed_acks + 2);
    assert!(w.now.since(went) <= longest, "{:?}", w.now.since(went));
}

#[test]
fn while_streams_move_a_silent_link_is_noticed_sooner() {
    let mut w = server_with_a_stream();
    let now = w.now;
    let end = &mut w.ends[SERVER];
    receive_data(end, 1, 10, now);
    let noticed = loop {
        let due = end.session.deadline().unwrap();
        match end.session.handle_timeout(due) {
            Ok(()) => drop(controls(&mut end.session, due)),
            Err(loss) => {
                assert_eq!(loss, TransportLoss::Silent);
                break due;
            }
        }
    };
    assert_eq!(noticed.since(now), Duration::from_secs(3));
}

#[test]
fn a_deadline_moves_on_whatever_fired() {
    let mut w = server_with_a_stream();
    let settings = Settings { keepalive: Duration::ZERO, ..Settings::default() };
    let peer = Parameters::of(&settings);
    let mut session = Session::new(SessionId([0; 16]), Side::Server, settings, peer);
    session.attach(at(0));
    for session in [&mut session, &mut w.ends[SERVER].session] {
        for _ in 0..100 {
            let due = session.deadline().unwrap();
            if session.handle_timeout(due).is_err() {
                break;
            }
            assert!(session.deadline().unwrap() > due);
        }
    }
}
