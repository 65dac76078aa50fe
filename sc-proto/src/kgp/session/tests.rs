//! What a session promises, one test for each promise.

pub(crate) mod world;

use core::time::Duration;

use world::{Answers, CLIENT, SERVER, Whole, World};

use super::*;
use crate::kgp::ProtocolError;
use crate::kgp::frame::{FrameType, HEADER, frame_length};

fn world() -> World {
    World::new(Settings::default(), Settings::default())
}

#[test]
fn bytes_read_into_a_place_survive_an_acknowledgement_meanwhile() {
    let mut w = world();
    let stream = w.open(CLIENT).unwrap();
    w.run_on(2).unwrap();
    let end = &mut w.ends[CLIENT];
    assert_eq!(end.session.ring.retained(), 0);
    let key = end.apps[&stream].key;
    assert_eq!(end.session.send(key, b"one", 3, &mut end.pool), 3);
    while w.transmit(CLIENT, &mut Whole) {}
    let end = &mut w.ends[CLIENT];
    end.session.reserve(key, 3, &mut end.pool)[..3].copy_from_slice(b"two");
    let (received, sent) = (end.session.ring.acked(), end.session.ring.sent());
    assert!(received < sent);
    let ack = Frame::Ack { received: sent };
    end.session.receive(ack, 16, &mut end.pool, w.now).unwrap();
    assert_eq!(end.session.commit(key, 3, &mut end.pool), Ok(()));
    assert_eq!(&end.session.unsent()[8..], b"two");
}

#[test]
fn a_place_is_lost_to_a_frame_and_only_its_own_stream_loses_it() {
    let mut w = world();
    let (a, b) = (w.open(CLIENT).unwrap(), w.open(CLIENT).unwrap());
    let end = &mut w.ends[CLIENT];
    let (a, b) = (end.apps[&a].key, end.apps[&b].key);
    end.session.reserve(a, 10, &mut end.pool);
    end.session.go_away(&mut end.pool);
    assert_eq!(
        end.session.commit(a, 10, &mut end.pool),
        Err(send::PlaceLost)
    );
    assert_eq!(end.session.commit(a, 0, &mut end.pool), Ok(()));
    end.session.reserve(a, 10, &mut end.pool);
    end.session.reserve(b, 10, &mut end.pool);
    assert_eq!(
        end.session.commit(a, 10, &mut end.pool),
        Err(send::PlaceLost)
    );
    assert_eq!(end.session.commit(b, 10, &mut end.pool), Ok(()));
}

#[test]
fn no_more_is_taken_in_than_place_and_credit() {
    let mut w = world();
    let stream = w.open(CLIENT).unwrap();
    let end = &mut w.ends[CLIENT];
    let key = end.apps[&stream].key;
    let credit = end.session.credit_of(key);
    let before = end.session.ring.unsent_len();
    let room = end.session.reserve(key, usize::MAX, &mut end.pool).len();
    assert_eq!(room, credit);
    end.session.commit(key, usize::MAX, &mut end.pool).unwrap();
    let taken = end.session.ring.unsent_len() - before;
    assert_eq!((taken, end.session.credit_of(key)), (8 + room as u64, 0));
    assert!(end.session.reserve(key, 1, &mut end.pool).is_empty());
}

#[test]
fn no_frame_overtakes_one_that_has_gone_in_part() {
    let mut w = world();
    let stream = w.open(CLIENT).unwrap();
    w.run();
    let end = &mut w.ends[CLIENT];
    let key = end.apps[&stream].key;
    end.session.send(key, &[1; 100], 100, &mut end.pool);
    end.session.send(key, &[2; 100], 100, &mut end.pool);
    while end.session.next_control(w.now).is_some() {}
    end.session.mark_sent(108 + 3);
    let ping = Frame::Ping { token: 5 };
    end.session.receive(ping, 16, &mut end.pool, w.now).unwrap();
    assert!(end.session.next_control(w.now).is_none());
    end.session.mark_sent(usize::MAX);
    assert!(end.session.unsent().is_empty());
    let pong = Frame::Pong { token: 5 }.encode();
    let next = end.session.next_control(w.now).unwrap();
    assert_eq!(next.as_slice(), pong.as_slice());
}

#[test]
fn a_finished_stream_is_not_scheduled_any_more() {
    let mut w = world();
    let stream = w.open(CLIENT).unwrap();
    let end = &mut w.ends[CLIENT];
    let key = end.apps[&stream].key;
    end.session.source_ready(key);
    assert_eq!(end.session.next_source().map(|(key, _)| key), Some(key));
    end.session.finish(key, &mut end.pool);
    assert_eq!(end.session.next_source(), None);
}

fn at(ms: u64) -> Time {
    Time::from_nanos(ms * 1_000_000)
}

/// What a session sends now besides the ring.
fn controls(session: &mut Session, now: Time) -> Vec<Vec<u8>> {
    core::iter::from_fn(|| session.next_control(now))
        .map(|frame| frame.as_slice().to_vec())
        .collect()
}

fn receive_data(end: &mut world::End, id: u64, n: usize, now: Time) {
    let payload = std::vec![0; n];
    let stream = StreamId::new(id).unwrap();
    let payload = payload.as_slice();
    let frame = Frame::Data { stream, payload };
    end.session
        .receive(frame, HEADER + n, &mut end.pool, now)
        .unwrap();
}

/// A server with one stream of the client, at rest.
fn server_with_a_stream() -> World {
    let mut w = world();
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
    session
        .receive(Frame::Pong { token }, n, &mut pool, at(12_030))
        .unwrap();
    assert_eq!(session.rtt(), Duration::from_millis(30));
}

fn id(number: u64) -> StreamId {
    StreamId::new(number).unwrap()
}

/// What end `to` makes of a frame that its peer sends.
fn inject(w: &mut World, to: usize, frame: Frame<'_>) -> Result<(), ProtocolError> {
    let end = &mut w.ends[to];
    let n = frame_length(frame.encode().as_slice());
    end.session.receive(frame, n, &mut end.pool, w.now)?;
    Ok(())
}

fn open_frame(number: u64) -> Frame<'static> {
    let open = Open {
        kind: StreamKind::Connect,
        window: 0,
        target: "example.com:80".parse().unwrap(),
    };
    let stream = id(number);
    Frame::Open { stream, open }
}

/// OPEN under way, no answer yet: the answering side may not send before it.
#[test]
fn nothing_comes_before_the_answer() {
    for kind in [FrameType::Data, FrameType::Fin] {
        let mut w = world();
        w.open(CLIENT).unwrap();
        let stream = id(1);
        let frame = match kind {
            FrameType::Fin => Frame::Fin { stream },
            _ => Frame::Data {
                stream,
                payload: b"x",
            },
        };
        let wrong = ProtocolError::UnexpectedFrame(kind as u8);
        assert_eq!(inject(&mut w, CLIENT, frame), Err(wrong));
    }
}

#[test]
fn nothing_goes_before_the_answer() {
    let mut w = world();
    w.ends[SERVER].answers = Answers::WhenTold;
    let stream = w.open(CLIENT).unwrap();
    w.run();
    w.ends[SERVER].produce(stream, 10);
    w.ends[SERVER].end(stream);
    let end = &mut w.ends[SERVER];
    let key = end.apps[&stream].key;
    end.session.finish(key, &mut end.pool);
    assert_eq!(
        (end.session.credit_of(key), end.session.next_source()),
        (0, None)
    );
    end.answer(stream, Ok(()));
    w.run();
    let app = &w.ends[CLIENT].apps[&stream];
    assert_eq!((app.is_answered, app.got, app.got_end), (true, 10, true));
}

#[test]
fn no_open_follows_a_goaway_of_the_same_side() {
    let mut w = world();
    inject(&mut w, SERVER, Frame::GoAway).unwrap();
    let wrong = ProtocolError::UnexpectedFrame(FrameType::Open as u8);
    assert_eq!(inject(&mut w, SERVER, open_frame(1)), Err(wrong));
}
